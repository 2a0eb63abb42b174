package jsonl

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/kvfsck/kvfsck/internal/decimal"
	"github.com/kvfsck/kvfsck/rdb"
)

// AppendBytes appends a byte string: a JSON string if it is valid UTF-8, else {"b64":"..."}.
func AppendBytes(dst, b []byte) []byte {
	out, o := put(dst[:cap(dst)], len(dst), b)
	return out[:o]
}

// put is AppendBytes for a slice of which o bytes are written: it returns the slice, which may have grown, and how many are then. So much
// room is left that up to sixteen bytes can be written behind the string without asking.
func put(out []byte, o int, b []byte) ([]byte, int) {
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
				return putBase64(out, start, b)
			}
			o += copy(out[o:], b[i:i+n])
			i += n
		}
	}
}

// slack is what put wants beyond the bytes that it copies: a quote before and behind them, that whole words can be written, and what it
// leaves.
const slack = 32

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

// putBase64 is put of what is no UTF-8.
func putBase64(out []byte, o int, b []byte) ([]byte, int) {
	n := base64.StdEncoding.EncodedLen(len(b))
	out = room(out, o, n+slack)
	o += copy(out[o:], `{"b64":"`)
	base64.StdEncoding.Encode(out[o:o+n], b)
	return out, o + n + copy(out[o+n:], `"}`)
}

// short is the letter behind the backslash for the characters that have one.
var short = [utf8.RuneSelf]byte{'\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '"': '"', '\\': '\\'}

const hexDigits = "0123456789abcdef"

// escape writes an ASCII character that JSON wants escaped and returns how many bytes that took: six at most.
func escape(out []byte, c byte) int {
	if letter := short[c]; letter != 0 {
		return copy(out, []byte{'\\', letter})
	}
	return copy(out, []byte{'\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15]})
}

// maxExact is the largest number up to which a double holds every integer.
const maxExact = 1 << 53

// AppendUint appends a number, as a string if a double may not hold it.
func AppendUint(dst []byte, v uint64) []byte {
	if v <= maxExact {
		return decimal.Append(dst, v)
	}
	return append(decimal.Append(append(dst, '"'), v), '"')
}

// AppendInt is AppendUint of a signed number.
func AppendInt(dst []byte, v int64) []byte {
	if -maxExact <= v && v <= maxExact {
		return decimal.AppendInt(dst, v)
	}
	return append(decimal.AppendInt(append(dst, '"'), v), '"')
}

// AppendScore appends a score as a JSON string: the shortest decimal that reads back as the same double.
func AppendScore(dst []byte, f float64) []byte {
	dst = append(dst, '"')
	dst = appendFloat(dst, f, 64)
	return append(dst, '"')
}

// appendFloat appends the shortest decimal of a float of 32 or 64 bits.
func appendFloat(dst []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	if bits == 64 {
		if b, ok := decimal.AppendFraction(dst, f); ok {
			return b
		}
	}
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case abs < maxExact && f == math.Trunc(f) && (f != 0 || !math.Signbit(f)):
		return decimal.AppendInt(dst, int64(f))
	case abs < 1e-6 && f != 0 || abs >= 1e21:
		return strconv.AppendFloat(dst, f, 'e', -1, bits)
	default:
		return strconv.AppendFloat(dst, f, 'f', -1, bits)
	}
}

// appendModuleFloat appends a module's float, which may be NaN, as a JSON string. Raw is its bits.
func appendModuleFloat(dst []byte, f float64, raw uint64, bits int) []byte {
	dst = append(dst, '"')
	if f == f {
		dst = appendFloat(dst, f, bits)
	} else {
		dst = strconv.AppendUint(append(dst, "nan:"...), raw, 16)
	}
	return append(dst, '"')
}

// appendID appends a stream id as a JSON string.
func appendID(dst []byte, id rdb.StreamID) []byte {
	dst = decimal.Append(append(dst, '"'), id.MS)
	dst = decimal.Append(append(dst, '-'), id.Seq)
	return append(dst, '"')
}

// embstrLimit is the length up to which servers keep a string in its object's own memory (OBJ_ENCODING_EMBSTR_SIZE_LIMIT).
const embstrLimit = 44

// stringForms are what OBJECT ENCODING answers for strings.
var stringForms = [...]string{"int", "embstr", "raw"}

// StringEncoding returns what OBJECT ENCODING answers for a string of these bytes after it was loaded.
func StringEncoding(b []byte) string { return stringForms[stringForm(b)] }

// stringForm is StringEncoding as an index into stringForms.
func stringForm(b []byte) int {
	switch {
	case canonicalInt(b):
		return 0
	case len(b) <= embstrLimit:
		return 1
	default:
		return 2
	}
}

// canonicalInt reports whether b is an integer of 64 bits exactly as it would be printed.
func canonicalInt(b []byte) bool {
	const most = len("-9223372036854775808")
	if len(b) == 0 || len(b) > most {
		return false
	}
	digits, limit := b, "9223372036854775807"
	if b[0] == '-' {
		digits, limit = b[1:], "9223372036854775808"
	}
	if len(digits) == 0 || digits[0] == '0' && len(b) > 1 {
		return false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(digits) < len(limit) || len(digits) == len(limit) && string(digits) <= limit
}
