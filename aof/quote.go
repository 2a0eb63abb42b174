package aof

import "fmt"

// Words of a manifest's line are quoted as those of the configuration file (sds.c, sdssplitargs and sdscatrepr):
//
//	word           up to a blank; a quote inside it begins a quoted part
//	"a \"b\" \x41" \n \r \t \b \a and \xHH; a backslash before anything else stands for that
//	'it\'s'        \' only
//
// Behind a closing quote must come a blank or the end.

var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'a': '\a'}

// splitArgs splits a line into words. ok is false if quotes are not balanced.
func splitArgs(line string) (words []string, ok bool) {
	for i := 0; ; {
		for i < len(line) && (line[i] == ' ' || line[i] >= '\t' && line[i] <= '\r') {
			i++
		}
		if i == len(line) {
			return words, true
		}
		word, n := nextArg(line[i:])
		if n < 0 {
			return nil, false
		}
		words = append(words, word)
		i += n
	}
}

// nextArg takes one word; n is how much of s it took, -1 if its quotes are not balanced.
func nextArg(s string) (word string, n int) {
	var b []byte
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case ' ', '\n', '\r', '\t':
			return string(b), i
		case '"', '\'':
			part, n := quotedPart(s[i:])
			if n < 0 {
				return "", -1
			}
			b = append(b, part...)
			return string(b), i + n
		default:
			b = append(b, c)
			i++
		}
	}
	return string(b), len(s)
}

// quotedPart takes what a quote at s[0] begins, both quotes included.
func quotedPart(s string) (part []byte, n int) {
	quote := s[0]
	for i := 1; i < len(s); {
		c := s[i]
		switch {
		case c == quote:
			if i+1 < len(s) && s[i+1] != ' ' && (s[i+1] < '\t' || s[i+1] > '\r') {
				return nil, -1
			}
			return part, i + 1
		case quote == '"' && c == '\\' && i+3 < len(s) && s[i+1] == 'x' && hex(s[i+2]) >= 0 && hex(s[i+3]) >= 0:
			part = append(part, byte(hex(s[i+2])<<4|hex(s[i+3])))
			i += 4
		case quote == '"' && c == '\\' && i+1 < len(s):
			e, ok := escapes[s[i+1]]
			if !ok {
				e = s[i+1]
			}
			part = append(part, e)
			i += 2
		case quote == '\'' && c == '\\' && i+1 < len(s) && s[i+1] == '\'':
			part = append(part, '\'')
			i += 2
		default:
			part = append(part, c)
			i++
		}
	}
	return nil, -1
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	default:
		return -1
	}
}

// appendArg appends a word, in double quotes if it needs them. The servers do not quote an empty word, and a quote in the middle
// of one (') only if it needs quotes for another reason; both would be misread.
func appendArg(b []byte, word string) []byte {
	plain := word != ""
	for _, c := range []byte(word) {
		plain = plain && c > ' ' && c < 0x7f && c != '\\' && c != '"' && c != '\''
	}
	if plain {
		return append(b, word...)
	}
	b = append(b, '"')
	for _, c := range []byte(word) {
		switch {
		case c == '\\' || c == '"':
			b = append(b, '\\', c)
		case c >= ' ' && c < 0x7f:
			b = append(b, c)
		default:
			b = appendEscape(b, c)
		}
	}
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	for letter, meaning := range escapes {
		if meaning == c {
			return append(b, '\\', letter)
		}
	}
	return fmt.Appendf(b, `\x%02x`, c)
}
