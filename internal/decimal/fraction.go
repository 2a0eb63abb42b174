package decimal

import (
	"math"
	"math/bits"
	"strconv"
)

// AppendFraction appends the shortest decimal that reads back as f, as strconv does in the format 'f', if that has at most 15 digits, six of them behind the point, or
// if f is that decimal exactly and it is 1 or more. Otherwise ok is false, and nothing is appended.
//
// Of all decimals of so many digits no two are the same double. So if a number of millionths divided by a million is f, there is no other decimal for
// it that is as short, and no shorter one but without the zeros at its end.
func AppendFraction(dst []byte, f float64) (_ []byte, ok bool) {
	const million, most = 1e6, 1e15
	abs := math.Abs(f)
	if !(abs < most/million) {
		return appendExact(dst, f)
	}
	n := uint64(abs*million + 0.5)
	if n == 0 || float64(n)/million != abs {
		return appendExact(dst, f)
	}
	if f < 0 {
		dst = append(dst, '-')
	}
	dst = Append(dst, n/million)
	if n %= million; n == 0 {
		return dst, true
	}
	at := len(dst)
	dst = Append(dst, million+n) // the first digit gives way to the point
	dst[at] = '.'
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst, true
}

// appendExact is AppendFraction for an f from 1 up whose bits behind the point, one at least, are as many as the digits there of the decimal that it is.
//
// The last of its n digits there is a 5, so it lies in the middle between two decimals with a digit less. Where these are further apart than doubles are, neither reads back as f.
func appendExact(dst []byte, f float64) (_ []byte, ok bool) {
	raw := math.Float64bits(f)
	mantissa, exp := raw&(1<<mantissaBits-1)|1<<mantissaBits, int(raw>>mantissaBits&0x7FF)-bias
	point := mantissaBits - exp // bits behind the point
	n := point - bits.TrailingZeros64(mantissa)
	if exp < 0 || n < 1 || n >= len(fives) || 1<<point <= powers[n-1] {
		return dst, false
	}
	if f < 0 {
		dst = append(dst, '-')
	}
	mantissa >>= point - n
	dst = Append(dst, mantissa>>n)
	at := len(dst)
	dst = Append(dst, powers[n]+mantissa&(1<<n-1)*fives[n]) // the first digit gives way to the point
	dst[at] = '.'
	return dst, true
}

const (
	mantissaBits = 52
	bias         = 1023
)

// fives are powers of five.
var fives = func() (t [16]uint64) {
	for i, p := 0, uint64(1); i < len(t); i, p = i+1, 5*p {
		t[i] = p
	}
	return t
}()

// ParseFloat reads a number as strconv does, if it is written with digits only, or with a point and an exponent after digits, and is finite. Otherwise ok is false.
func ParseFloat(p []byte) (v float64, ok bool) {
	i := 0
	if len(p) > 0 && p[0] == '-' {
		i = 1
	}
	first := i
	var mantissa uint64
	for ; i < len(p) && p[i]-'0' <= 9; i++ {
		mantissa = 10*mantissa + uint64(p[i]-'0')
	}
	digits, exp := i-first, 0
	if digits == 0 {
		return 0, false
	}
	if i < len(p) && p[i] == '.' {
		i++
		point := i
		for ; i < len(p) && p[i]-'0' <= 9; i++ {
			mantissa = 10*mantissa + uint64(p[i]-'0')
		}
		exp = point - i
		digits -= exp
	}
	if i == len(p) && digits <= mostDigits {
		if v, ok = scale(mantissa, exp); ok {
			if first > 0 {
				v = -v
			}
			return v, true
		}
	}
	if i < len(p) && !isExponent(p[i:]) {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(p), 64)
	return v, err == nil
}

// isExponent reports whether p is an exponent.
func isExponent(p []byte) bool {
	if p[0] != 'e' {
		return false
	}
	if p = p[1:]; len(p) > 0 && (p[0] == '-' || p[0] == '+') {
		p = p[1:]
	}
	for _, c := range p {
		if c-'0' > 9 {
			return false
		}
	}
	return len(p) > 0
}

// mostDigits is how many digits 64 bits hold in any case.
const mostDigits = 19

// scale returns the double next to a number times a power of ten, if that is not far from 0.
func scale(mantissa uint64, exp int) (v float64, ok bool) {
	switch {
	case exp == 0:
		return float64(mantissa), true
	case exp <= -len(powers):
		return 0, false
	case mantissa < 1<<(mantissaBits+1): // both are doubles, and the quotient is rounded once
		return float64(mantissa) / float64(powers[-exp]), true
	}
	// Sixty-three bits of the quotient at least, and one that says whether there are more, are rounded to 53.
	d := powers[-exp]
	up, down := bits.LeadingZeros64(mantissa), bits.LeadingZeros64(d)
	mantissa <<= up
	q, rest := bits.Div64(mantissa>>1, mantissa<<63, d<<down)
	if rest != 0 {
		q |= 1
	}
	return float64(q) * math.Float64frombits(uint64(bias-63+down-up)<<mantissaBits), true
}
