package jsonl

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/kvfsck/kvfsck/rdb"
)

// AppendBytes appends a byte string: a JSON string if it is valid UTF-8, else {"b64":"..."}.
func AppendBytes(dst, b []byte) []byte {
	if plain(b) {
		dst = append(dst, '"')
		dst = append(dst, b...)
		return append(dst, '"')
	}
	if !utf8.Valid(b) {
		dst = append(dst, `{"b64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, b)
		return append(dst, `"}`...)
	}
	return appendEscaped(dst, b)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain reports whether b is ASCII that JSON needs nothing escaped of. It looks at eight bytes at a time: the high bit of a byte
// of bad is set in the first byte that is at fault, if there is one; those behind may be wrong.
func plain(b []byte) bool {
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		quote, slash := x^ones*'"', x^ones*'\\'
		bad := x | (x - ones*0x20) | (quote-ones)&^quote | (slash-ones)&^slash
		if bad&highs != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// short is the letter behind the backslash for the control characters that have one.
var short = [0x20]byte{'\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

const hexDigits = "0123456789abcdef"

// appendEscaped appends valid UTF-8 as a JSON string.
func appendEscaped(dst, b []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i, c := range b {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, b[from:i]...)
		from = i + 1
		switch {
		case c >= 0x20:
			dst = append(dst, '\\', c)
		case short[c] != 0:
			dst = append(dst, '\\', short[c])
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, b[from:]...)
	return append(dst, '"')
}

// maxExact is the largest number up to which a double holds every integer.
const maxExact = 1 << 53

// AppendUint appends a number, as a string if a double may not hold it.
func AppendUint(dst []byte, v uint64) []byte {
	if v <= maxExact {
		return strconv.AppendUint(dst, v, 10)
	}
	return append(strconv.AppendUint(append(dst, '"'), v, 10), '"')
}

// AppendInt is AppendUint of a signed number.
func AppendInt(dst []byte, v int64) []byte {
	if -maxExact <= v && v <= maxExact {
		return strconv.AppendInt(dst, v, 10)
	}
	return append(strconv.AppendInt(append(dst, '"'), v, 10), '"')
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
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case abs < maxExact && f == math.Trunc(f) && (f != 0 || !math.Signbit(f)):
		return strconv.AppendInt(dst, int64(f), 10)
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
	dst = strconv.AppendUint(append(dst, '"'), id.MS, 10)
	dst = strconv.AppendUint(append(dst, '-'), id.Seq, 10)
	return append(dst, '"')
}

// embstrLimit is the length up to which servers keep a string in its object's own memory (OBJ_ENCODING_EMBSTR_SIZE_LIMIT).
const embstrLimit = 44

// StringEncoding returns what OBJECT ENCODING answers for a string of these bytes after it was loaded.
func StringEncoding(b []byte) string {
	switch {
	case canonicalInt(b):
		return "int"
	case len(b) <= embstrLimit:
		return "embstr"
	default:
		return "raw"
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
