package aof

import "encoding/binary"

// plainCommand passes a command at b[i:] that is whole there and has the form that servers write:
//
//	*3\r\n $3\r\nSET\r\n $1\r\nk\r\n $5\r\nvalue\r\n
//
// Checker and server agree on what it reads; end is 0 for any other. It appends the first arguments, so many at most, and returns where the bodies of the first
// and of the last one are.
func plainCommand(b []byte, i int, args [][]byte, most int) (kept [][]byte, argc, name, body, end int) {
	if i >= len(b) || b[i] != '*' {
		return args, 0, 0, 0, 0
	}
	argc, i = plainHeader(b, i)
	if argc == 0 {
		return args, 0, 0, 0, 0
	}
	keep := min(argc, most)
	for k := range keep {
		if body, i = plainArgs(b, i, 1); i == 0 {
			return args, 0, 0, 0, 0
		}
		if k == 0 {
			name = body
		}
		args = append(args, b[body:i-2:i-2])
	}
	if len(args[0]) == 0 {
		return args, 0, 0, 0, 0
	}
	if argc > keep {
		if body, i = plainArgs(b, i, argc-keep); i == 0 {
			return args, 0, 0, 0, 0
		}
	}
	return args, argc, name, body, i
}

const (
	crlf  = '\r' | '\n'<<8
	notCR = 255 - '\r' // carries into the next byte what is more than CR, as digits are
)

// plainArgs passes n arguments at b[i:], at least one, and returns where the last one's body is and what is behind it; end is 0 if they are not plain.
func plainArgs(b []byte, i, n int) (body, end int) {
	for {
		if body, i, n = shortArgs(b, i, n); n == 0 {
			return body, i
		}
		if i >= len(b) || b[i] != '$' {
			return 0, 0
		}
		size, start := fastHeader(b, i+1)
		if start == 0 || size > len(b)-start-2 {
			return 0, 0
		}
		if body, i = start, start+size+2; binary.LittleEndian.Uint16(b[i-2:]) != crlf {
			return 0, 0
		}
		if n--; n == 0 {
			return body, i
		}
	}
}

// shortArgs passes up to n arguments at b[i:], as long as their headers are in eight bytes and of up to three digits. It returns where the last one's body is,
// what is behind it, and how many there are left.
//
// Where the next argument begins depends on what is read here, so all of it has to be short, and in registers. Whether a header has one or two digits is worked
// out: half of the guesses of a processor would be wrong.
func shortArgs(b []byte, i, n int) (body, end, left int) {
	for ; n > 0 && i <= len(b)-8; n-- {
		x := binary.LittleEndian.Uint64(b[i:])
		size, header, ok := shortHeader(x >> 8)
		if !ok {
			if size, ok = threeDigits(x >> 8); !ok {
				break
			}
			header = 5
		}
		next := i + int(1+header+size+2)
		if byte(x) != '$' || next > len(b) || binary.LittleEndian.Uint16(b[next-2:]) != crlf {
			break
		}
		body, i = i+1+int(header), next
	}
	return body, i, n
}

// plainHeader is [fastHeader] for the header that begins with its sigil at i.
func plainHeader(b []byte, i int) (v, next int) {
	if i <= len(b)-8 {
		if v, n, ok := shortHeader(binary.LittleEndian.Uint64(b[i:]) >> 8); ok {
			return int(v), i + 1 + int(n)
		}
	}
	return fastHeader(b, i+1)
}

// shortHeader reads a header of one or two digits from a word that begins with the first of them; n is its size.
func shortHeader(x uint64) (v, n uint64, ok bool) {
	y := x >> 8
	first, second := x&0xFF-'0', y&0xFF-'0'
	two := (y&0xFF + notCR) >> 8 // 1, or 0 if CR follows the first digit
	ends := y ^ (y^y>>8)&-two
	return first + (9*first+second)&-two, 3 + two, first <= 9 && second&-two <= 9 && ends&0xFFFF == crlf
}

// threeDigits reads the digits of a header of three from such a word.
func threeDigits(x uint64) (v uint64, ok bool) {
	a, b, c := x&0xFF-'0', x>>8&0xFF-'0', x>>16&0xFF-'0'
	return 100*a + 10*b + c, a <= 9 && b <= 9 && c <= 9 && x>>24&0xFFFF == crlf
}

// fastHeader reads digits and CR LF at b[i:]. next is 0 if it is not that, or of more than 9 digits.
func fastHeader(b []byte, i int) (v, next int) {
	for first := i; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			if i == first || i-first > 9 || b[i] != '\r' || i+1 >= len(b) || b[i+1] != '\n' {
				return 0, 0
			}
			return v, i + 2
		}
		v = 10*v + int(d)
		if i-first > 9 {
			return 0, 0
		}
	}
	return 0, 0
}
