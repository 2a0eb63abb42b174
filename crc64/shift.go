package crc64

import "sync"

// Shift returns the register after n zero bytes are fed to a register that held
// crc. It takes O(log n) steps: a zero byte multiplies the register by x^8
// modulo the polynomial, so n of them multiply it by x^(8n), which the binary
// digits of n put together from squares. It panics if n is negative.
func Shift(crc uint64, n int64) uint64 {
	if n < 0 {
		panic("crc64: Shift by a negative number of bytes")
	}
	if n <= shiftDirect {
		t := stepTables()
		for ; n > 0; n-- {
			crc = t.feed(crc, 0)
		}
		return crc
	}
	return mulPowers(crc, n, &powerTables().forward)
}

// Unshift returns the register as it was before n zero bytes were fed, given the
// register crc after them: Unshift(Shift(c, n), n) is c. Like [Shift] it takes
// O(log n) steps and panics if n is negative.
func Unshift(crc uint64, n int64) uint64 {
	if n < 0 {
		panic("crc64: Unshift by a negative number of bytes")
	}
	if n <= shiftDirect {
		t := stepTables()
		for ; n > 0; n-- {
			crc = t.undo(crc)
		}
		return crc
	}
	return mulPowers(crc, n, &powerTables().backward)
}

// shiftDirect is the number of zero bytes that are stepped over one by one: up
// to here that beats a multiplication.
const shiftDirect = 32

// Two powers of x in reflected form. The inverse follows from the polynomial
// P = x^64 + ... + 1: modulo P, x * ((P - 1) / x) = -1 = 1. The
// division moves each coefficient of P one power down, x^64 included, which in
// reflected form is a shift to the left with the low bit set.
const (
	xPow0   uint64 = 1 << 63               // x^0
	xPow8   uint64 = 1 << 55               // x^8
	xPowNeg uint64 = Poly<<1&(1<<64-1) | 1 // x^-1
	polyLow uint64 = Poly                  // typed, for masks
)

// powers holds x^(8 * 2^k) and its inverse for every binary digit k that a
// length can have.
type powers struct {
	forward, backward [63]uint64
}

var powerTables = sync.OnceValue(func() *powers {
	p := new(powers)
	f, b := xPow8, xPowNeg
	for range 3 { // x^-1 -> x^-2 -> x^-4 -> x^-8
		b = mulMod(b, b)
	}
	for k := range p.forward {
		p.forward[k], p.backward[k] = f, b
		f, b = mulMod(f, f), mulMod(b, b)
	}
	return p
})

// mulPowers multiplies crc by squares[k] for every binary digit k set in n.
func mulPowers(crc uint64, n int64, squares *[63]uint64) uint64 {
	for k := 0; n != 0; k, n = k+1, n>>1 {
		if n&1 != 0 {
			crc = mulMod(squares[k], crc)
		}
	}
	return crc
}

// mulMod returns a*b modulo the polynomial, all in reflected form.
func mulMod(a, b uint64) uint64 {
	var product uint64
	for a != 0 {
		// The top bit of a is its lowest power, so b, multiplied by x on each
		// round, is added wherever that power occurs.
		product ^= b & -(a >> 63)
		a <<= 1
		b = b>>1 ^ polyLow&-(b&1)
	}
	return product
}
