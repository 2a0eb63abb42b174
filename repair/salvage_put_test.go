package repair

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSalvagePutBefore puts opcodes and what belongs to them before records, or takes their ends away: the records behind them are whole.
func TestSalvagePutBefore(t *testing.T) {
	originals := corpusOriginals(t)
	for _, c := range []struct {
		base   string
		at     int
		remove int
		put    string
	}{
		{"valkey-8.0/dbs.rdb", 371, 0, "\xFE"},     // the type of the next record as the number of a database
		{"redis-2.8/zsets.rdb", 3293, 0, "\xFE"},   // where no counts follow
		{"redis-5.0/lfu.rdb", 422, 0, "\xFE"},      // a counter as one
		{"redis-4.0/dbs.rdb", 2480, 0, "\xF3\x00"}, // metadata, of which the version has none
		{"redis-7.2/zsets.rdb", 1280, 0, "\xF3\x01\x01\x00\x00\x00\x00"},
		{"redis-7.4/hashes.rdb", 83, 1, ""},           // the second count
		{"redis-8.0/streams.rdb", 84, 2, ""},          // both
		{"redis-8.0/hashes.rdb", 29795, 5, ""},        // the end of a key that expires
		{"redis-7.0/functions.rdb", 13663, 0, "\x06"}, // one byte behind a compressed string
	} {
		d := newDamaged(originals("rdb/"+c.base), c.base)
		d.splice(c.at, c.at+c.remove, []byte(c.put))
		sc, _ := rate(t, d)
		assert.Empty(t, sc.lost)
		assert.Empty(t, sc.bad)
	}
}

// TestSalvageReadOn damages collections so that they take the beginning of the next record: they are not kept.
func TestSalvageReadOn(t *testing.T) {
	originals := corpusOriginals(t)
	for _, c := range []struct {
		base string
		at   int
		put  string
	}{
		{"redis-3.2/random2.rdb", 15540, "\x71"}, // one element more
		{"redis-5.0/sets.rdb", 14456, "\x10"},    // a longer element, behind which empty keys seem to stand
	} {
		d := newDamaged(originals("rdb/"+c.base), c.base)
		d.splice(c.at, c.at+len(c.put), []byte(c.put))
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad)
	}
}
