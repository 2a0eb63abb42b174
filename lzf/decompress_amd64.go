//go:build !purego

package lzf

import "github.com/kvfsck/kvfsck/internal/cpu"

// decodeWords is the loop of [decodeQuick] on memory that the caller has measured: out may be written to up to dCap, the output must
// end by dEnd, and the round that begins at the place sMax of the input, or before, may read 37 bytes from there. It leaves
// to others what is near an end, and needs SSSE3.
//
//go:noescape
func decodeWords(out *byte, d, dEnd, dCap int, in *byte, s, sEnd, sMax int) (dNew, sNew int)

func decodeQuick(dst []byte, d int, src []byte, s int) (dEnd, sEnd int) {
	const inMargin = maxOp + 4
	if len(dst) == 0 || s >= len(src) || cap(src) < inMargin {
		return d, s
	}
	if !cpu.X86().SSSE3 {
		return decodeQuickGeneric(dst, d, src, s)
	}
	return decodeWords(&dst[0], d, len(dst), cap(dst), &src[0], s, len(src), min(len(src)-1, cap(src)-inMargin))
}
