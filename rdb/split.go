package rdb

import (
	"bytes"
	"io"

	"github.com/kvfsck/kvfsck/crc64"
)

// Splitter cuts an RDB into pieces that begin and end between records, so that several can be read at once, each by a [Reader] of its
// own:
//
//	s := rdb.NewSplitter(src)
//	for p := new(rdb.Piece); s.Next(p); p = new(rdb.Piece) {
//		r.Open(p)
//		for r.Next() { ... }
//	}
//
// One after the other the pieces' records are those that a Reader of the whole reads, with the same errors and the same checksum; behind a
// piece that ended with an error the others do not count. A
// record that is larger than a piece is a piece of its own, which is not in memory: see [Piece.Streams].
type Splitter struct {
	cutter
	sum     uint64  // of what was cut
	read    *Reader // that reads the piece that streams
	ended   bool
	resumed bool // it began in the middle
}

// Piece is a part of an RDB. The zero value is ready for [Splitter.Next], and one that was read can be used again, which saves its
// memory of 256 KiB.
type Piece struct {
	block
	before uint64 // checksum of all that is before it
	from   *Splitter
}

// SplitterOptions are settings of a [Splitter]; the zero value is the default.
type SplitterOptions struct {
	// Size is that of the pieces in bytes; 0 means 256 KiB.
	Size int
	// From, if set, is the place between two records from which src has the rest of the file. The checksum cannot be told then.
	From *Position
}

// NewSplitter returns a Splitter of the RDB that src begins with.
func NewSplitter(src io.Reader) *Splitter { return NewSplitterOptions(src, SplitterOptions{}) }

// NewSplitterOptions returns a Splitter with settings.
func NewSplitterOptions(src io.Reader, opt SplitterOptions) *Splitter {
	s := &Splitter{}
	s.cutter.start(src, opt.Size)
	if opt.From != nil {
		s.at, s.resumed = *opt.From, true
	}
	return s
}

// Next cuts off the next piece. It is false behind the one in which the RDB ends or cannot be followed any further, of which the reader
// of that piece says why.
func (s *Splitter) Next(p *Piece) bool {
	if s.ended || !s.passStream() {
		return false
	}
	if len(p.buf) != s.size {
		p.buf = make([]byte, s.size)
	}
	p.block = block{buf: p.buf, at: s.at, pend: s.pend, first: s.at.Offset == 0 && !s.resumed}
	p.before, p.from = s.sum, s
	s.fill(&p.block)
	s.cut(&p.block)
	s.ended = p.last
	if !p.big && !s.resumed {
		s.sum = crc64.Update(s.sum, p.buf[:p.n])
	}
	return true
}

// passStream goes to the end of the record that streamed, if the last piece did.
func (s *Splitter) passStream() bool {
	r := s.read
	if r == nil {
		return true
	}
	s.read = nil
	if r.finishValue() != nil || r.state == failed {
		return false
	}
	r.src.fold()
	s.sum = r.src.sum
	s.resume(r)
	return true
}

// Rest returns a reader of what follows the RDB in the input. It is to be called after Next returned false.
func (s *Splitter) Rest() io.Reader { return s.rest() }

// Streams reports whether the piece is one large record that is read from the input as it comes: it must be read, by one reader, before
// the next call of [Splitter.Next].
func (p *Piece) Streams() bool { return p.big }

// Open makes r read a piece. Nothing is left of what r read before.
func (r *Reader) Open(p *Piece) {
	if p.big {
		r.Resume(io.MultiReader(bytes.NewReader(p.buf[:p.n]), p.from.src), p.at)
		r.pend, r.single = p.pend, true
		p.from.read = r
	} else {
		r.openBlock(&p.block)
	}
	r.partial = p.from.resumed
	r.src.sum, r.src.summing = p.before, (p.big || p.last) && !r.partial
}
