package lzf

import (
	"bytes"
	"testing"
)

// FuzzDecompress demands that all ways to read a block agree with the plain one on
// any bytes and any declared length.
func FuzzDecompress(f *testing.F) {
	f.Add(block(lit("abc"), ref(3, 9)), uint32(12))
	f.Fuzz(func(t *testing.T, src []byte, n uint32) {
		// Beyond the largest expansion, lengths differ in nothing but size.
		declared := int64(n) % (MaxDecompressed(int64(len(src))) + 2)
		demandAgreement(t, src, declared)

		// The length the block has, if it has one, is the hardest.
		if out, _ := naive(src, MaxDecompressed(int64(len(src)))); int64(len(out)) != declared {
			demandAgreement(t, src, int64(len(out)))
		}
	})
}

// FuzzRoundTrip demands that every string comes back, from a block that fits just
// where Compress says it does.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("abcabcabcabc"), uint16(3))
	f.Fuzz(func(t *testing.T, unit []byte, repeat uint16) {
		src := bytes.Clone(unit)
		for range repeat % 64 {
			if len(src) > 1<<15 {
				break
			}
			src = append(src, unit...)
		}
		compressed := demandRoundTrip(t, src)
		demandAgreement(t, compressed, int64(len(src)))
	})
}
