package repair

import (
	"bytes"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageForeign: what belongs to another file does not become keys: a dump inside a value whose beginning is damaged, a dump behind the file, the
// tail of one.
func TestSalvageForeign(t *testing.T) {
	inner, _ := fuzz.RDB(99, fuzz.RDBOptions{Target: rdb.Version10, Keys: 40})
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{NoCompression: true})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(300, 0))
	for i := range 300 {
		e, v := rdb.NewEntry(0, fmt.Appendf(nil, "session:%d", i)), rdb.String(fmt.Sprintf(`{"user":%d,"page":"page %d"}`, i*7, i))
		if i == 150 {
			e.Key, v = []byte("backup:1"), rdb.String(inner)
		}
		require.NoError(t, w.WriteEntry(e, v))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "outer", b.Bytes())
	holder := o.keys[150]
	for name, damage := range map[string]func(d *damaged){
		"length of the holder": func(d *damaged) { d.splice(int(holder.start)+10, int(holder.start)+12, []byte{0x41, 0x7F}) },
		"type of the holder":   func(d *damaged) { d.splice(int(holder.start), int(holder.start)+1, []byte{0xF2}) },
		"dump behind":          func(d *damaged) { d.splice(len(d.bytes), len(d.bytes), inner) },
		"tail behind":          func(d *damaged) { d.splice(len(d.bytes), len(d.bytes), inner[len(inner)/2:]) },
		"dump behind damage": func(d *damaged) {
			scramble(rand.New(rand.NewSource(1)), d, int(o.keys[200].start), 3)
			d.splice(len(d.bytes), len(d.bytes), inner)
		},
		"end lost, dump behind": func(d *damaged) { d.splice(len(d.bytes)-9, len(d.bytes), inner) },
		"head of the inner dump": func(d *damaged) {
			d.splice(int(holder.start), int(holder.start)+40, bytes.Repeat([]byte{0xF2, 0x9B}, 20))
		},
		"checksum of the inner dump": func(d *damaged) { d.splice(int(holder.end)-4, int(holder.end)-3, nil) },
		"most of the inner dump":     func(d *damaged) { d.splice(int(holder.start)-9, int(holder.end)-600, nil) },
	} {
		d := newDamaged(o, name)
		damage(d)
		sc, _ := rate(t, d)
		assert.LessOrEqual(t, sc.untouched-sc.found, 1, "%s: %v", name, sc.lost)
		assert.Zero(t, sc.failed, "%s: %v", name, sc.bad)
		assert.Zero(t, sc.invented+sc.extra, "%s: %v", name, sc.bad)
	}
}

// TestSalvageLarge: records larger than what is looked at in memory are found behind damage too, and the database's counts are made anew.
func TestSalvageLarge(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{NoCompression: true})
	r := rand.New(rand.NewSource(3))
	keys, every := 60, 10
	if testing.Short() {
		keys, every = 28, 7
	}
	for i := range keys {
		v := make(rdb.List, 1+40*(i%2))
		for k := range v {
			v[k] = make([]byte, 8<<10)
			r.Read(v[k])
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "queue:%d", i)), v))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "large", b.Bytes())
	d := newDamaged(o, "")
	for _, k := range []int{every, 2 * every, 3 * every} {
		d.splice(int(o.keys[k].start), int(o.keys[k].start)+4, []byte{0xF2, 0xF2, 0xF2, 0xF2})
	}
	sc, s := rate(t, d)
	require.Equal(t, keys-3, sc.untouched)
	require.Equal(t, keys-3, sc.found, "%v", sc.lost)
	require.Empty(t, sc.bad)
	require.EqualValues(t, keys-3, s.Keys)
}

// TestSalvageLibraries: of function libraries with one name the last is kept, and one without a first line is none.
func TestSalvageLibraries(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 40}, 0)
	library := func(code string) []byte { return append([]byte{opFunction}, str(code)...) }
	first, second := "#!lua name=one\nfirst", "#!lua name=one\nsecond"
	b := concat(library(first), library("no first line, which says the name"), library(second))
	d := newDamaged(o, "")
	d.splice(headerSize, headerSize, b)
	s, out := salvage(t, d.bytes, SalvageOptions{})
	require.EqualValues(t, 1, s.Libraries)
	require.EqualValues(t, 2, s.LostLibraries)
	require.Contains(t, string(out), second)
	require.NotContains(t, string(out), first)
	require.EqualValues(t, 40, s.Keys)
}

// TestSalvageOwnHead: where the first block of the file is in another place the magic in there is the file's own, and so is what follows it.
func TestSalvageOwnHead(t *testing.T) {
	const size = 512
	o := numbered(t, true, map[uint64]int{0: 60}, 0)
	for second := 2 * size; second+size < len(o.bytes); second += size {
		d := newDamaged(o, fmt.Sprint(second))
		d.applyEdits([]corpus.Edit{{Op: "swap", N: []int{0, 100, second, 100}}})
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, second)
		for _, lost := range sc.lost { // at the seams
			assert.NotContains(t, lost, "db0:key:0", second)
		}
	}
}

// TestSalvageNoEndMark: an expiry whose opcode has become an end mark between two keys, both behind other damage, ends no dump, and neither does a key of as many bytes whose type has.
func TestSalvageNoEndMark(t *testing.T) {
	for _, expire := range []bool{false, true} {
		var b bytes.Buffer
		w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{})
		require.NoError(t, w.SelectDB(0))
		require.NoError(t, w.ResizeDB(60, uint64(60*one(expire))))
		for i := range 60 {
			e := rdb.NewEntry(0, fmt.Append(nil, "s:", i+10))
			if expire {
				e.ExpireAt = 1_800_000_000_000 + int64(i)
			}
			require.NoError(t, w.WriteEntry(e, rdb.String(fmt.Sprintf("v%d", i%10))))
		}
		require.NoError(t, w.Close())
		o := newOriginal(t, "end mark", b.Bytes())
		require.Equal(t, expire, o.keys[30].end-o.keys[30].start != headerSize)
		d := newDamaged(o, fmt.Sprint("expiries: ", expire))
		at := int(o.keys[30].start)
		d.splice(at, at+1, []byte{opEOF})
		at = int(o.keys[15].start)
		d.splice(at, at+4, []byte{0xF2, 0x9B, 0xF2, 0x9B})
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad)
		assert.LessOrEqual(t, len(sc.lost), 2, "%v", sc.lost)
	}
}

// TestSalvageFieldsInside: a value is a dump without its header, and its end is lost together with what follows it. The records of that dump, which begin with its own fields, are no keys.
func TestSalvageFieldsInside(t *testing.T) {
	fields := concat([]byte{opAux}, str("redis-ver"), str("7.0.15"), []byte{opAux}, str("ctime"), []byte("\xC2\x25\x2C\x0D\x6B"))
	inner := concat(fields, []byte{opSelectDB, 0, opResizeDB, 2, 0}, text("a", "hello"), text("b", "something"), []byte("\xFFchecksum"))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(60, 0))
	for i := range 60 {
		v := rdb.String(fmt.Sprint("value of key ", i))
		if i == 30 {
			v = inner
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "key:%d", i)), v))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "fields inside", b.Bytes())
	d := newDamaged(o, "zeros")
	at := int(o.keys[30].end) - 4
	d.splice(at, at+100, make([]byte, 100))
	sc, _ := rate(t, d)
	assert.Empty(t, sc.bad)
	assert.Empty(t, sc.lost)
}

// TestSalvageDumpNoBlock: keys of one database are lost in zeros, and a value of another holds a dump without its header, of so many keys. These are none of the lost ones.
func TestSalvageDumpNoBlock(t *testing.T) {
	var records [][]byte
	for i := range 6 {
		records = append(records, text(fmt.Sprint("key:", 100+i), fmt.Sprint("value of key ", i)))
	}
	inner := concat([]byte{opSelectDB, 0, opResizeDB, 6, 0}, concat(records...), []byte("\xFFchecksum"))
	for _, value := range [][]byte{inner, inner[:len(inner)-9], inner[5:]} {
		var b bytes.Buffer
		w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{NoCompression: true})
		for db := range uint64(2) {
			require.NoError(t, w.SelectDB(db))
			require.NoError(t, w.ResizeDB(60, 0))
			for i := range 60 {
				v := rdb.String(fmt.Sprint("value of key ", i))
				if i == 30 && db == 1 {
					v = concat([]byte(strings.Repeat("some text ", 20)), value)
				}
				require.NoError(t, w.WriteEntry(rdb.NewEntry(db, fmt.Appendf(nil, "key:%d", i)), v))
			}
		}
		require.NoError(t, w.Close())
		o := newOriginal(t, "dump", b.Bytes())
		d := newDamaged(o, "zeros")
		at := int(o.keys[10].start)
		d.splice(at, at+250, make([]byte, 250))
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad)
		assert.LessOrEqual(t, len(sc.lost), 1, "%v", sc.lost)
	}
}
