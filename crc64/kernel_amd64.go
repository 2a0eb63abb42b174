//go:build !purego

package crc64

import "github.com/kvfsck/kvfsck/internal/cpu"

// The assembly kernels fold. Sixteen bytes of data are a polynomial of 128 bits
// with an upper half H (the first eight bytes, the higher powers) and a lower
// half L. Seen from a place D bits further on in the data, they weigh
// H*x^(D+64) + L*x^D. Modulo the polynomial P these powers are constants of 64
// bits, so
//
//	H * (x^(D+64) mod P)  +  L * (x^D mod P)
//
// fits in 128 bits, leaves the same remainder, and can simply be added to the
// sixteen bytes at that place. Two carry-less multiplications thus carry sixteen
// bytes over any distance. Several lanes move side by side, a row at a time:
//
//	| lane 0 | lane 1 | lane 2 | lane 3 | lane 0 | lane 1 | lane 2 | ...
//	     |        |        |        |       ^        ^        ^
//	     |        |        +--------|-------|--------|--------+
//	     |        +-----------------|-------|--------+
//	     +--------------------------|-------+          D = 4 lanes = 512 bits
//
// At the end the lanes are folded into the last one, a tail shorter than a lane
// is joined to it, and Barrett's method reduces the last 128 bits to 64.
//
// Multiplying two reflected numbers of 64 bits gives the reflected product
// shifted by one, which stands for the product times x. The factors below
// therefore have one power of x less than the formula. A test derives each of
// these constants again from the polynomial.
//
// Reference: V. Gopal et al., "Fast CRC Computation for Generic Polynomials
// Using PCLMULQDQ Instruction", Intel, 2009.

// factors holds x^(D+63) mod P, for the upper half, and x^(D-1) mod P, for the
// lower half.
type factors [2]uint64

var (
	fold1  = factors{0xd9d7be7d505da32c, 0x381d0015c96f4444} // D = 128, one lane
	fold4  = factors{0xaf86efb16d9ab4fb, 0xf49784a634f014e4} // D = 512
	fold16 = factors{0x9a8908341a6d6d52, 0x9471a5389095fe44} // D = 2048
)

// barrett holds the quotient of x^128 by P and P itself. Both have 65 bits; the
// bit of x^0, the highest in reflected form, is left out and made up for in the
// assembly where it matters.
var barrett = [2]uint64{0x3e6cfa329aef9f77, 0x2b5926535897936b}

const (
	laneSize = 16      // bytes: the least that foldPCLMUL takes
	wideRow  = 16 * 16 // bytes: foldVPCLMUL takes multiples of this
	wideFrom = 512     // bytes: from here the wide kernel was measured to pay

	wide256From = 1024 // likewise, with registers of 256 bits
)

// foldPCLMUL returns the register after the n bytes at p. n must be at least
// laneSize. It needs PCLMULQDQ and SSSE3.
//
//go:noescape
func foldPCLMUL(crc uint64, p *byte, n int) uint64

// foldVPCLMUL folds the n bytes at p and the register before them into one lane,
// which it stores: the checksum of lane is the register after the data. n must
// be a positive multiple of wideRow. It needs AVX-512 F and VPCLMULQDQ.
//
//go:noescape
func foldVPCLMUL(crc uint64, p *byte, n int, lane *[laneSize]byte)

// foldVPCLMUL256 is foldVPCLMUL with registers of 256 bits. It needs AVX2 and VPCLMULQDQ.
//
//go:noescape
func foldVPCLMUL256(crc uint64, p *byte, n int, lane *[laneSize]byte)

func update(crc uint64, p []byte) uint64 {
	has := cpu.X86()
	switch {
	case has.VPCLMULQDQ && len(p) >= wideFrom:
		crc, p = updateWide(crc, p)
	case has.VPCLMULQDQ256 && len(p) >= wide256From:
		crc, p = updateWide256(crc, p)
	}
	if len(p) < laneSize {
		return updateGeneric(crc, p)
	}
	if has.PCLMULQDQ {
		return foldPCLMUL(crc, &p[0], len(p))
	}
	return updateGeneric(crc, p)
}

// updateWide feeds whole rows to the wide kernel and returns the register and
// the rest of p, which must hold at least one row.
func updateWide(crc uint64, p []byte) (uint64, []byte) {
	var lane [laneSize]byte
	rows := len(p) &^ (wideRow - 1)
	foldVPCLMUL(crc, &p[0], rows, &lane)
	return foldPCLMUL(0, &lane[0], laneSize), p[rows:]
}

// updateWide256 is updateWide with the kernel for 256 bits. Were the kernel an argument, lane would be allocated.
func updateWide256(crc uint64, p []byte) (uint64, []byte) {
	var lane [laneSize]byte
	rows := len(p) &^ (wideRow - 1)
	foldVPCLMUL256(crc, &p[0], rows, &lane)
	return foldPCLMUL(0, &lane[0], laneSize), p[rows:]
}
