package repair

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

func swapped(i, j, size int) []corpus.Edit {
	return []corpus.Edit{{Op: "swap", N: []int{i, size, j, size}}}
}

func set(at int, put string) corpus.Edit {
	return corpus.Edit{Op: "set", N: []int{at}, Data: []byte(put)}
}

// TestSalvageFound damages files of the corpus so that much that is whole was lost once. At most so many untouched keys may be left out.
func TestSalvageFound(t *testing.T) {
	original := corpusOriginals(t)
	for _, c := range []struct {
		name, file string
		edits      []corpus.Edit
		lost       int
	}{
		{"bytes of a module's value that read as a run of slots", "redis-8.6/random1.rdb", []corpus.Edit{{Op: "zero", N: []int{16854, 64}}}, 0},
		{"header in another place, with what reads as an end mark behind it", "valkey-8.0/functions.rdb", swapped(0, 12288, 4096), 0},
		{"key of 8805 bytes, by luck, that leads to a record", "redis-8.6/functions.rdb", swapped(0, 8192, 4096), 0},
		{"strings behind a hash that seem to be fields of it", "redis-8.6/random2.rdb", []corpus.Edit{set(5491, ":"), set(5716, "\xf1"), set(6042, "\x17")}, 0},
		{"string before which bytes read as a field that expires", "redis-8.0/strings.rdb", swapped(16384, 56320, 512), 0},
		{"strings buried in one that is compressed", "redis-8.6/strings.rdb", swapped(28672, 36864, 4096), 2},
		{"end mark by luck where the first database is complete", "redis-7.2/random1.rdb", []corpus.Edit{{Op: "dup", N: []int{30539, 16}}}, 0},
		{"beginning of the file once more", "redis-5.0/lru.rdb", []corpus.Edit{{Op: "dup", N: []int{0, 512}}}, 0},
		{"end of a stream, where the end of an expiry may be", "redis-7.0/random1.rdb", []corpus.Edit{set(20615, "\x86\x52\x36")}, 0},
		{"key whose type is a zero of its own behind a sector of zeros", "redis-8.0/cluster.rdb", []corpus.Edit{{Op: "zero", N: []int{1024, 512}}}, 0},
		{"text of one byte before the opcode of an expiry", "redis-2.8/random2.rdb", []corpus.Edit{{Op: "del", N: []int{30020, 3}}}, 0},
		{"text of two bytes before that of an idle time", "redis-7.4/lru.rdb", []corpus.Edit{set(788, "\x80\xDA\xF5\xAC;\xA6\x88/\x9D")}, 0},
		{"few keys, and all alike", "redis-7.2/scripts.rdb", []corpus.Edit{{Op: "dup", N: []int{187, 3}}}, 0},
		{"block in the middle of a large string", "valkey-9.1/strings.rdb", swapped(4096, 69632, 4096), 0},
		{"block in the middle of one string of a list", "redis-5.0/nocompress.rdb", swapped(69632, 110592, 4096), 0},
		{"block with a key unlike others in the middle of a large string", "redis-4.0/strings.rdb", swapped(28160, 47104, 512), 1},
		{"string that grew over a hash of one field, of a key with a short name", "valkey-9.1/lru.rdb", []corpus.Edit{set(819, "\x2A\x80")}, 0},
		{"name that ends with bytes of damage, where two others have such", "redis-8.0/dbs.rdb", []corpus.Edit{{Op: "del", N: []int{1020, 1}}, {Op: "ins", N: []int{1576}, Data: []byte("\x80\x00\x00\x00\x00")}}, 0},
		{"set of integers, two bytes shorter, that reads on into the next record", "redis-7.4/sets.rdb", []corpus.Edit{{Op: "del", N: []int{25422, 2}}}, 0},
		{"list whose last node is one large item that lost four bytes", "redis-7.4/nocompress.rdb", []corpus.Edit{{Op: "del", N: []int{125667, 4}}}, 0},
		{"hash that ends before fields of its own", "redis-8.0/hfe.rdb", swapped(4096, 18432, 512), 0},
		{"zeros in place of the counts of a database", "valkey-unstable/scripts.rdb", []corpus.Edit{{Op: "zero", N: []int{170, 3}}}, 0},
		{"zeros behind a damaged stream", "valkey-unstable/streams.rdb", []corpus.Edit{{Op: "ins", N: []int{24937}, Data: []byte("\x81>")}}, 1},
		{"zeros behind what is read as a SELECTDB by luck", "redis-8.6/hfe.rdb", []corpus.Edit{{Op: "del", N: []int{21408, 8}}}, 0},
		{"zeros behind a key that is made of zeros", "valkey-9.1/sets.rdb", []corpus.Edit{{Op: "del", N: []int{3127, 3}}}, 0},
		{"string whose value is a listpack", "valkey-8.0/random1.rdb", []corpus.Edit{set(5585, "\x9e")}, 0},
		{"string that took whole keys and an idle time, by a byte put into its key", "redis-7.0/lru.rdb", []corpus.Edit{{Op: "ins", N: []int{183}, Data: []byte("\x91")}}, 0},
		{"likewise, by bytes taken out of it", "redis-7.4/lru.rdb", []corpus.Edit{{Op: "del", N: []int{328, 8}}}, 0},
		{"string that took the announcement of a slot", "redis-8.6/cluster.rdb", swapped(512, 2048, 512), 2},
		{"compressed string that reaches over the beginning of the last key", "redis-2.8/misc.rdb", []corpus.Edit{{Op: "del", N: []int{2166, 3}}}, 0},
		{"key of random bytes that is the only one missing", "redis-7.0/strings.rdb", []corpus.Edit{{Op: "dup", N: []int{57859, 16}}}, 0},
		{"likewise, behind a byte that stands twice", "redis-4.0/strings.rdb", []corpus.Edit{{Op: "dup", N: []int{42570, 1}}}, 0},
		{"field of a hash before the anchor, which is none though a key is missing", "redis-8.6/random2.rdb", []corpus.Edit{{Op: "zero", N: []int{7428, 64}}}, 0},
		{"end of a stream and beginning of a key that stand twice", "redis-5.0/streams.rdb", []corpus.Edit{{Op: "dup", N: []int{5326, 3}}}, 0},
		{"likewise, where the key is not like others", "valkey-9.1/dbs.rdb", []corpus.Edit{{Op: "dup", N: []int{1259, 8}}}, 0},
	} {
		d := newDamaged(original("rdb/"+c.file), c.name)
		d.applyEdits(c.edits)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.name)
		assert.LessOrEqual(t, len(sc.lost), c.lost, "%s: %v", c.name, sc.lost)
	}
}

// TestSalvageRecordsAsValue: records that a value holds as its own stay a part of it, where no more keys are missing than a gap explains.
func TestSalvageRecordsAsValue(t *testing.T) {
	const keys = 60
	write := func(w *rdb.Writer, i int, v string) {
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "page:%d", i)), rdb.String(v)))
	}
	var held, b bytes.Buffer
	w := rdb.NewWriter(&held, rdb.Version11, rdb.WriterOptions{})
	for i := range 20 {
		write(w, 1000+i, fmt.Sprintf("text of page %d", i))
	}
	require.NoError(t, w.Close())
	w = rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(keys, 0))
	for i := range keys {
		v := fmt.Sprintf("this is the text of page %d", i)
		if i == keys/2 {
			v = "held: " + string(held.Bytes()[9:held.Len()-9])
		}
		write(w, i, v)
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "records as value", b.Bytes())
	require.NotNil(t, o)
	d := newDamaged(o, "one key")
	at := int(o.keys[10].start)
	d.splice(at, at+12, make([]byte, 12))
	sc, s := rate(t, d)
	assert.Empty(t, sc.bad)
	assert.Empty(t, sc.lost)
	assert.EqualValues(t, keys-1, s.Keys)
}

// TestSalvageEndMarkInNoise puts a few bytes behind every second record. Those that read as the count of the keys, and those that read as an end mark
// behind a row of some more, end nothing.
func TestSalvageEndMarkInNoise(t *testing.T) {
	const keys, end = 600, 401
	o := numbered(t, false, map[uint64]int{0: keys}, 0)
	r := rand.New(rand.NewSource(1))
	var b []byte
	done := int64(0)
	for i := 1; i < keys; i += 2 {
		noise := []byte{0xF2, byte(r.Intn(256)), byte(r.Intn(256))}
		switch {
		case i == 1:
			noise = []byte{opResizeDB, 1, 0}
		case i == end:
			noise = append([]byte{opEOF}, "noise"...)
		case i > end-24 && i < end:
			continue
		}
		b = append(append(b, o.bytes[done:o.keys[i].end]...), noise...)
		done = o.keys[i].end
	}
	s, _ := salvage(t, append(b, o.bytes[done:]...), SalvageOptions{})
	for _, g := range s.Regions {
		require.NotEqual(t, RegionForeign, g.Kind, "%d to %d", g.Start, g.End)
	}
	require.GreaterOrEqual(t, s.Keys, int64(keys-10))
}

// TestSalvageIdleInNoise: bytes that once read as an idle time do not make other keys ones that have lost theirs.
func TestSalvageIdleInNoise(t *testing.T) {
	const keys = 200
	o := numbered(t, false, map[uint64]int{0: keys}, 0)
	at, again := o.keys[50].start, o.keys[150].start
	b := slices.Concat(o.bytes[:at], []byte{opIdle, 5}, o.bytes[at:again], []byte{0xF2, 0xF2}, o.bytes[again:])
	s, _ := salvage(t, b, SalvageOptions{})
	require.EqualValues(t, keys, s.Keys)
}
