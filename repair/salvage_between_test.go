package repair

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSalvageBetweenDamages damages files at ten places: a key or two between them have evidence enough by themselves, with the head of the damaged record behind them, or because they are made as others are.
func TestSalvageBetweenDamages(t *testing.T) {
	originals := corpusOriginals(t)
	for _, c := range []struct {
		base string
		seed int64
	}{
		{"redis-8.6/streams.rdb", 0}, // a stream without entries
		{"redis-8.6/streams.rdb", 9}, // one with one entry
		{"redis-2.8/sets.rdb", 8},    // a set of one member
		{"redis-7.4/smallcfg.rdb", 6},
		{"redis-8.6/nochecksum.rdb", 4}, // a compressed string
		{"redis-6.2/modules.rdb", 1},    // a module's value as others are
		{"redis-7.4/modules.rdb", 2},
	} {
		d := newDamaged(originals("rdb/"+c.base), c.base)
		scrambleAt(rand.New(rand.NewSource(c.seed)), d, 10)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.lost, "%s, seed %d", c.base, c.seed)
		assert.Empty(t, sc.bad, "%s, seed %d", c.base, c.seed)
	}
}
