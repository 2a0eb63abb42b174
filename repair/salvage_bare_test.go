package repair

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSalvageCountsTellExpiry damages values so that what is left of them before the next key could have been its expiry. The file says how many keys expire, and
// these are known.
func TestSalvageCountsTellExpiry(t *testing.T) {
	originals := corpusOriginals(t)
	for _, c := range []struct {
		base string
		at   int
		put  string
	}{
		{"redis-4.0/zsets.rdb", 21072, "\x00"},   // the size of what is compressed, and 8 bytes of a score behind it
		{"redis-7.0/streams.rdb", 21504, "\x0C"}, // a stream is a sorted set
	} {
		d := newDamaged(originals("rdb/"+c.base), c.base)
		d.splice(c.at, c.at+len(c.put), []byte(c.put))
		sc, _ := rate(t, d)
		assert.Empty(t, sc.lost)
		assert.Empty(t, sc.bad)
	}
}

// TestSalvageExpiryMissing: one key that expires is not known, so it is the one that seems to have lost its expiry, also where the number of keys says that it is one.
func TestSalvageExpiryMissing(t *testing.T) {
	d := newDamaged(corpusOriginals(t)("rdb/valkey-9.1/dbs.rdb"), "eight bytes missing")
	d.splice(1152, 1160, nil)
	sc, _ := rate(t, d)
	assert.Empty(t, sc.lost)
	assert.Empty(t, sc.bad)
}
