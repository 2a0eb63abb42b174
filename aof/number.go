package aof

import "math"

// The checkers and servers take numbers with the C library, which is laxer than the format.

// decimal is C's strtol in base 10 for 64 bits: blanks, a sign, digits, saturating. n is how much of p it took, 0 if there was no
// number; it stops at a NUL by itself. overflow says that it saturated.
func decimal(p []byte) (v int64, n int, overflow bool) {
	i := 0
	for i < len(p) && (p[i] == ' ' || p[i] >= '\t' && p[i] <= '\r') {
		i++
	}
	neg := false
	if i < len(p) && (p[i] == '-' || p[i] == '+') {
		neg = p[i] == '-'
		i++
	}
	first := i
	var u uint64
	for ; i < len(p) && p[i] >= '0' && p[i] <= '9'; i++ {
		d := uint64(p[i] - '0')
		if u > (math.MaxUint64-d)/10 {
			overflow = true
		} else {
			u = 10*u + d
		}
	}
	switch {
	case i == first:
		return 0, 0, false
	case neg && (overflow || u > 1<<63):
		return math.MinInt64, i, true
	case neg:
		return -int64(u), i, false
	case overflow || u > math.MaxInt64:
		return math.MaxInt64, i, true
	default:
		return int64(u), i, false
	}
}

// integer is a number as commands take it as an argument (string2ll in util.c): nothing but digits, no leading zero.
func integer(p []byte) (v int64, ok bool) {
	v, n, overflow := decimal(p)
	if n != len(p) || n == 0 || overflow {
		return 0, false
	}
	first := p[0]
	if first == '-' && n > 1 {
		return v, p[1] >= '1'
	}
	return v, first >= '1' && first <= '9' || first == '0' && n == 1
}
