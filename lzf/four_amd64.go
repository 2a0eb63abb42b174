//go:build !purego

package lzf

import "sync"

// walkFour reports whether n blocks, at least four and none empty, of what begins at b are sound. Of each operation four bytes are read, as
// with [walkLanes], and the same bounds hold. It needs BMI2.
//
// It is for processors without AVX-512. A walk that takes sizes out of a table waits some twelve cycles for each operation, one that branches on
// them as long where the branch is predicted wrong; four walks at once wait together, and there are no branches to predict.
//
//go:noescape
func walkFour(b *byte, blocks *Block, n int, table *opTable) bool

// opTable is what there is to know of an operation, by its control byte.
type opTable struct {
	size  [256]uint8  // bytes of input
	shift [256]uint8  // bits before the lower byte of the distance in the first four bytes
	far   [256]int64  // the rest of the distance less one; always negative with a literal run, which has none
	mask  [256]uint32 // of what follows the control byte, that counts for the length
	made  [256]uint32 // bytes of output, beside that
}

// operations is the table; its size is 4.6 KB.
var operations = sync.OnceValue(func() *opTable {
	t := &opTable{}
	for i := range t.size {
		c := byte(i)
		t.shift[c] = 8
		switch {
		case c < firstShort:
			t.size[c], t.far[c], t.made[c] = uint8(1+literalRun(c)), -1<<20, uint32(literalRun(c))
		case c < firstLong:
			t.size[c], t.far[c], t.made[c] = 2, int64(distance(c, 0)-1), uint32(shortLength(c))
		default:
			t.size[c], t.far[c], t.made[c] = 3, int64(distance(c, 0)-1), uint32(longLength(0))
			t.shift[c], t.mask[c] = 16, 0xFF
		}
	}
	return t
})
