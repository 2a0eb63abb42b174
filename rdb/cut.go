package rdb

import (
	"bytes"
	"io"
)

// cutter cuts the input into blocks that begin and end between records. It finds the ends of records without looking into them, which
// is quick and cannot be done side by side.
type cutter struct {
	size    int // of a block
	skimmer *Reader

	// What the next block begins with.
	src  io.Reader
	rerr error  // what ended src
	left []byte // read and not yet in a block
	at   Position
	pend pending
}

// start makes the cutter read src from the beginning of a file. A size of 0 is that of blockSize.
func (c *cutter) start(src io.Reader, size int) {
	c.src, c.size, c.skimmer = src, blockSize, newReader(ReaderOptions{})
	if size > 0 {
		c.size = max(size, 16)
	}
}

// rest is what follows the end mark.
func (c *cutter) rest() io.Reader { return io.MultiReader(bytes.NewReader(c.left), c.src) }

// fill reads the input into a block.
func (c *cutter) fill(b *block) {
	b.n = copy(b.buf, c.left)
	c.left = c.left[:0]
	for b.n < len(b.buf) && c.rerr == nil {
		var n int
		n, c.rerr = c.src.Read(b.buf[b.n:])
		b.n += n
	}
}

// cut ends a block behind its last whole record, the rest of it waits for the next one. Where something cannot be framed, or the input
// ends, the block is the last and has all that is there: its walk will tell what is wrong.
func (c *cutter) cut(b *block) {
	r := c.skimmer
	r.ResumeBytes(b.buf[:b.n], b.at)
	r.pend = b.pend
	if b.first && r.readHeader() != nil {
		c.endAt(b)
		return
	}
	for {
		mark, db := r.src.pos, r.dec.db
		c.pend = r.pend
		end, err := r.skim()
		switch {
		case end:
			b.last = true
			c.keep(b, r.src.pos)
			return
		case err == nil:
		case err != errShort || c.rerr != nil:
			c.endAt(b)
			return
		default:
			b.big = mark == 0
			c.at = Position{b.at.Offset + int64(mark), r.dec.family, r.dec.version, db}
			c.keep(b, mark)
			return
		}
	}
}

// keep leaves what is behind the first n bytes of a block for the next one.
func (c *cutter) keep(b *block, n int) {
	if !b.big {
		c.left = append(c.left[:0], b.buf[n:b.n]...)
		b.n = n
	}
}

func (c *cutter) endAt(b *block) {
	b.last, b.rerr = true, c.rerr
}

// resume makes the cutter go on behind a record that was too large for a block and that r has read from a stream.
func (c *cutter) resume(r *Reader) {
	s := &r.src
	c.at = Position{s.offset(), r.dec.family, r.dec.version, r.dec.db}
	c.pend = r.pend
	tail := bytes.NewReader(bytes.Clone(s.buf[s.pos:s.end]))
	if s.rerr != nil {
		c.src = io.MultiReader(tail, failingReader{s.rerr})
	} else {
		c.src = io.MultiReader(tail, c.src)
	}
}

// failingReader fails again as a reader did.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
