package lzf

import "encoding/binary"

// Decompress decompresses the block src into dst and returns how many bytes it
// produced, which is at most len(dst): the declared length, as a rule, and then a
// smaller count without an error means that the block is shorter than declared. The
// error, if any, is a [*CorruptError], and the count is then that of the sound
// operations before the fault. The bytes of dst behind the count are unspecified.
// dst and src must not overlap.
func Decompress(dst, src []byte) (n int, err error) {
	n, s, k := decode(dst, 0, src)
	if k != 0 {
		return n, &CorruptError{Kind: k, Offset: int64(s), Produced: int64(n)}
	}
	return n, nil
}

// decode carries out the operations of src, the output continuing at dst[d:] and
// the bytes before it being the history. It stops, always between operations, when
// src is used up, which gives the kind 0, or before the first operation that is
// incomplete, does not fit into dst, or reaches before its start. It returns the
// ends of output and input and may scribble over dst behind the output.
func decode(dst []byte, d int, src []byte) (dEnd, sEnd int, k Kind) {
	s := 0
	for s < len(src) {
		if c := src[s]; c < firstShort {
			run := literalRun(c)
			// Whole words need room on both sides, but no count.
			if s+maxOp <= len(src) && d+maxLiteral <= len(dst) {
				copyRun(dst[d:d+maxLiteral], src[s+1:s+1+maxLiteral])
			} else {
				if run > len(dst)-d {
					return d, s, OutputTooLong
				}
				if run > len(src)-s-1 {
					return d, s, LiteralPastInput
				}
				copy(dst[d:d+run], src[s+1:])
			}
			d += run
			s += 1 + run
			continue
		}
		o, ok := parseOp(src[s:])
		if !ok {
			return d, s, MissingOperand
		}
		if k := o.check(int64(d), int64(len(dst))); k != 0 {
			return d, s, k
		}
		repeat(dst, d, o.distance, o.length)
		d += o.length
		s += o.header
	}
	return d, s, 0
}

// copyRun copies 32 bytes as four words, which costs less than a call of copy and
// a branch on the length of the run.
func copyRun(dst, src []byte) {
	_, _ = dst[maxLiteral-1], src[maxLiteral-1]
	le := binary.LittleEndian
	a, b := le.Uint64(src), le.Uint64(src[8:])
	c, d := le.Uint64(src[16:]), le.Uint64(src[24:])
	le.PutUint64(dst, a)
	le.PutUint64(dst[8:], b)
	le.PutUint64(dst[16:], c)
	le.PutUint64(dst[24:], d)
}

// repeat appends length bytes to dst[:d], each equal to the one distance before
// it. The caller has checked that they fit and that distance is at most d.
//
// Where dst has room for whole words beyond the last byte, up to seven bytes more
// than asked for are written.
func repeat(dst []byte, d, distance, length int) {
	const word = 8
	end := d + length
	if end+word > len(dst) {
		repeatTight(dst[:end], d, distance)
		return
	}
	le := binary.LittleEndian
	if distance >= word {
		if distance >= length && length > 4*word {
			copy(dst[d:end], dst[d-distance:])
			return
		}
		for from := d - distance; d < end; d, from = d+word, from+word {
			le.PutUint64(dst[d:], le.Uint64(dst[from:]))
		}
		return
	}
	// A pattern shorter than a word fills one; stepping by a multiple of the
	// pattern keeps it in phase.
	pattern := le.Uint64(dst[d-distance:]) & (1<<(8*distance) - 1)
	for width := distance; width < word; width *= 2 {
		pattern |= pattern << (8 * width)
	}
	for step := word - word%distance; d < end; d += step {
		le.PutUint64(dst[d:], pattern)
	}
}

// repeatTight fills dst[d:] to its end by doubling what is there of the pattern.
func repeatTight(dst []byte, d, distance int) {
	for from := d - distance; d < len(dst); {
		d += copy(dst[d:], dst[from:d])
	}
}
