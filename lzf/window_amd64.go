//go:build !purego

package lzf

// walkWindows reports whether n blocks, at least one and none empty, of what begins at b are sound. It may read maxHeader bytes behind a block,
// and the same bounds hold as with [walkLanes]. It needs AVX2.
//
// It is for processors without AVX-512. Where the next operation is has to be known of each place before the operation there is known to be one, if
// nothing is to wait: so all 16 places of a window are looked at as if an operation began there, and tell where the next one would. That is
// a permutation, and three times put into itself it leads eight operations on, more than begin in a window. Four blocks are walked at
// once, two in a register.
//
//go:noescape
func walkWindows(b *byte, blocks *Block, n int) bool
