package jsonl

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// putGeneric is put without a kernel.
func putGeneric(out []byte, o int, b []byte) ([]byte, int) {
	start := o
	out = room(out, o, len(b)+slack)
	out[o] = '"'
	i := 0 // what is before i in b stands before o in out, which has room for the rest and slack
	o++
	last := lastWord(b)
	for {
		// Eight bytes at a time are copied and looked at, up to the first that cannot stand as it is.
		bad := uint64(0)
		for ; len(b)-i >= 8; i, o = i+8, o+8 {
			x := binary.LittleEndian.Uint64(b[i:])
			binary.LittleEndian.PutUint64(out[o:], x)
			if bad = faults(x); bad != 0 {
				break
			}
		}
		if bad == 0 {
			left := uint(len(b) - i)
			x := last>>(64-8*left) | ones*' '<<(8*left)
			binary.LittleEndian.PutUint64(out[o:], x)
			if bad = faults(x); bad == 0 {
				o += int(left)
				out[o] = '"'
				return out, o + 1
			}
		}
		k := bits.TrailingZeros64(bad) >> 3
		i, o = i+k, o+k
		if b[i] < utf8.RuneSelf {
			if out = room(out, o, len(b)-i+6+slack); b[i] == '"' { // the most frequent
				out[o], out[o+1] = '\\', '"'
				o += 2
			} else {
				o += escape(out[o:], b[i])
			}
			i++
			continue
		}
		for i < len(b) && b[i] >= utf8.RuneSelf {
			n := runeLen(b[i:])
			if n == 0 {
				return putBase64Generic(out, start, b)
			}
			o += copy(out[o:], b[i:i+n])
			i += n
		}
	}
}

// slack is what put wants beyond the bytes that it copies: a quote before and behind them, that whole words can be written, and what it
// leaves.
const slack = 176

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// faults tells which of eight bytes cannot stand in a JSON string as they are, or are not ASCII: the high bit of the first such byte is set,
// and that of none before it; those behind may be wrong.
func faults(x uint64) uint64 {
	quote, backslash := x^ones*'"', x^ones*'\\'
	return (x | (x - ones*0x20) | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
}

// lastWord returns the last eight bytes of b, the last one highest, with zeros below if there are fewer.
func lastWord(b []byte) uint64 {
	n := len(b)
	var x uint64
	switch {
	case n >= 8:
		return binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4: // the two overlap
		x = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*uint(n-4))
	case n > 0:
		x = uint64(b[0]) | uint64(b[n/2])<<(8*uint(n/2)) | uint64(b[n-1])<<(8*uint(n-1))
	}
	return x << (64 - 8*uint(n))
}

// room makes room in a slice for n bytes behind the first o. What is behind the new length of the slice is lost.
func room(out []byte, o, n int) []byte {
	if len(out)-o < n {
		out = slices.Grow(out[:o], n)
		out = out[:cap(out)]
	}
	return out
}

// runeLen returns how many bytes the character takes that b begins with, which is not ASCII, or 0 if it is no UTF-8.
func runeLen(b []byte) int {
	if len(b) >= 2 && b[0]-0xC2 < 0xE0-0xC2 && b[1]&0xC0 == 0x80 {
		return 2
	}
	if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
		return n
	}
	return 0
}

// What stands around base64.
const (
	base64Open = `{"b64":"`
	base64Shut = `"}`
)

// putBase64Generic is putBase64 without a kernel.
func putBase64Generic(out []byte, o int, b []byte) ([]byte, int) {
	n := base64.StdEncoding.EncodedLen(len(b))
	out = room(out, o, n+slack)
	o += copy(out[o:], base64Open)
	base64.StdEncoding.Encode(out[o:o+n], b)
	return out, o + n + copy(out[o+n:], base64Shut)
}

// escapes is how ASCII characters that JSON wants escaped are written: a letter behind a backslash, or six bytes, the first one lowest, and how many they
// are in the highest byte.
var escapes = func() (t [utf8.RuneSelf]uint64) {
	for c := range ' ' {
		t[c] = word(fmt.Sprintf(`\u%04x`, c))
	}
	for c, s := range map[byte]string{'\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '"': `\"`, '\\': `\\`} {
		t[c] = word(s)
	}
	return t
}()

func word(s string) uint64 {
	x := uint64(len(s)) << 56
	for i := range len(s) {
		x |= uint64(s[i]) << (8 * i)
	}
	return x
}

// escape writes an ASCII character that JSON wants escaped and returns how many bytes that took: six at most, but eight are written.
func escape(out []byte, c byte) int {
	x := escapes[c&(utf8.RuneSelf-1)]
	binary.LittleEndian.PutUint64(out, x)
	return int(x >> 56)
}
