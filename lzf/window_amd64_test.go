//go:build !purego

package lzf

import (
	"testing"

	"github.com/kvfsck/kvfsck/internal/cpu"
)

// TestSideBySide holds each kernel that this processor can run to Validate, whichever [ValidateAll] would take.
func TestSideBySide(t *testing.T) {
	for _, k := range []struct {
		name string
		has  bool
		walk func(b *byte, blocks *Block, n int) bool
	}{{"AVX-512", cpu.X86().AVX512F, walkLanes}, {"windows", cpu.X86().AVX2, walkWindows}} {
		t.Run(k.name, func(t *testing.T) {
			if !k.has {
				t.Skip("not of this processor")
			}
			rnd := newRand()
			var b []byte
			var blocks []Block
			for range 300 {
				src, n := randomBlock(rnd, 1+rnd.IntN(1+rnd.IntN(300)))
				if len(src) > 0 {
					blocks = append(blocks, Block{len(b), len(b) + len(src), n})
					b = append(b, src...)
				}
			}
			b = append(b, 0, 0, 0)
			for range 5000 {
				i := rnd.IntN(len(blocks))
				at := i - rnd.IntN(min(i+1, 1+rnd.IntN(40)))
				n := i + 1 + rnd.IntN(min(len(blocks)-i, 1+rnd.IntN(40))) - at
				block := &blocks[i]
				place := block.Start + rnd.IntN(block.End-block.Start)
				old, was := *block, b[place]
				switch rnd.IntN(5) {
				case 0:
					block.Length += rnd.IntN(3) - 1
				case 1:
					block.End = max(block.Start+1, block.End-rnd.IntN(3))
				case 2:
					b[place] ^= 1 << rnd.IntN(8)
				case 3:
					block.Start = place
				}
				want := validateEach(b, blocks[at:at+n])
				if got := k.walk(&b[0], &blocks[at], n); got != want {
					t.Fatalf("blocks %d to %d: %v, want %v: block %x, declared %d", at, at+n, got, want, b[block.Start:block.End], block.Length)
				}
				*block, b[place] = old, was
			}
		})
	}
}
