package aof

import "encoding/binary"

// plainCommand passes a command at b[i:] that is whole there and has the form that servers write:
//
//	*3\r\n $3\r\nSET\r\n $1\r\nk\r\n $5\r\nvalue\r\n
//
// Checker and server agree on what it reads; end is 0 for any other. It appends the first arguments, so many at most, and returns where the last one's
// body is.
func plainCommand(b []byte, i int, args [][]byte, most int) (kept [][]byte, argc, body, end int) {
	if i >= len(b) || b[i] != '*' {
		return args, 0, 0, 0
	}
	argc, i = plainHeader(b, i)
	if argc == 0 {
		return args, 0, 0, 0
	}
	for k := range argc {
		if i >= len(b) || b[i] != '$' {
			return args, 0, 0, 0
		}
		size, start := plainHeader(b, i)
		if start == 0 || size > len(b)-start-2 {
			return args, 0, 0, 0
		}
		if body, i = start, start+size+2; binary.LittleEndian.Uint16(b[i-2:]) != crlf {
			return args, 0, 0, 0
		}
		if k < most {
			args = append(args, b[start:start+size:start+size])
		}
	}
	if len(args[0]) == 0 {
		return args, 0, 0, 0
	}
	return args, argc, body, i
}

const crlf = '\r' | '\n'<<8

// plainHeader is [fastHeader] for the header that begins with its sigil at i. Up to three digits, which nearly all headers have, are taken from one word: how
// many there are is for the processor to foresee, so that it need not wait for them to find the next header.
func plainHeader(b []byte, i int) (v, next int) {
	if i > len(b)-8 {
		return fastHeader(b, i+1)
	}
	x := binary.LittleEndian.Uint64(b[i:])
	d := int(x>>8&0xFF) - '0'
	if uint(d) > 9 {
		return 0, 0
	}
	if x>>16&0xFFFF == crlf {
		return d, i + 4
	}
	e := int(x>>16&0xFF) - '0'
	if uint(e) > 9 {
		return 0, 0
	}
	if d = 10*d + e; x>>24&0xFFFF == crlf {
		return d, i + 5
	}
	if e = int(x>>24&0xFF) - '0'; uint(e) <= 9 && x>>32&0xFFFF == crlf {
		return 10*d + e, i + 6
	}
	return fastHeader(b, i+1)
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
