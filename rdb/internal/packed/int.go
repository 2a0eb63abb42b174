package packed

import "math"

// MaxIntText is the longest decimal text of an int64, that of the smallest one.
const MaxIntText = len("-9223372036854775808")

// ParseInt returns the integer whose canonical decimal text b is: no spaces,
// no plus sign, no leading zeroes, no minus zero, and within an int64. This is
// the condition under which servers store a string as an integer (string2ll in
// Redis 7.2 util.c), because the text can be had back from the number.
func ParseInt(b []byte) (v int64, ok bool) {
	if len(b) == 0 || len(b) > MaxIntText {
		return 0, false
	}
	limit := uint64(math.MaxInt64)
	digits := b
	if b[0] == '-' {
		digits, limit = b[1:], limit+1
	}
	if len(digits) == 0 {
		return 0, false
	}
	if digits[0] == '0' {
		return 0, len(b) == 1
	}
	var u uint64
	for _, d := range digits {
		d -= '0'
		if d > 9 || u > (limit-uint64(d))/10 {
			return 0, false
		}
		u = u*10 + uint64(d)
	}
	if len(digits) < len(b) {
		return -int64(u), true // u of 2^63 wraps to the smallest int64, as wanted
	}
	return int64(u), true
}

// TextLen is the length of v's decimal text in bytes.
func TextLen(v int64) int {
	n, u := 1, uint64(v)
	if v < 0 {
		n, u = 2, -u
	}
	for ; u >= 10; u /= 10 {
		n++
	}
	return n
}
