package decimal

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"sync"
)

// ParseFloat reads a number as strconv does, if it is written with digits only, or with a point and an exponent after digits, and is finite. Otherwise ok is false.
func ParseFloat(p []byte) (v float64, ok bool) {
	i := 0
	if len(p) > 0 && p[0] == '-' {
		i = 1
	}
	first := i
	mantissa, i := number(p, i, 0)
	digits, exp := i-first, 0
	if digits == 0 {
		return 0, false
	}
	if i < len(p) && p[i] == '.' {
		point := i + 1
		mantissa, i = number(p, point, mantissa)
		exp = point - i
		digits -= exp
	}
	if i < len(p) {
		n, ok := exponent(p[i:])
		if !ok {
			return 0, false
		}
		exp += n
	}
	if digits <= mostDigits {
		if v, ok = scale(mantissa, exp); ok {
			if first > 0 {
				v = -v
			}
			return v, true
		}
	}
	v, err := strconv.ParseFloat(string(p), 64)
	return v, err == nil
}

// mostDigits is how many digits 64 bits hold in any case.
const mostDigits = 19

// number reads the digits at p[i:], v being those before, and returns where they end. What does not fit into 64 bits is lost.
func number(p []byte, i int, v uint64) (_ uint64, end int) {
	for len(p)-i >= 8 {
		x := binary.LittleEndian.Uint64(p[i:]) ^ zeros
		if (x|(x+0x7676767676767676))&0x8080808080808080 != 0 { // not all are below 10
			break
		}
		v = eight*v + valueOf(x)
		i += 8
	}
	for ; i < len(p) && p[i]-'0' <= 9; i++ {
		v = 10*v + uint64(p[i]-'0')
	}
	return v, i
}

// valueOf is the number of which x has the eight digits, one in each byte, the first lowest: neighbours are put together, then pairs, then fours.
func valueOf(x uint64) uint64 {
	x = (x*10 + x>>8) & 0x00FF00FF00FF00FF
	x = (x*100 + x>>16) & 0x0000FFFF0000FFFF
	return (x*10000 + x>>32) & 0xFFFFFFFF
}

// exponent reads p if it is an exponent. One that no number has anyway may be another such.
func exponent(p []byte) (n int, ok bool) {
	if p[0] != 'e' {
		return 0, false
	}
	p = p[1:]
	minus := len(p) > 0 && p[0] == '-'
	if minus || len(p) > 0 && p[0] == '+' {
		p = p[1:]
	}
	for _, c := range p {
		if c-'0' > 9 {
			return 0, false
		}
		n = min(10*n+int(c-'0'), 1e6)
	}
	if minus {
		n = -n
	}
	return n, len(p) > 0
}

// scale returns the double next to a number times a power of ten, if that is easy to tell.
//
// The way through 128 bits of the power is that of D. Lemire, "Number parsing at a gigabyte per second", 2021. Of the product of 192 bits the upper 64 are right but for what a
// last one adds to them; where that could reach the bit that decides, or lies in the middle, ok is false.
func scale(mantissa uint64, exp int) (v float64, ok bool) {
	switch {
	case exp == 0 || mantissa == 0:
		return float64(mantissa), true
	case mantissa < 1<<(mantissaBits+1) && -exact <= exp && exp <= exact: // both are doubles, and what comes of them is rounded once
		if exp < 0 {
			return float64(mantissa) / tens[-exp], true
		}
		return float64(mantissa) * tens[exp], true
	case exp < leastPower || exp > mostPower:
		return 0, false
	}
	const rest = 1<<(63-mantissaBits-2) - 1 // of the upper half, below the bit that decides
	power := &powersOfTen()[exp-leastPower]
	up := bits.LeadingZeros64(mantissa)
	mantissa <<= up
	hi, lo := bits.Mul64(mantissa, power[0])
	if hi&rest == rest && lo+mantissa < mantissa {
		more, last := bits.Mul64(mantissa, power[1])
		var carry uint64
		if lo, carry = bits.Add64(lo, more, 0); carry != 0 {
			hi++
		} else if hi&rest == rest && lo == math.MaxUint64 && last+mantissa < mantissa {
			return 0, false
		}
	}
	top := int(hi >> 63)
	if lo == 0 && hi&rest == 0 && hi>>(top+9)&3 == 1 { // in the middle, where the even one is next
		return 0, false
	}
	m := hi >> (top + 9) // 54 bits
	m = (m + m&1) >> 1
	binary := log2(exp) + 63 - up + top + bias
	if m>>(mantissaBits+1) != 0 {
		m >>= 1
		binary++
	}
	if binary < 1 || binary > 2*bias {
		return 0, false
	}
	return math.Float64frombits(uint64(binary)<<mantissaBits | m&(1<<mantissaBits-1)), true
}

// tens are the powers of ten that are doubles.
var tens = [exact + 1]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

const exact = 22

// The exponents that numbers of nineteen digits may have which are normal doubles.
const (
	leastPower = -326
	mostPower  = 308
)

// log2 is the logarithm of a power of ten, rounded down.
func log2(exp int) int { return exp * 217706 >> 16 }

// powersOfTen are the upper 128 bits of each, upper half first: rounded down from 1 on, where the first fifty-five are exact, and up below.
var powersOfTen = sync.OnceValue(func() *[mostPower - leastPower + 1][2]uint64 {
	t := new([mostPower - leastPower + 1][2]uint64)
	five, p := big.NewInt(5), big.NewInt(1) // the powers of two are in the exponent
	for exp := range -leastPower + 1 {
		if exp <= mostPower {
			t[exp-leastPower] = upper(p)
		}
		if exp > 0 {
			inverse := new(big.Int).Lsh(big.NewInt(1), uint(p.BitLen()+127))
			inverse.Quo(inverse, p)
			t[-exp-leastPower] = upper(inverse.Add(inverse, big.NewInt(1)))
		}
		p.Mul(p, five)
	}
	return t
})

// upper returns the highest 128 bits of v, with zeros behind them if it has less.
func upper(v *big.Int) [2]uint64 {
	w := new(big.Int).Lsh(v, 128)
	w.Rsh(w, uint(v.BitLen()))
	return [2]uint64{new(big.Int).Rsh(w, 64).Uint64(), w.Uint64()}
}
