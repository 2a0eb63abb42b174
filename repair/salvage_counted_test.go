package repair

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSalvageCountedOut writes over the type, the length and the beginning of the last key. The one before it is whole, which its count says, or what is left of the last.
func TestSalvageCountedOut(t *testing.T) {
	originals := corpusOriginals(t)
	for _, base := range []string{
		"valkey-9.1/zsets.rdb", // a sorted set of one element
		"redis-8.0/sets.rdb",   // integers, compressed; and a listpack
		"redis-4.0/sets.rdb",
		"redis-6.2/sets.rdb",
	} {
		o := originals("rdb/" + base)
		at := int(o.keys[len(o.keys)-1].start)
		for seed := range int64(8) {
			d := newDamaged(o, fmt.Sprintf("seed %d", seed))
			scramble(rand.New(rand.NewSource(seed)), d, at, 4)
			sc, _ := rate(t, d)
			assert.Empty(t, sc.lost)
			assert.Empty(t, sc.bad)
		}
	}
}

// TestSalvageHeaderMoved exchanges the first block of a file without a checksum with another one: the header stands in the middle, and begins no file of its own.
func TestSalvageHeaderMoved(t *testing.T) {
	const size = 4 << 10
	d := newDamaged(corpusOriginals(t)("rdb/redis-5.0/nochecksum.rdb"), "blocks exchanged")
	for i := range size {
		j := 2*size + i
		d.bytes[i], d.bytes[j] = d.bytes[j], d.bytes[i]
		d.from[i], d.from[j] = d.from[j], d.from[i]
	}
	sc, _ := rate(t, d)
	assert.LessOrEqual(t, len(sc.lost), 2, sc.lost)
	assert.Empty(t, sc.bad)
}

// TestSalvageCountsMissing takes out a block with what selects the last database and says how many keys it has. By the counts that are left there are too many keys then, but more than could be
// none.
func TestSalvageCountsMissing(t *testing.T) {
	const at, size = 1536, 512
	for _, base := range []string{"valkey-unstable/dbs.rdb", "valkey-8.0/dbs.rdb"} {
		d := newDamaged(corpusOriginals(t)("rdb/"+base), "")
		d.splice(at, at+size, nil)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.lost)
		assert.Empty(t, sc.bad)
	}
}

// TestSalvageBeginsTwice has the first 851 bytes of a file without fields twice: what follows the second header is the file itself, not another one behind it.
func TestSalvageBeginsTwice(t *testing.T) {
	const size = 851
	d := newDamaged(corpusOriginals(t)("rdb/redis-2.8/dbs.rdb"), "begins twice")
	d.splice(size, size, d.original.bytes[:size])
	sc, _ := rate(t, d)
	assert.Empty(t, sc.lost)
	assert.Empty(t, sc.bad)
}
