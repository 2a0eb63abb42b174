// Package crc64 computes the checksum that ends every RDB file: a 64-bit cyclic
// redundancy check with the polynomial known as "Jones".
//
// The parameters, in the usual notation:
//
//	width    64
//	poly     0xad93d23594c935a9   (reflected: 0x95ac9329ac4bc9b5, the form used here)
//	init     0
//	refin    true
//	refout   true
//	xorout   0
//	check    0xe9c6d914c4b8d9ca   the checksum of "123456789"
//
// The initial register is 0 and nothing is inverted, although a comment in
// Redis crc64.c says "Xor_In: 0xffffffffffffffff": no caller passes that. Two
// consequences matter to users of this package. Leading zero bytes do not
// change a checksum that starts at 0, and the checksum is linear: for a and b
// of equal length, crc(a xor b) = crc(a) xor crc(b). [Combine], [Shift] and
// [Undo] rest on that.
//
// # What the bytes mean
//
// The check reads the data as one long polynomial over the bits 0 and 1 and
// keeps its remainder modulo the polynomial above. Reflected means that the
// lowest bit of a byte comes first, so the earliest bit of the data is the
// highest power of x and sits in bit 0 of the register:
//
//	data      byte 0            byte 1            ...   byte n-1
//	          bit 0 ... bit 7   bit 0 ... bit 7         bit 0 ... bit 7
//	power     highest  ------------------------------------------> lowest
//
//	register  bit 63   62   61   ...   1      0
//	power     x^0      x^1  x^2  ...   x^62   x^63
//
// One step takes a byte v, adds it to the low end of the register, and shifts
// the register down by eight bits; what falls out selects a table row:
//
//	        63                         8 7       0
//	       +----------------------------+---------+
//	crc    |                            |    *    |<-- xor v
//	       +----------------------------+---------+
//	             \  shifted down by 8        |
//	              v                          v
//	crc' =   crc >> 8           xor     table[* xor v]
//
// The rows of the table have 256 different top bytes, so the top byte of crc'
// tells which row was used and the step can be taken back: see [Undo].
//
// In a file the checksum is stored after the opcode 0xFF as eight bytes, least
// significant first, and covers everything from the magic up to and including
// that opcode. A stored 0 says that the writer had checksums disabled.
//
// # Speed
//
// On amd64 processors with carry-less multiplication an assembly kernel runs at
// about five times the speed of hash/crc64, and with its forms for AVX-512 and for
// VPCLMULQDQ with AVX2 at the speed of memory. Elsewhere, and under the build tag purego, a portable kernel
// runs at about twice the speed of hash/crc64. All give the same results. Nothing is
// computed before the first use.
package crc64

// Size is the length of a checksum in bytes.
const Size = 8

// Poly is the Jones polynomial in reflected form: bit 63 is the coefficient of
// x^0, bit 0 that of x^63, and x^64 is implied. Source: Redis crc64.c.
const Poly = 0x95ac9329ac4bc9b5

// Checksum returns the checksum of p. That of no bytes is 0.
func Checksum(p []byte) uint64 {
	return Update(0, p)
}

// Update returns the register after feeding p to a register that held crc.
// Feeding data in pieces gives the same result as feeding it whole:
// Update(Update(0, a), b) is the checksum of a followed by b. It allocates
// nothing and is safe for concurrent use.
func Update(crc uint64, p []byte) uint64 {
	return update(crc, p)
}

// Combine returns the checksum of a followed by b, given the checksums of both
// and the length of b in bytes, so that parts of a file can be summed
// independently. It takes O(log lenB) steps and panics if lenB is negative.
func Combine(crcA, crcB uint64, lenB int64) uint64 {
	return Shift(crcA, lenB) ^ crcB
}

// Undo returns the register as it was before p was fed, given the register crc
// after it: Undo(Update(c, p), p) is c for every c and p. Walked backward from
// the checksum stored in a file, it yields the register that each position must
// have had if everything behind that position is sound.
func Undo(crc uint64, p []byte) uint64 {
	if len(p) > undoDirect {
		// By linearity the effect of p is that of as many zero bytes plus a
		// constant, its own checksum. Take off the constant, then the zeros.
		return Unshift(crc^Checksum(p), int64(len(p)))
	}
	t := stepTables()
	for i := len(p) - 1; i >= 0; i-- {
		crc = t.undo(crc) ^ uint64(p[i])
	}
	return crc
}

// undoDirect is the length from which [Undo] prefers the fixed cost of a long
// Unshift to a walk of one dependent table look-up a byte.
const undoDirect = 1 << 8
