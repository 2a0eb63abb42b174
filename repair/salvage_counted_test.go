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
