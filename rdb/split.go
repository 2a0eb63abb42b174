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

	guessing bool
	sure     int // so many pieces are not to be guessed
	misses   int // what sure becomes where nothing can be guessed
	unproven Piece
	end      int64 // of the last piece
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
	// Again, if set, is a piece of another Splitter, from whose beginning src has the rest of the file, and which is to be cut anew. All is
	// as it was there.
	Again *Piece
	// Guess makes where pieces end, most of them, a guess, which is several times as quick as following all records and nearly always right. A
	// piece proves where the next one begins if [Piece.Ended] is true when it was read; if it is not, its beginning is the last place that is
	// proven, and what was read of it and behind it does not count. Of a database that is selected in a piece the next ones know nothing.
	Guess bool
	// Sure is how many pieces to begin with are not to be guessed.
	Sure int
	// Whole, if set, is all of the file, of which pieces are parts then, without memory of their own. src has to be an [io.ReaderAt] of the same: only records that
	// are larger than a piece are read from it, and what follows the RDB.
	Whole []byte
}

// NewSplitter returns a Splitter of the RDB that src begins with.
func NewSplitter(src io.Reader) *Splitter { return NewSplitterOptions(src, SplitterOptions{}) }

// NewSplitterOptions returns a Splitter with settings.
func NewSplitterOptions(src io.Reader, opt SplitterOptions) *Splitter {
	s := &Splitter{}
	s.cutter.start(src, opt.Size)
	s.guessing, s.sure, s.whole = opt.Guess, opt.Sure, opt.Whole
	switch {
	case opt.Again != nil:
		p := opt.Again
		s.at, s.pend, s.sum, s.resumed = p.at, p.pend, p.before, p.from.resumed
	case opt.From != nil:
		s.at, s.resumed = *opt.From, true
	}
	return s
}

// Next cuts off the next piece. It is false behind the one in which the RDB ends or cannot be followed any further, of which the reader
// of that piece says why. Where it guesses, it is also false before a record that is larger than a piece, if such is there; see [Splitter.Unproven].
func (s *Splitter) Next(p *Piece) bool {
	if s.ended || !s.passStream() {
		return false
	}
	if s.whole == nil && len(p.own) != s.size {
		p.own = make([]byte, s.size)
	}
	p.block = block{buf: p.own, own: p.own, at: s.at, pend: s.pend, first: s.at.Offset == 0 && !s.resumed}
	p.before, p.from = s.sum, s
	s.fill(&p.block)
	if p.guess = s.guessNext(&p.block); !p.guess {
		s.cut(&p.block)
	}
	if s.ended = p.last; p.big && s.guessed {
		s.ended, s.unproven = true, Piece{block: p.block, before: p.before, from: s}
		s.unproven.buf, s.unproven.own = nil, nil
		return false
	}
	s.end = p.at.Offset + int64(p.n)
	if !p.big && !s.resumed {
		s.sum = crc64.Update(s.sum, p.buf[:p.n])
	}
	return true
}

// guessNext guesses where a piece ends, if that is worth a try.
func (s *Splitter) guessNext(b *block) (ok bool) {
	if !s.guessing || s.sure > 0 {
		s.sure = max(0, s.sure-1)
		return false
	}
	if ok = s.guess(b); ok {
		s.guessed, s.misses = true, 0
	} else {
		s.sure, s.misses = s.misses, min(2*s.misses+1, maxMisses)
	}
	return ok
}

// maxMisses is how many pieces are not guessed, at most, where guessing leads to nothing.
const maxMisses = 63

// Unproven returns the piece before which a Splitter that guesses ended, because it seems to be a very large record: whether it is,
// is for all before it to prove. It is to be cut again from there. nil is the end of the file, or of what can be followed.
func (s *Splitter) Unproven() *Piece {
	if s.unproven.from == nil {
		return nil
	}
	return &s.unproven
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
	s.sum, s.end = r.src.sum, r.src.offset()
	s.resume(r)
	s.ended = r.state == atEnd // behind much that was said of a key
	return !s.ended
}

// Rest returns a reader of what follows the RDB in the input. It is to be called after Next returned false.
func (s *Splitter) Rest() io.Reader {
	if s.whole != nil {
		return s.from(s.end)
	}
	return s.rest()
}

// from reads the file that is whole in memory from an offset on, without touching that.
func (s *Splitter) from(offset int64) io.Reader {
	return io.NewSectionReader(s.src.(io.ReaderAt), offset, int64(len(s.whole))-offset)
}

// Streams reports whether the piece is one large record that is read from the input as it comes: it must be read, by one reader, before
// the next call of [Splitter.Next].
func (p *Piece) Streams() bool { return p.big }

// Ended reports whether r, which has read the piece, came to its end: then the next one begins between two records, whether that was
// guessed or not.
func (p *Piece) Ended(r *Reader) bool {
	return !p.guess || r.err == nil && r.state == atRecord && r.src.pos == p.n && !r.pend.set
}

// Guessed reports whether where the piece ends was guessed.
func (p *Piece) Guessed() bool { return p.guess }

// Start returns the offset at which the piece begins.
func (p *Piece) Start() int64 { return p.at.Offset }

// DB returns the database that was taken to be selected where the piece begins.
func (p *Piece) DB() uint64 { return p.at.DB }

// Select says which database is selected where the piece begins, before it is cut anew: see [SplitterOptions].
func (p *Piece) Select(db uint64) { p.at.DB = db }

// Open makes r read a piece. Nothing is left of what r read before. Keys can be part of the piece, until that is used again.
func (r *Reader) Open(p *Piece) {
	if p.big {
		src := io.MultiReader(bytes.NewReader(p.buf[:p.n]), p.from.src)
		if p.from.whole != nil {
			src = p.from.from(p.at.Offset)
		}
		r.Resume(src, p.at)
		r.pend, r.single = p.pend, true
		p.from.read = r
	} else {
		r.openBlock(&p.block)
		r.still = true
	}
	r.partial = p.from.resumed
	r.src.sum, r.src.summing = p.before, (p.big || p.last) && !r.partial
}
