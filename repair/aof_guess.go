package repair

import "bytes"

// aofGuess is a way to read the line of a length: its bytes, and the length that it should state.
type aofGuess struct {
	size   int64
	used   int
	proven bool
	exact  bool // the digits are those that stand there, next to each other
	joined bool // its end is lost, so that the argument, which is the rest of a line, stands behind its digits
}

// guessLengths lists the lengths that a line, with more behind it, may have stated before one byte of it was damaged.
func guessLengths(b []byte) (all []aofGuess) {
	for n := 4; n <= 13; n++ { // bytes of the line as it was
		all = append(all, substituted(b, n)...)
		all = append(all, shortened(b, n)...)
	}
	all = append(all, joined(b)...)
	for i := 0; i < min(len(b), 14); i++ { // or with a byte that is too much
		rest := append(bytes.Clone(b[:i]), b[i+1:]...)
		if size, n := strictLine(rest, '$'); n > 0 && i < n {
			exact := i == 0 || i == n-2 && b[i]-'0' > 9 || i > n-2
			all = append(all, aofGuess{size: size, used: n + 1, exact: exact})
		}
	}
	return all
}

// strictLine reads a sigil, digits, CR LF; n is 0 if b does not begin so.
func strictLine(b []byte, sigil byte) (v int64, n int) {
	if len(b) == 0 || b[0] != sigil {
		return 0, 0
	}
	n = 1
	for ; n < len(b) && n < 11 && b[n]-'0' <= 9; n++ {
		v = 10*v + int64(b[n]-'0')
	}
	if n == 1 || n > 2 && b[1] == '0' || n+2 > len(b) || b[n] != '\r' || b[n+1] != '\n' {
		return 0, 0
	}
	return v, n + 2
}

// substituted lists the readings of a line of n bytes one of which was replaced.
func substituted(b []byte, n int) (all []aofGuess) {
	if len(b) < n {
		return nil
	}
	line, wrong := bytes.Clone(b[:n]), -1
	for i, x := range line {
		if !fits(x, i, n) {
			if wrong >= 0 {
				return nil
			}
			wrong = i
		}
	}
	first, last := wrong, wrong
	if wrong < 0 {
		first, last = 1, n-3
	}
	for i := first; i <= last; i++ {
		was := line[i]
		for _, x := range candidates(i, n) {
			if line[i] = x; x == was {
				continue
			}
			if size, m := strictLine(line, '$'); m == n {
				proven := wrong >= 0 && (i < n-1 || oneBit(was, '\n'))
				all = append(all, aofGuess{size: size, used: n, proven: proven, exact: i == 0 || i >= n-2})
			}
		}
		line[i] = was
	}
	return all
}

// shortened lists the readings of a line of n bytes one of which was lost.
func shortened(b []byte, n int) (all []aofGuess) {
	if len(b) < n-1 {
		return nil
	}
	line := make([]byte, n)
	for i := range n {
		if i == n-1 && len(b) >= n && b[i] == '\n' {
			continue // it is there
		}
		copy(line, b[:i])
		copy(line[i+1:], b[i:n-1])
		for _, x := range candidates(i, n) {
			line[i] = x
			if size, m := strictLine(line, '$'); m == n {
				all = append(all, aofGuess{size: size, used: n - 1, exact: i == 0 || i >= n-2})
			}
		}
	}
	return all
}

// joined lists the readings of a line whose end is lost, so that it goes on with the argument: "$3SET", or "$3283" for the argument 283.
func joined(b []byte) (all []aofGuess) {
	line := make([]byte, 0, aofHeader)
	for n := 1; n < min(len(b), 11) && b[n]-'0' <= 9; n++ {
		line = append(append(line[:0], b[:n+1]...), '\r', '\n')
		if size, m := strictLine(line, '$'); m > 0 {
			all = append(all, aofGuess{size: size, used: n + 1, exact: true, joined: true})
		}
	}
	return all
}

// candidates are the bytes that may stand at index i of a length's line of n bytes.
func candidates(i, n int) []byte {
	switch i {
	case 0:
		return []byte("$")
	case n - 2:
		return []byte("\r")
	case n - 1:
		return []byte("\n")
	default:
		return []byte("0123456789")
	}
}

func fits(x byte, i, n int) bool { return bytes.IndexByte(candidates(i, n), x) >= 0 }
