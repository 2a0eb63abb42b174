package decimal

import (
	"math"
	"math/bits"
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
