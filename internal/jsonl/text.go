package jsonl

import (
	"math"
	"strconv"

	"github.com/kvfsck/kvfsck/internal/decimal"
	"github.com/kvfsck/kvfsck/rdb"
)

// AppendBytes appends a byte string: a JSON string if it is valid UTF-8, else {"b64":"..."}.
func AppendBytes(dst, b []byte) []byte {
	out, o := put(dst[:cap(dst)], len(dst), b)
	return out[:o]
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
	return append(appendFloat(append(dst, '"'), f, 64), '"')
}

// appendFloat appends the shortest decimal of a float of 32 or 64 bits.
func appendFloat(dst []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	if abs < maxExact {
		if n := int64(f); float64(n) == f && (n != 0 || !math.Signbit(f)) {
			return decimal.AppendInt(dst, n)
		}
		if bits == 64 {
			if b, ok := decimal.AppendFraction(dst, f); ok {
				return b
			}
		}
	}
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
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
