package repair

import (
	"math/bits"
	"sync"

	"github.com/kvfsck/kvfsck/crc64"
)

// The registers of the CRC are the elements of the field GF(2^64): polynomials over the bits 0 and 1, modulo the polynomial of
// package crc64, which is primitive. So the powers of x run through all 2^64-1 elements but zero, and a register that one wrong
// bit left is a power of x whose exponent says where the bit is.
//
// In reflected form bit 63 of a register is the coefficient of x^0 and bit 0 that of x^63.

const (
	fieldOne   = 1 << 63 // x^0
	fieldX     = 1 << 62 // x^1
	groupOrder = 1<<64 - 1
)

// fieldStep returns x*v: what one zero bit more makes of a register.
func fieldStep(v uint64) uint64 { return v>>1 ^ crc64.Poly&-(v&1) }

// fieldMul returns a*b.
func fieldMul(a, b uint64) uint64 {
	// part[n] is b times the polynomial of degree 3 whose coefficients are the bits of n, the constant one on top as everywhere.
	var part [16]uint64
	for n, v := 8, b; n > 0; n, v = n>>1, fieldStep(v) {
		part[n] = v
	}
	for n := 3; n < 16; n++ {
		if low := n & -n; low != n {
			part[n] = part[low] ^ part[n^low]
		}
	}
	// Horner's rule from the highest powers of a, which are its lowest bits.
	var product uint64
	for range 16 {
		product = product>>4 ^ fieldCarry[product&15] ^ part[a&15]
		a >>= 4
	}
	return product
}

// fieldCarry is what x^4 makes of the four highest powers of a register.
var fieldCarry = [16]uint64{
	0x0000000000000000, 0x7d08ff3b88be6f81, 0xfa11fe77117cdf02, 0x8719014c99c2b083,
	0xdf7adabd7a6e2d6f, 0xa2722586f2d042ee, 0x256b24ca6b12f26d, 0x5863dbf1e3ac9dec,
	0x95ac9329ac4bc9b5, 0xe8a46c1224f5a634, 0x6fbd6d5ebd3716b7, 0x12b5926535897936,
	0x4ad64994d625e4da, 0x37deb6af5e9b8b5b, 0xb0c7b7e3c7593bd8, 0xcdcf48d84fe75459,
}

// fieldPow returns v to the power e.
func fieldPow(v, e uint64) uint64 {
	p := uint64(fieldOne)
	for ; e > 0; e >>= 1 {
		if e&1 != 0 {
			p = fieldMul(p, v)
		}
		v = fieldMul(v, v)
	}
	return p
}

// fieldLog returns the exponent L below 2^64-1 with x^L = v. v must not be 0.
//
// Pohlig and Hellman: the order of the group is 3·5·17·257·641·65537·6700417, all small. Raised to the power 2^64-1 / q, v falls
// into the subgroup of order q, where baby steps and giant steps find L modulo q in about √q steps; the Chinese remainder theorem
// joins the remainders.
func fieldLog(v uint64) uint64 {
	var sum uint64
	for i := range subgroups() {
		g := &subgroups()[i]
		sum = addOrder(sum, mulOrder(g.log(fieldPow(v, groupOrder/g.order)), g.join))
	}
	return sum
}

// subgroup is what is needed to take logarithms in the subgroup of a prime order.
type subgroup struct {
	order uint64
	join  uint64            // 1 modulo order, 0 modulo every other prime
	baby  map[uint64]uint64 // exponents of the first powers of the generator
	giant uint64            // the generator to the power -len(baby)
}

// babySteps is how many powers are kept of a subgroup; more make it faster and larger.
const babySteps = 1 << 13

var subgroups = sync.OnceValue(func() []subgroup {
	var all []subgroup
	for _, q := range []uint64{3, 5, 17, 257, 641, 65537, 6700417} {
		rest := groupOrder / q
		g := subgroup{order: q, baby: map[uint64]uint64{}}
		g.join = mulOrder(rest, powModulo(rest%q, q-2, q)) // Fermat: a^(q-2) is the inverse of a
		generator, power := fieldPow(fieldX, rest), uint64(fieldOne)
		for e := range min(q, babySteps) {
			g.baby[power] = e
			power = fieldMul(power, generator)
		}
		g.giant = fieldPow(generator, (q-uint64(len(g.baby))%q)%q)
		all = append(all, g)
	}
	return all
})

// log returns the exponent of v, which must be in the subgroup.
func (g *subgroup) log(v uint64) uint64 {
	for e := uint64(0); ; e += uint64(len(g.baby)) {
		if b, ok := g.baby[v]; ok {
			return (e + b) % g.order
		}
		v = fieldMul(v, g.giant)
	}
}

// powModulo returns b to the power e modulo q, which must be below 2^32.
func powModulo(b, e, q uint64) uint64 {
	p := uint64(1)
	for ; e > 0; e >>= 1 {
		if e&1 != 0 {
			p = p * b % q
		}
		b = b * b % q
	}
	return p
}

// mulOrder returns a*b modulo 2^64-1.
func mulOrder(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return addOrder(high, low) // 2^64 = 1
}

// addOrder returns a+b modulo 2^64-1.
func addOrder(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if sum += carry; sum == groupOrder {
		return 0
	}
	return sum
}
