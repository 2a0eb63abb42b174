package packed

import (
	"fmt"
	"io"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

const (
	// MinBuffer is the least a stream's buffer may have; a shorter one is
	// replaced. It holds the longest entry head and the longest integer entry.
	MinBuffer = 64
	// History is how many bytes before Next stay visible when the window
	// slides. A listpack's validation looks back at most 5.
	History = 8
)

// Cursor is the state which the iterators of all packed encodings share: where
// in which blob they are, and why they stopped. Encodings embed it as a field
// and show what is meant for their users.
type Cursor struct {
	B     []byte // the visible part of the body; nil once the walk is over
	Pos   int    // index in B of the current entry, -1 if there is none in B
	Next  int    // index in B of the next entry
	Index int64  // of the current entry, -1 before the first

	enc  *Encoding
	mem  []byte    // the blob, in memory mode
	r    io.Reader // nil in memory mode
	buf  []byte
	base int64 // offset in the blob of B[0]
	end  int64 // offset in the blob at which the body ends
	size int64 // of the blob
	got  int64 // bytes taken from r
	err  error

	at       int64 // offset of the current entry while Pos is -1
	long     bool
	longLen  int64
	longSum  dupset.Sum
	hasher   *dupset.Hasher // made when the first long element comes
	seeds    *dupset.Seeded
	finished bool
}

// Open starts on a blob in memory, whose last tail bytes are no entries.
func (c *Cursor) Open(enc *Encoding, b []byte, tail int) {
	end := max(0, len(b)-tail)
	*c = Cursor{B: b[:end:end], Pos: -1, Index: -1, enc: enc, mem: b,
		end: int64(end), size: int64(len(b)), buf: c.buf, hasher: c.hasher, seeds: c.seeds}
}

// OpenStream starts on a blob of exactly size bytes which comes from r. If buf
// is shorter than [MinBuffer], a buffer of this length is made.
func (c *Cursor) OpenStream(enc *Encoding, r io.Reader, size int64, buf []byte, tail int) {
	if len(buf) < MinBuffer {
		buf = make([]byte, MinBuffer)
	}
	size = max(0, size)
	*c = Cursor{B: buf[:0], Pos: -1, Index: -1, enc: enc, r: r, buf: buf,
		end: max(0, size-int64(tail)), size: size, hasher: c.hasher, seeds: c.seeds}
}

// Size is the length of the blob in bytes.
func (c *Cursor) Size() int64 { return c.size }

// Left is how many bytes of the body there are from Next on, visible or not.
func (c *Cursor) Left() int64 { return c.end - c.base - int64(c.Next) }

// Offset is the place in the blob of the current entry.
func (c *Cursor) Offset() int64 {
	if c.Pos < 0 {
		return c.at
	}
	return c.base + int64(c.Pos)
}

// NextOffset is the place in the blob of B[Next].
func (c *Cursor) NextOffset() int64 { return c.base + int64(c.Next) }

// Consumed is how many bytes of the blob have been taken from the reader.
func (c *Cursor) Consumed() int64 { return c.got }

// Err is why the walk stopped; nil before the end, and after the end of a sound blob.
func (c *Cursor) Err() error { return c.err }

// Seeds are those of [dupset.Process], at hand.
func (c *Cursor) Seeds() *dupset.Seeded {
	if c.seeds == nil {
		c.seeds = dupset.Process()
	}
	return c.seeds
}

// Stopped begins the slow part of a step: it leaves the current entry, and
// tells whether the walk is over.
func (c *Cursor) Stopped() bool {
	if c.finished {
		return true
	}
	c.at = c.NextOffset()
	c.Pos, c.long = -1, false
	return false
}

// Fits tells whether n bytes from Next on can be visible at once.
func (c *Cursor) Fits(n int64) bool {
	return c.r == nil || n <= int64(len(c.buf)-History)
}

// Need makes n bytes from Next on visible. They must be there ([Cursor.Left])
// and fit ([Cursor.Fits]). It is false if the reader failed.
func (c *Cursor) Need(n int) bool {
	return len(c.B)-c.Next >= n || c.fill(n)
}

func (c *Cursor) fill(need int) bool {
	if c.r == nil {
		return c.FailRead(io.ErrUnexpectedEOF)
	}
	keep := min(c.Next, History)
	have := copy(c.buf, c.B[c.Next-keep:])
	c.base += int64(c.Next - keep)
	c.Next = keep
	room := c.buf[:min(int64(len(c.buf)), c.end-c.base)]
	n, err := io.ReadAtLeast(c.r, room[have:], keep+need-have)
	c.got += int64(n)
	c.B = c.buf[:have+n]
	if err != nil {
		return c.FailRead(err)
	}
	return true
}

// Swallow moves Next over an element's n bytes, which begin at Next and need
// not fit into the buffer, and keeps their fingerprint for [Cursor.Long].
func (c *Cursor) Swallow(n int64) bool {
	if c.hasher == nil {
		c.hasher = new(dupset.Hasher)
	}
	c.hasher.Reset(c.Seeds())
	for left := n; ; {
		seen := min(left, int64(len(c.B)-c.Next))
		_, _ = c.hasher.Write(c.B[c.Next : c.Next+int(seen)])
		c.Next += int(seen)
		if left -= seen; left == 0 {
			break
		}
		if !c.Need(1) {
			return false
		}
	}
	c.longLen, c.longSum = n, c.hasher.Sum()
	return true
}

// Skip moves Next n bytes on, visible or not.
func (c *Cursor) Skip(n int64) bool {
	for {
		seen := min(n, int64(len(c.B)-c.Next))
		c.Next += int(seen)
		if n -= seen; n == 0 {
			return true
		}
		if !c.Need(1) {
			return false
		}
	}
}

// YieldLong makes the swallowed element the current entry.
func (c *Cursor) YieldLong() bool {
	c.long = true
	c.Index++
	return true
}

// Long returns length and fingerprint of the current entry if it was swallowed.
func (c *Cursor) Long() (n int64, sum dupset.Sum, ok bool) {
	if c.Pos >= 0 || !c.long {
		return 0, dupset.Sum{}, false
	}
	return c.longLen, c.longSum, true
}

// Tail returns the byte after the body.
func (c *Cursor) Tail() (byte, bool) {
	if c.r == nil {
		return c.mem[c.end], true
	}
	n, err := io.ReadFull(c.r, c.buf[:1])
	c.got += int64(n)
	if err != nil {
		return 0, c.FailRead(err)
	}
	return c.buf[0], true
}

// Stop ends the walk in good order. It returns false, for Next to return.
func (c *Cursor) Stop() bool {
	c.finished = true
	c.at = c.end
	c.B, c.Pos, c.Next, c.long = nil, -1, 0, false
	return false
}

// Fault describes a broken rule without stopping. The entry is the next one,
// or the header (-1) if off lies before the entries begin.
func (c *Cursor) Fault(k Kind, off, entry, have, want int64) *CorruptError {
	return &CorruptError{Encoding: c.enc, Kind: k, Shallow: rules[k].shallow, Offset: off,
		Entry: entry, Have: have, Want: want}
}

// Fail stops at a broken rule of the next entry. It returns false.
func (c *Cursor) Fail(k Kind, off, have, want int64) bool {
	return c.FailWith(c.Fault(k, off, c.Index+1, have, want))
}

// FailHeader stops at a broken rule of the header. It returns false.
func (c *Cursor) FailHeader(k Kind, off, have, want int64) bool {
	return c.FailWith(c.Fault(k, off, -1, have, want))
}

// FailWith stops at e. It returns false.
func (c *Cursor) FailWith(e *CorruptError) bool {
	c.Stop()
	c.at = e.Offset
	c.err = e
	return false
}

// FailRead stops because the reader failed, which says nothing about the blob.
// It returns false.
func (c *Cursor) FailRead(err error) bool {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	at := c.got
	c.Stop()
	c.err = fmt.Errorf("%s: reading byte %d of %d: %w", c.enc.Name, at, c.size, err)
	return false
}
