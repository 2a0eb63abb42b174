//go:build purego || !amd64

package lzf

func decodeQuick(dst []byte, d int, src []byte, s int) (dEnd, sEnd int) {
	return decodeQuickGeneric(dst, d, src, s)
}
