package repair

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kvfsck/kvfsck/rdb"
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

// TestSalvageMadeInteger makes integers of the first bytes of strings that are compressed or have longer lengths.
func TestSalvageMadeInteger(t *testing.T) {
	o := corpusOriginals(t)("rdb/redis-7.0/strings.rdb")
	tried := 0
	for i := range o.keys {
		k := &o.keys[i]
		at := int(k.start) + 1 + stringSize(o.bytes[k.start+1:])
		if h := o.bytes[at]; o.bytes[k.start] != byte(rdb.TypeString) || h < 0x40 || h >= 0xC0 && h != 0xC3 || k.end-k.start > explainMost {
			continue
		}
		for first := byte(0xC0); first <= 0xC2; first++ {
			d := newDamaged(o, fmt.Sprintf("%x at %d", first, at))
			d.splice(at, at+1, []byte{first})
			sc, _ := rate(t, d)
			assert.Empty(t, sc.bad)
			tried++
		}
	}
	assert.Greater(t, tried, 20)
}
