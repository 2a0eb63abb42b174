package aof

import "encoding/binary"

// plainRun is commands in a row, as they lie in memory: where each begins, the one behind them included, and where the body of the last argument of the one before
// is.
type plainRun struct {
	starts [runMost + 1]int
	bodies [runMost + 1]int
}

const runMost = 128 // commands

// pass passes commands like those of [plainCommand] at b[i:] that begin before the limit, as many as there is room for, and returns how many. Of a command without
// arguments, or with an empty name, it does not say that it is none.
//
// Commands are not told apart from arguments by any branch, whose outcome hardly could be foreseen; one reads as the other:
//
//	*3\r\n              what follows begins behind the header
//	$5\r\nvalue\r\n     behind as many bytes more as it says, and two
//
// How many arguments are still to come has to be 0 before the one and not before the other.
func (r *plainRun) pass(b []byte, i, limit int) (n int) {
	left := 0
	for {
		if i, n, left = passTokens(r, b, i, n, left, limit); n == runMost || i > len(b)-8 || b[i] != '$' || left == 0 {
			break
		}
		// An argument with a longer header.
		size, body := fastHeader(b, i+1)
		if body == 0 || size > len(b)-body-2 || binary.LittleEndian.Uint16(b[body+size:]) != crlf {
			break
		}
		i, left, r.bodies[n] = body+size+2, left-1, body
	}
	if left > 0 {
		return n - 1
	}
	r.starts[n] = i
	return n
}
