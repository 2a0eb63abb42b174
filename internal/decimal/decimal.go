// Package decimal writes integers, and numbers with a short fraction, as text, and reads the latter. It does what strconv does, but straight to where the text belongs
// or from where it is, which counts where numbers are short and many.
package decimal

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// MaxLen is how many bytes an integer of 64 bits takes at most, with its sign.
const MaxLen = 20

// AppendInt appends v.
func AppendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return Append(append(dst, '-'), -uint64(v))
	}
	return Append(dst, uint64(v))
}

// Append appends v.
func Append(dst []byte, v uint64) []byte {
	n := digits(v)
	if cap(dst)-len(dst) < n {
		dst = slices.Grow(dst, MaxLen)
	}
	out := dst[len(dst) : len(dst)+n]
	for v >= 100 && len(out) > 2 {
		q := v / 100
		binary.LittleEndian.PutUint16(out[len(out)-2:], pairs[v-100*q])
		out, v = out[:len(out)-2], q
	}
	if len(out) > 1 {
		binary.LittleEndian.PutUint16(out, pairs[v])
	} else {
		out[0] = '0' + byte(v)
	}
	return dst[:len(dst)+n]
}

// digits returns how many digits v has. Its logarithm tells them, or one too few, counted from 0.
func digits(v uint64) int {
	n := bits.Len64(v|1) * 1233 >> 12
	if v >= powers[n] {
		n++
	}
	return n
}

// powers are those of ten, but for the first: 0 has a digit too.
var powers = func() (t [MaxLen]uint64) {
	for i, p := 1, uint64(10); i < len(t); i, p = i+1, 10*p {
		t[i] = p
	}
	return t
}()

// pairs are the numbers below 100 in two digits, as they lie in memory.
var pairs = func() (t [100]uint16) {
	for i := range t {
		t[i] = uint16('0'+i/10) | uint16('0'+i%10)<<8
	}
	return t
}()
