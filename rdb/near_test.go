package rdb

import (
	"math/rand/v2"
	"testing"

	"github.com/kvfsck/kvfsck/crc64"
)

// However a walk steps, and back, the sum is that of the block.
func TestNear(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	b := make([]byte, 600<<10)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for range 300 {
		b := b[:rng.IntN(len(b)+1)]
		var n near
		n.start(b)
		step, back := 1+rng.IntN(1<<rng.IntN(18)), rng.IntN(2) // a walk may begin again
		for pos := 0; pos < len(b); pos += 1 + rng.IntN(step) {
			if n.walked(pos); back > 0 && pos > len(b)/2 {
				pos, back = rng.IntN(pos), back-1
			}
		}
		if got, want := n.end(), crc64.Checksum(b); got != want {
			t.Fatalf("%d bytes in steps of up to %d: %x, not %x", len(b), step, got, want)
		}
	}
}
