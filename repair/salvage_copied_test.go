package repair

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageCopiedKeyNotLost: a key that is torn at the seam of a block that stands twice is not lost, as it is kept where it stands whole; among few keys and among many.
func TestSalvageCopiedKeyNotLost(t *testing.T) {
	for _, n := range []int{60, 4000} {
		o := numbered(t, true, map[uint64]int{0: n}, 0)
		k, seam := o.keys[30], int(o.keys[20].start)
		d := newDamaged(o, "")
		torn := bytes.Clone(o.bytes[k.start : k.end-9])
		d.splice(seam, seam, append(torn, "\xF2\xF2\xF2\xF2"...))
		s, _ := salvage(t, d.bytes, SalvageOptions{})
		require.EqualValues(t, n, s.Keys)
		for _, l := range s.Lost {
			assert.NotEqual(t, k.key, string(l.Key), n)
		}
		assert.EqualValues(t, len(s.Lost), s.DamagedKeys+s.DoubtfulKeys)
	}
}

// TestSalvageSlotInRest: what reads as counts of a slot, in a form that no server writes, is a part of what is lost there.
func TestSalvageSlotInRest(t *testing.T) {
	for seed := range uint64(4) {
		o := generated(t, rdb.Version13, 200, seed)
		d := newDamaged(o, "")
		at := int(o.keys[100].start)
		rest := []byte{opSlotInfo, 0xC1, 44, 1}
		d.splice(at, at, rest)
		sc, s := rate(t, d)
		assert.Empty(t, sc.lost)
		assert.Empty(t, sc.bad)
		var lost []byte
		for _, r := range s.Regions {
			if r.Kind == RegionLost {
				lost = append(lost, d.bytes[r.Start:r.End]...)
			}
		}
		assert.Equal(t, rest, lost, "seed %d", seed)
	}
}
