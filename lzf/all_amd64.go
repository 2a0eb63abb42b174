//go:build !purego

package lzf

import "github.com/kvfsck/kvfsck/internal/cpu"

// walkLanes reports whether n blocks, at least one, of what begins at b are sound. Of each operation four bytes are read, so that
// many must be there behind the last control byte. Places and lengths must be below maxLane. It needs AVX-512 F.
//
// Thirty-two blocks are walked side by side, a lane takes the next when it has ended one. A lane's step waits for the load of its
// control byte like any other walk's, but all wait at once, and no branch depends on what is there.
//
//go:noescape
func walkLanes(b *byte, blocks *Block, n int) bool

// maxLane keeps all that is counted in a lane within 32 bits: 264 bytes come of three at most.
const (
	maxLane  = 1 << 31
	maxWhole = maxLane / MaxRatio
)

// validateAll passes the blocks that can be walked side by side to the kernel that does so, the others are left to Validate.
func validateAll(b []byte, blocks []Block) bool {
	walk, least := sideBySide()
	if walk == nil || len(blocks) < least || len(b) >= maxLane {
		return validateEach(b, blocks)
	}
	for len(blocks) > 0 {
		n := 0
		for n < len(blocks) && laneable(b, &blocks[n]) {
			n++
		}
		if n >= least {
			if !walk(&b[0], &blocks[0], n) {
				return false
			}
		} else if !validateEach(b, blocks[:n]) {
			return false
		}
		if n < len(blocks) {
			if !validateEach(b, blocks[n:n+1]) {
				return false
			}
			n++
		}
		blocks = blocks[n:]
	}
	return true
}

// sideBySide returns the kernel for this processor, if there is one, and how many blocks it needs at least.
func sideBySide() (walk func(b *byte, blocks *Block, n int) bool, least int) {
	switch has := cpu.X86(); {
	case has.AVX512F:
		return walkLanes, 2
	case has.AVX2:
		return walkWindows, 1
	}
	return nil, 0
}

// laneable reports whether a block is one for lanes; one of no bytes is not worth it.
func laneable(b []byte, k *Block) bool {
	return 0 <= k.Start && k.Start < k.End && k.End <= len(b)-maxHeader && k.End-k.Start < maxWhole && uint64(k.Length) < maxLane
}
