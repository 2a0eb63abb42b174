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

// AppendInt appends v. What is behind dst may be overwritten, as far as its capacity goes.
func AppendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return Append(append(dst, '-'), -uint64(v))
	}
	return Append(dst, uint64(v))
}

// Append appends v. What is behind dst may be overwritten, as far as its capacity goes.
func Append(dst []byte, v uint64) []byte {
	n := len(dst)
	if cap(dst)-n < MaxLen {
		return appendTight(dst, v)
	}
	out := dst[n : n+MaxLen]
	if v >= eight {
		high := v / eight
		if high >= eight {
			n += first(out, high/eight)
			high %= eight
			binary.LittleEndian.PutUint64(dst[n:n+8], eightDigits(high)|zeros)
			n += 8
		} else {
			n += first(out, high)
		}
		binary.LittleEndian.PutUint64(dst[n:n+8], eightDigits(v%eight)|zeros)
		return dst[:n+8]
	}
	return dst[:n+first(out, v)]
}

const (
	eight = 1e8                // the first number of more than eight digits
	zeros = 0x3030303030303030 // eight of them
)

// first writes a number of up to eight digits, in eight bytes, and returns how many it has.
func first(out []byte, v uint64) int {
	x := eightDigits(v)
	shift := uint(bits.TrailingZeros64(x|1<<56)) &^ 7
	binary.LittleEndian.PutUint64(out[:8], (x|zeros)>>shift)
	return 8 - int(shift/8)
}

// eightDigits returns the eight digits of a number, one in each byte, the first lowest. Halves of four, two and one are split all at once.
func eightDigits(v uint64) uint64 {
	x := v/10000 | v%10000<<32
	y := x * 10486 >> 20 & 0x7F_0000007F // hundredths
	x = y | (x-100*y)<<16
	y = x * 103 >> 10 & 0x0F000F_000F000F // tenths
	return y | (x-10*y)<<8
}

// appendTight is Append where there may be no room for more than the digits.
func appendTight(dst []byte, v uint64) []byte {
	n := digits(v)
	if cap(dst)-len(dst) < n {
		return Append(slices.Grow(dst, MaxLen), v)
	}
	out := dst[len(dst) : len(dst)+n]
	for i := range out {
		out[n-1-i] = '0' + byte(v%10)
		v /= 10
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
