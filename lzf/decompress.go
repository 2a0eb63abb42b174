package lzf

import "encoding/binary"

// Decompress decompresses the block src into dst and returns how many bytes it
// produced, which is at most len(dst): the declared length, as a rule, and then a
// smaller count without an error means that the block is shorter than declared. The
// error, if any, is a [*CorruptError], and the count is then that of the sound
// operations before the fault. The bytes of dst behind the count are unspecified.
// dst and src must not overlap.
func Decompress(dst, src []byte) (n int, err error) {
	return DecompressLent(dst[:len(dst):len(dst)], src[:len(src):len(src)])
}

// Slack is how many bytes behind dst and src are worth lending to [DecompressLent].
const Slack = 64

// DecompressLent is [Decompress] for a caller who lends memory behind the two
// slices, which makes small blocks quicker: up to their capacity src may be read and
// dst overwritten. What is read there has no influence.
func DecompressLent(dst, src []byte) (n int, err error) {
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
// ends of output and input and may scribble over dst behind the output, up to its
// capacity. It reads src up to its capacity.
func decode(dst []byte, d int, src []byte) (dEnd, sEnd int, k Kind) {
	s := 0
	for {
		if d, s = decodeQuick(dst, d, src, s); s >= len(src) {
			return d, s, 0
		}
		// An operation that is not plain, or near an end.
		o, ok := parseOp(src[s:])
		if !ok {
			return d, s, MissingOperand
		}
		if k := o.check(int64(d), int64(len(dst))); k != 0 {
			return d, s, k
		}
		if o.distance > 0 {
			repeat(dst, d, o.distance, o.length)
		} else if o.length > len(src)-s-1 {
			return d, s, LiteralPastInput
		} else {
			s += copy(dst[d:d+o.length], src[s+1:])
		}
		s += o.header
		d += o.length
	}
}

// decodeQuickGeneric goes on with the input at s as long as operations are plainly sound and there is room
// to read and write whole words beyond them. As with [walk], a round is a literal
// run, if there is one, and the back-reference that nearly always follows it, and
// its branches are those that the processor can predict: sizes come by arithmetic,
// and runs of all lengths are copied alike.
func decodeQuickGeneric(dst []byte, d int, src []byte, s int) (dEnd, sEnd int) {
	const (
		word       = 8
		inMargin   = maxOp + 4
		outMargin  = maxLiteral + 2*word
		usedLength = 2 * word
	)
	in, out := src[:cap(src)], dst[:cap(dst)]
	le := binary.LittleEndian
	for s < len(src) && s <= len(in)-inMargin && d <= len(out)-outMargin {
		s0, d0 := s, d
		if c := int(in[s]); c < firstShort {
			copyRun(out[d:d+maxLiteral], in[s+1:s+1+maxLiteral])
			s += c + 2
			d += c + 1
			if s > len(src) || d > len(dst) {
				return d0, s0
			}
			if s == len(src) {
				break
			}
		}
		w := le.Uint32(in[s : s+4])
		c := w & 0xFF
		if c < firstShort {
			continue
		}
		// All ones for a long back-reference.
		long := uint32(int32(firstLong-1-c) >> 31)
		length := int((c>>5+2)&^long | (w>>8&0xFF+9)&long)
		from := d - int(c&31<<8|w>>((8+long&8)&31)&0xFF) - 1
		s += int(2 - int32(long))
		end := d + length
		if from < 0 || s > len(src) || end > len(dst) {
			return d0, s0
		}
		switch {
		case d-from < word || length > usedLength:
			repeat(out, d, d-from, length)
		default:
			le.PutUint64(out[d:], le.Uint64(out[from:]))
			le.PutUint64(out[d+word:], le.Uint64(out[from+word:]))
		}
		d = end
	}
	return d, s
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
