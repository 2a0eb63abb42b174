package repair

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/corpus"
)

// ofRecords makes an original of records behind a header of version 12.
func ofRecords(t *testing.T, records ...[]byte) *original {
	t.Helper()
	b := append([]byte("REDIS0012"), concat(records...)...)
	b = append(b, 0xFF)
	o := newOriginal(t, "", binary.LittleEndian.AppendUint64(b, crc64.Checksum(b)))
	require.NotNil(t, o)
	return o
}

// many makes so many records.
func many(n int, record func(i int) []byte) (all []byte) {
	for i := range n {
		all = append(all, record(i)...)
	}
	return all
}

// TestSalvageHeads writes over what stands before a key, or lets something grow that is no key. Both neighbours come back, and nothing that was not there.
func TestSalvageHeads(t *testing.T) {
	text := func(i int) []byte {
		return append(append([]byte{0}, str(fmt.Sprintf("user:%d", i))...), str("a value of text")...)
	}
	counted := func(i int) []byte { return append([]byte{0xF9, byte(i)}, text(i)...) }
	slotted := func(i int) []byte {
		key := fmt.Sprintf("user:%d", i)
		return concat(appendLength([]byte{0xF4}, uint64(keySlot([]byte(key)))), []byte{1, 0}, text(i))
	}
	announced := func(i int) []byte {
		key := fmt.Sprintf("user:%d", i)
		return concat([]byte{0xFA}, str("slot-info"), str(fmt.Sprintf("%d,1,0", keySlot([]byte(key)))), text(i))
	}
	database := func(db, n byte) []byte { return []byte{0xFE, db, 0xFB, n, 0} }
	first := func(o *original, i int) int { return int(o.keys[i].start) }
	library := "#!lua name=lib\n" + strings.Repeat("-- some text\n", 4)

	for _, c := range []struct {
		name    string
		records []byte
		damage  func(o *original) (at int, put string)
		lost    int // untouched keys that are
	}{
		{"type and length of a key", concat(database(0, 40), many(40, text)), func(o *original) (int, string) { return first(o, 20), "\x77\x33" }, 0},
		{"all before the length of a key", concat(database(0, 40), many(40, counted)), func(o *original) (int, string) { return first(o, 20), "\x38\xD1\x35" }, 0},
		{"slot", concat(database(0, 40), many(40, slotted)), func(o *original) (int, string) { return first(o, 20) - 5, "\x24\xFE\x55" }, 0},
		{"database", concat(database(0, 40), many(40, text), database(9, 40), many(40, func(i int) []byte { return text(100 + i) })), func(o *original) (int, string) { return first(o, 40) - 5, "\x2B" }, 0},
		{"name of a field that grows to a value", concat(database(0, 60), many(60, announced)), func(o *original) (int, string) {
			at := strings.LastIndex(string(o.bytes[:first(o, 20)]), "slot-info")
			return at - 1, string(rune(first(o, 20) + len("\x00\x07user:20") - at))
		}, 0},
		{"library that grows to a key", concat([]byte{0xF5}, str(library), database(0, 60), many(60, text)), func(o *original) (int, string) {
			return 10, string(appendLength(nil, uint64(first(o, 5)-12)))
		}, 1},
	} {
		o := ofRecords(t, c.records)
		d := newDamaged(o, c.name)
		at, put := c.damage(o)
		d.splice(at, at+len(put), []byte(put))
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.name)
		assert.LessOrEqual(t, len(sc.lost), c.lost, "%s: %v", c.name, sc.lost)
	}
}

// TestSalvageFieldsBehindDamage has a hash whose fields expire, but for most of them, behind a torn set. It is torn too, and what it has before that reads as strings.
func TestSalvageFieldsBehindDamage(t *testing.T) {
	d := newDamaged(corpusOriginals(t)("rdb/redis-8.6/random2.rdb"), "")
	for at, put := range map[int]string{12446: "\xE3\x11", 14368: "\x46\xE8\xD0", 15257: "\xF2\x4C\xA4", 16935: "\x5D\x90\x9E\xF4"} {
		d.splice(at, at+len(put), []byte(put))
	}
	sc, _ := rate(t, d)
	require.Empty(t, sc.bad)
	require.LessOrEqual(t, len(sc.lost), 1)
}

// manyWrong are seeds of many damages of which records were kept that were not in the file.
var manyWrong = []struct {
	base    string
	seed    int64
	damages int
}{
	{"redis-6.2/lru.rdb", 7001, 20},       // a key between damages has lost its idle time, all have one and few are known
	{"redis-8.6/lfu.rdb", 41006, 10},      // an expiry whose time became negative, behind another damage
	{"redis-7.4/random1.rdb", 41004, 10},  // the end of a listpack reads as the head of a string, of which the key is the next record's head
	{"redis-8.6/lru.rdb", 41005, 10},      // an integer becomes a string that takes the next record and ends where the damage in the one behind it does
	{"valkey-9.1/lru.rdb", 52000, 2},      // the same, and it takes the expiry of the one behind it
	{"redis-7.4/modules.rdb", 52000, 5},   // an expiry of which the opcode is lost, before a module's value
	{"redis-6.2/modules.rdb", 65001, 2},   // the same in a gap that is longer
	{"redis-7.0/lru.rdb", 52003, 10},      // the same before the first key
	{"redis-7.4/lru.rdb", 52001, 10},      // a string between gaps takes the next key's idle time
	{"valkey-9.1/lfu.rdb", 52001, 10},     // and one a record, and the next key's counter
	{"redis-6.2/lru.rdb", 65004, 10},      // and one where one of the first keys has lost its own
	{"redis-6.2/lfu.rdb", 52004, 2},       // and one just two records, where another key is lost
	{"redis-8.6/lfu.rdb", 64006, 5},       // and the last one, up to the end mark
	{"valkey-8.0/lru.rdb", 52005, 10},     // an expiry of which the opcode is lost in a long gap, others of its form have none
	{"redis-5.0/lru.rdb", 53007, 10},      // a key whose beginning is doubted took the next one's expiry
	{"redis-6.2/smallcfg.rdb", 53003, 10}, // the last entries of a node read as a string
	{"redis-5.0/lfu.rdb", 65005, 2},       // the same behind a key with a name that takes a value, a record and the beginning of that one
	{"redis-5.0/random1.rdb", 65001, 5},   // the end of a stream's id
	{"valkey-8.0/random1.rdb", 64001, 10}, // the last two elements of a torn set, and the last byte of the one before these
	{"redis-6.2/lru.rdb", 3, 5},           // a key's length grows over its value and the head of the next key, and ends as that one's name
	{"redis-8.6/lru.rdb", 7, 10},          // the same over an expiry and an idle time
	{"valkey-8.0/lfu.rdb", 6, 10},         // a string has a whole key in it, and nine bytes of the one behind that, which are no end mark
	{"redis-4.0/dbs.rdb", 1, 5},           // a key takes the next record, the name of which is damaged; the database lacks a key
	{"redis-5.0/lru.rdb", 65005, 10},      // an empty key with an empty string of odd form, and another length of odd form by damage
}

func TestSalvageManyWrong(t *testing.T) {
	originals := corpusOriginals(t)
	for _, c := range manyWrong {
		d := newDamaged(originals("rdb/"+c.base), "")
		scrambleAt(rand.New(rand.NewSource(c.seed)), d, c.damages)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.base)
	}
}

// scrambleAt writes over one to four bytes at so many places.
func scrambleAt(r *rand.Rand, d *damaged, places int) {
	for range places {
		scramble(r, d, r.Intn(len(d.bytes)-8), 1+r.Intn(4))
	}
}

// TestSalvageManyDamages damages small files of the corpus, of eight keys or more, at many places, each one to four bytes that are written over. Files of a kilobyte are among them, of which
// twenty damages leave no two keys in a row.
func TestSalvageManyDamages(t *testing.T) {
	t.Parallel()
	most, seeds := 300<<10, 1
	type count struct {
		damages      int
		least, wrong float64 // of the untouched keys
	}
	counts := []count{{2, 0.9995, 0}, {5, 0.9990, 5e-5}, {10, 0.9980, 1e-4}, {20, 0.9950, 3e-4}, {50, 0.985, 8e-4}}
	switch {
	case testing.Short():
		most = 4 << 10
	case big():
		seeds = 8
	default:
		counts = []count{counts[1], counts[3]}
	}
	all := newTally(t)
	for _, f := range corpus.RDBs(t) {
		if f.Size > int64(most) {
			continue
		}
		b, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		o := newOriginal(t, f.ID, b)
		if o == nil || len(o.keys) < 8 {
			continue
		}
		for _, c := range counts {
			for seed := range seeds {
				d := newDamaged(o, fmt.Sprintf("%d damages, seed %d", c.damages, seed))
				scrambleAt(rand.New(rand.NewSource(int64(seed))), d, c.damages)
				all.try(fmt.Sprintf("%2d damages", c.damages), d)
			}
		}
	}
	table(t, all.scores)
	report(t, "wrong", all.bad)
	for _, c := range counts {
		sc := all.scores[fmt.Sprintf("%2d damages", c.damages)]
		if sc == nil || testing.Short() {
			continue
		}
		assert.GreaterOrEqual(t, float64(sc.found), c.least*float64(sc.untouched), "%d damages", c.damages)
		assert.LessOrEqual(t, float64(sc.invented+sc.cutShort), c.wrong*float64(sc.untouched), "%d damages", c.damages)
	}
}

// TestSalvageVectorSetsBetween: vector sets behind damage are told by their module, which is the servers' own, though none was seen before and more damage follows.
func TestSalvageVectorSetsBetween(t *testing.T) {
	d := newDamaged(corpusOriginals(t)("rdb/redis-8.6/vectors.rdb"), "")
	d.splice(6829, 6834, make([]byte, 5))
	d.splice(6711, 6716, make([]byte, 5))
	d.splice(121, 145, []byte("\x12\x05\x00\x82\x21\x01\x40\x04\x03\x20\x82\x60\x12\x20\x42\x01\x1f\x4a\x10\xbb\xbf\xd9\xfe\xe6"))
	d.splice(100, 105, []byte("\x20\x06\x01\x42\x00"))
	sc, s := rate(t, d)
	assert.Empty(t, sc.bad)
	assert.Equal(t, sc.untouched, sc.found, "%v", s.Lost)
}
