package rdb

import (
	"bytes"
	"math"
	"strconv"
)

// scanDouble reads the number that p begins with, as C's strtod and scanf("%lg") do: leading blanks, a sign, decimal or hexadecimal
// digits with an exponent, "inf", "infinity" or "nan" in any case; p counts up to its first NUL. It returns how many bytes
// it used, 0 if p begins with no number.
func scanDouble(p []byte) (v float64, used int) {
	if i := bytes.IndexByte(p, 0); i >= 0 {
		p = p[:i]
	}
	blank := len(p) - len(bytes.TrimLeft(p, " \t\n\v\f\r"))
	n := numberLen(p[blank:])
	if n == 0 {
		return 0, 0
	}
	text := string(p[blank : blank+n])
	if c := text[n-1]; c|0x20 == 'n' {
		return math.NaN(), blank + n // with a sign too, which Go does not read
	}
	if hexNumber(text) && !bytes.ContainsAny(p[blank:blank+n], "pP") {
		text += "p0" // C needs no exponent, Go does
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && v == 0 { // a range error gives an infinity, as in C
		return 0, 0
	}
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
	for _, word := range []string{"infinity", "inf", "nan"} {
		if len(p)-i >= len(word) && bytes.EqualFold(p[i:i+len(word)], []byte(word)) {
			return i + len(word)
		}
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
