package rdb

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/internal/decimal"
)

// scanfDouble reads the number that p begins with as C's sscanf("%lg") does. That never puts more than one byte back: where p goes on as a longer
// number does and then ends otherwise, as "1e+", "0xg" and "infinit" do, it takes none, though strtod takes the 1, the 0 and the infinity.
// (glibc 2.43; 2.36 took the 1 in "1e" and "0x1p" and the 0 in "0x.".)
func scanfDouble(p []byte) (v float64, ok bool) {
	v, used := scanDouble(p)
	return v, used > 0 && (used == len(p) || !goesOn(bytes.ToLower(bytes.TrimLeft(p[:used], blanks)), p[used]|0x20))
}

// goesOn reports whether what follows the number in text begins as though it belonged to the number. Both are in small letters.
func goesOn(text []byte, next byte) bool {
	digits := bytes.TrimLeft(text, "+-")
	hex := bytes.HasPrefix(digits, []byte("0x"))
	switch {
	case digits[0] == 'i':
		return len(digits) == len("inf") && next == 'i'
	case digits[0] == 'n':
		return len(digits) == len("nan") && next == '('
	case string(digits) == "0" && next == 'x':
		return true
	case hex:
		return next == 'p' && !bytes.ContainsRune(digits, 'p')
	}
	return next == 'e' && !bytes.ContainsRune(digits, 'e')
}

// maxPackedScore is how much of the text of a packed score Redis reads.
const maxPackedScore = 127

// packedDouble reads the text of a score in a packed encoding as the newest servers do: by fast_float's rules, which know neither blanks
// nor hexadecimal digits. What is no number is 0. (Redis 8.6 and Valkey 9.1 t_zset.c)
func packedDouble(p []byte, f Family) float64 {
	if v, ok := plainDouble(p); ok {
		return v
	}
	if f == Redis && len(p) > maxPackedScore {
		p = p[:maxPackedScore]
	}
	i := 0
	if len(p) > 0 && (p[0] == '+' || p[0] == '-') {
		i = 1
	}
	switch {
	case len(p) > 0 && strings.IndexByte(blanks, p[0]) >= 0:
		return 0
	case len(p) > i+1 && p[i] == '0' && p[i+1]|0x20 == 'x':
		p = p[:i+1]
	}
	v, _ := scanDouble(p)
	return v
}

// plainDouble reads text that is a number as writers form it, and nothing else: all ways of reading agree on it.
func plainDouble(p []byte) (v float64, ok bool) {
	if len(p) > 32 {
		return 0, false
	}
	return decimal.ParseFloat(p)
}

// blanks are what C skips before a number.
const blanks = " \t\n\v\f\r"

// scanDouble reads the number that p begins with as C's strtod does: leading blanks, a sign, decimal or hexadecimal
// digits with an exponent, "inf", "infinity" or "nan" in any case, the last with letters in brackets behind it; p counts up to its first NUL.
// It returns how many bytes it used, 0 if p begins with no number.
func scanDouble(p []byte) (v float64, used int) {
	if i := bytes.IndexByte(p, 0); i >= 0 {
		p = p[:i]
	}
	blank := len(p) - len(bytes.TrimLeft(p, blanks))
	n := numberLen(p[blank:])
	if n == 0 {
		return 0, 0
	}
	text := string(p[blank : blank+n])
	if c := text[n-1]; c|0x20 == 'n' || c == ')' {
		return math.NaN(), blank + n // with a sign too, which Go does not read
	}
	if hexNumber(text) && !bytes.ContainsAny(p[blank:blank+n], "pP") {
		text += "p0" // C needs no exponent, Go does
	}
	v, _ = strconv.ParseFloat(text, 64) // its one error is that of the range, with an infinity, as in C
	return v, blank + n
}

func hexNumber(s string) bool {
	i := 0
	if s[0] == '+' || s[0] == '-' {
		i = 1
	}
	return len(s) > i+1 && s[i] == '0' && s[i+1]|0x20 == 'x'
}

// numberLen returns the size of the longest number that p begins with.
func numberLen(p []byte) int {
	i := 0
	if i < len(p) && (p[i] == '+' || p[i] == '-') {
		i++
	}
	for _, word := range []string{"infinity", "inf"} {
		if hasWord(p[i:], word) {
			return i + len(word)
		}
	}
	if hasWord(p[i:], "nan") {
		i += len("nan")
		return i + bracketLen(p[i:])
	}
	hex := len(p) > i+1 && p[i] == '0' && p[i+1]|0x20 == 'x'
	if hex {
		if n := mantissaLen(p[i+2:], isHex); n > 0 {
			return i + 2 + n + exponentLen(p[i+2+n:], 'p')
		}
	}
	n := mantissaLen(p[i:], isDigit)
	if n == 0 {
		return 0
	}
	return i + n + exponentLen(p[i+n:], 'e')
}

// hasWord reports whether p begins with the word, in any case.
func hasWord(p []byte, word string) bool {
	return len(p) >= len(word) && bytes.EqualFold(p[:len(word)], []byte(word))
}

// bracketLen returns the size of letters, digits and underscores in brackets, 0 if p begins with none.
func bracketLen(p []byte) int {
	if len(p) == 0 || p[0] != '(' {
		return 0
	}
	for i := 1; i < len(p); i++ {
		switch c := p[i]; {
		case c == ')':
			return i + 1
		case !isDigit(c) && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z'):
			return 0
		}
	}
	return 0
}

// mantissaLen returns the size of digits with at most one point among them, 0 if there is no digit.
func mantissaLen(p []byte, digit func(byte) bool) int {
	n, digits, point := 0, 0, false
	for ; n < len(p); n++ {
		switch {
		case digit(p[n]):
			digits++
		case p[n] == '.' && !point:
			point = true
		default:
			if digits == 0 {
				return 0
			}
			return n
		}
	}
	if digits == 0 {
		return 0
	}
	return n
}

// exponentLen returns the size of an exponent, 0 if it has no digits.
func exponentLen(p []byte, mark byte) int {
	if len(p) == 0 || p[0]|0x20 != mark {
		return 0
	}
	i := 1
	if i < len(p) && (p[i] == '+' || p[i] == '-') {
		i++
	}
	first := i
	for i < len(p) && isDigit(p[i]) {
		i++
	}
	if i == first {
		return 0
	}
	return i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
