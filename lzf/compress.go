package lzf

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"
)

// Compress compresses src into dst and returns the length of the block. It returns
// false if the block does not fit into dst; then the bytes of dst are unspecified.
// Servers offer a buffer of len(src)-4 bytes and store a string plain if its block
// does not fit (rdb.c, rdbSaveLzfStringObject). An empty src makes an empty block.
// dst and src must not overlap.
//
// The result depends on src alone, and the servers load it; it is not byte for byte
// what LibLZF would make of src.
func Compress(dst, src []byte) (n int, ok bool) {
	c := compressors.Get().(*compressor)
	n, ok = c.compress(dst, src)
	compressors.Put(c)
	return n, ok
}

const (
	hashBits = 14

	// Where no match has been found for a while, positions are skipped: one more
	// for every 2^skipShift bytes without.
	skipShift = 6
)

// compressor remembers where a hash of three bytes was last seen.
//
// Clearing the table for each of many small strings would cost more than
// compressing them. So the positions of one call follow those of the call before,
// with a gap that no back-reference can reach across: what is left of earlier calls
// is too far away to be used, and the result cannot depend on it.
type compressor struct {
	table [1 << hashBits]uint32
	base  uint32 // the position of src[0]; 0 means that the table must be cleared
}

const gap = maxDistance + 1

var compressors = sync.Pool{New: func() any { return &compressor{base: gap} }}

// start returns the position of src[0] for a call with n bytes.
func (c *compressor) start(n int) uint32 {
	next := uint64(c.base) + uint64(n) + gap
	if c.base == 0 || next > math.MaxUint32 {
		clear(c.table[:])
		c.base = gap
		next = gap + uint64(n) + gap
	}
	base := c.base
	c.base = uint32(next)
	if next > math.MaxUint32 {
		// Positions of a src this long wrap around. That is harmless, since a
		// match is always verified, but the next call needs a clear table.
		c.base = 0
	}
	return base
}

func (c *compressor) compress(dst, src []byte) (n int, ok bool) {
	base := c.start(len(src))
	d := 0
	pending := 0 // src[pending:i] is not in dst yet
	for i := 0; i+4 <= len(src); {
		v := binary.LittleEndian.Uint32(src[i:])
		slot := &c.table[hash(v)]
		pos := base + uint32(i)
		back := pos - *slot
		*slot = pos
		if back > maxDistance || (v^binary.LittleEndian.Uint32(src[i-int(back):]))<<8 != 0 {
			i += 1 + (i-pending)>>skipShift
			continue
		}
		length := matchLength(src, i, int(back))
		if d, ok = putLiterals(dst, d, src[pending:i]); !ok {
			return 0, false
		}
		if d, ok = putReference(dst, d, int(back), length); !ok {
			return 0, false
		}
		i += length
		pending = i
		// The end of the match is a likely start of the next.
		if i+2 <= len(src) {
			v := binary.LittleEndian.Uint32(src[i-2:])
			c.table[hash(v)] = base + uint32(i-2)
			if i+3 <= len(src) {
				v = binary.LittleEndian.Uint32(src[i-1:])
				c.table[hash(v)] = base + uint32(i-1)
			}
		}
	}
	return putLiterals(dst, d, src[pending:])
}

// hash maps the first three bytes of v, in little-endian order, to a slot.
func hash(v uint32) uint32 {
	return v << 8 * 0x9e3779b1 >> (32 - hashBits)
}

// matchLength returns how many bytes at src[i:] repeat those back before, given that
// minLength do.
func matchLength(src []byte, i, back int) int {
	end := min(i+maxLength, len(src))
	at := i + minLength
	for ; at+8 <= end; at += 8 {
		x := binary.LittleEndian.Uint64(src[at:]) ^ binary.LittleEndian.Uint64(src[at-back:])
		if x != 0 {
			return at - i + bits.TrailingZeros64(x)/8
		}
	}
	for at < end && src[at] == src[at-back] {
		at++
	}
	return at - i
}

// putLiterals appends p to dst[:d] as literal runs.
func putLiterals(dst []byte, d int, p []byte) (int, bool) {
	runs := (len(p) + maxLiteral - 1) / maxLiteral
	if len(p)+runs > len(dst)-d {
		return 0, false
	}
	for len(p) > 0 {
		run := min(len(p), maxLiteral)
		dst[d] = byte(run - 1)
		copy(dst[d+1:], p[:run])
		d += 1 + run
		p = p[run:]
	}
	return d, true
}

// putReference appends a back-reference to dst[:d].
func putReference(dst []byte, d, back, length int) (int, bool) {
	high, low := byte((back-1)>>8), byte(back-1)
	if length < longLength(0) {
		if len(dst)-d < 2 {
			return 0, false
		}
		dst[d], dst[d+1] = byte(length-2)<<5|high, low
		return d + 2, true
	}
	if len(dst)-d < 3 {
		return 0, false
	}
	dst[d], dst[d+1], dst[d+2] = firstLong|high, byte(length-longLength(0)), low
	return d + 3, true
}
