package main

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/kvfsck/kvfsck/internal/filemap"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/jsonl"
	"github.com/kvfsck/kvfsck/rdb"
)

// pieceExport takes a snapshot in pieces, several at once, in a format in which what is written of one piece does not depend on those
// before, but for the database that is selected.
//
//	input ──> splitter ──> workers: each piece into memory ──> output, in file order
type pieceExport struct {
	out  io.Writer
	open func(io.Writer) exporter
}

// pieceJob is a piece and what came of it.
type pieceJob struct {
	piece rdb.Piece
	alone bool // it is written as it is read, when all before it is written
	out   []byte
	walk  walk
	told  []string // complaints, unless the walk tells them itself
	err   error    // of writing
	end   error    // of the reader
	ended bool     // where the piece ends was proven
	gone  bool     // a part of it could not be read
	next  int64    // offset behind it
	db    uint64   // selected there
	joint joint
	done  chan struct{}
}

// pieceWalk is a walk over pieces. Of a file that can be mapped they are parts of the map, and where most of them end is guessed: reading a piece proves where
// the next one begins. Where that turns out wrong, or a part of the map cannot be read, what was read from there on is thrown away, and the cutting
// goes on from there, without guessing for a while, or without the map.
type pieceWalk struct {
	*walk
	in    *input.Input
	file  *filemap.Map // nil: in is read
	split *rdb.Splitter
	own   *pieceReader // of pieces that stream
	work  chan *pieceJob
	queue []*pieceJob // in file order
	free  []*pieceJob

	db    uint64     // selected behind what was merged
	outDB int64      // and by what was written of it, in a format that selects
	again *rdb.Piece // from where to go on when all before it is merged
	gone  bool       // and that the map cannot be read there
	wary  int        // how many pieces are not guessed behind a wrong guess
	alone int        // how many of them are written as they are read
}

// Bounds of what a wrong guess costs: it doubles the number of pieces that are not guessed next, each right one lowers it by one.
const (
	minWary = 1
	maxWary = 1 << 10
)

// ofPieces is records for a format that can take pieces.
func (w *walk) ofPieces(in *input.Input, likely string) error {
	bar := newProgress(w.env, in, !w.quiet)
	defer bar.done()
	workers := runtime.GOMAXPROCS(0)
	p := &pieceWalk{walk: w, in: in, own: w.pieceReader(), work: make(chan *pieceJob, workers+2), wary: minWary, outDB: noDB}
	defer p.own.close()
	p.open()
	defer p.file.Close()
	var running sync.WaitGroup
	for range workers {
		running.Go(p.worker)
	}
	defer running.Wait()
	defer close(p.work)
	for more := true; more || len(p.queue) > 0; {
		j := p.blank()
		if more = more && p.cut(j); more {
			p.queue = append(p.queue, j)
			if !j.alone {
				p.work <- j
			}
		}
		for len(p.queue) > workers+1 || len(p.queue) > 0 && (!more || j.alone) {
			first := p.queue[0]
			if !p.proves(first) {
				p.restart(&first.piece, first.gone)
				more = true
				break
			}
			p.queue = p.queue[1:]
			if ended, err := p.merge(first); err != nil || ended {
				return p.after(err, first.end, likely)
			}
			bar.update()
			p.free = append(p.free, first)
		}
		if len(p.queue) == 0 && !more && p.again != nil {
			p.restart(p.again, p.gone)
			more = true
		}
	}
	return w.endOf(nil, likely, p.split.Rest)
}

// open makes the splitter, of a map of the file if there can be one.
func (p *pieceWalk) open() {
	if plain := p.in.Plain(); plain != nil {
		p.file = filemap.Of(plain, filemap.MinSize)
	}
	if p.file == nil {
		p.split = rdb.NewSplitter(p.in)
		return
	}
	p.split = rdb.NewSplitterOptions(p.from(0), rdb.SplitterOptions{Guess: true, Whole: p.file.Bytes()})
}

// from reads the file from an offset on, not through the map, until the walk is canceled.
func (p *pieceWalk) from(offset int64) *io.SectionReader {
	return io.NewSectionReader(cancelable{p.in, p.file.From(0)}, offset, int64(len(p.file.Bytes()))-offset)
}

// cancelable is the file of an input.
type cancelable struct {
	in   *input.Input
	file io.ReaderAt
}

func (c cancelable) ReadAt(b []byte, offset int64) (int, error) {
	if err := c.in.Canceled(); err != nil {
		return 0, err
	}
	return c.file.ReadAt(b, offset)
}

// blank returns a job to fill.
func (p *pieceWalk) blank() *pieceJob {
	n := len(p.free)
	if n == 0 {
		return new(pieceJob)
	}
	j := p.free[n-1]
	p.free = p.free[:n-1]
	return j
}

// cut makes j the job of the next piece. It is false if none follows, or if it is not known yet where it begins.
func (p *pieceWalk) cut(j *pieceJob) (more bool) {
	if filemap.Guard(func() { more = p.split.Next(&j.piece) }) != nil {
		p.again, p.gone = &j.piece, true
		return false
	}
	if !more {
		p.again = p.split.Unproven()
		return false
	}
	j.reset(p.walk)
	j.alone = j.piece.Streams() || p.alone > 0 && !j.piece.Guessed()
	return true
}

// proves has the first job in the queue done and reports whether what came of it counts.
func (p *pieceWalk) proves(j *pieceJob) bool {
	if !j.alone {
		<-j.done
	}
	known := p.file == nil || j.piece.DB() == p.db
	full := j.full()
	if full {
		p.alone = p.wary
	}
	if known && (j.alone || full && !j.piece.Guessed()) {
		p.write(j)
	}
	return known && j.ended && !j.gone && !j.full()
}

// write writes a piece as it is read.
func (p *pieceWalk) write(j *pieceJob) {
	if !j.alone {
		p.wary = min(2*p.wary, maxWary)
	}
	p.alone = max(p.alone-1, 0)
	j.reset(p.walk)
	if err := filemap.Guard(func() { p.own.write(j, p.pieces.out, p.outDB) }); err != nil {
		j.err, j.ended = err, true // a part of it is written already
	}
}

// full reports whether what comes of the piece is too much to be kept. Text that repeats itself can be a hundred times as long as what it
// was compressed to.
func (j *pieceJob) full() bool { return errors.Is(j.err, jsonl.ErrFull) }

// restart throws away what is in the queue and goes on with a piece that is to be cut anew.
func (p *pieceWalk) restart(again *rdb.Piece, gone bool) {
	for _, j := range p.queue {
		if !j.alone {
			<-j.done
		}
	}
	again.Select(p.db)
	if gone {
		p.split = rdb.NewSplitterOptions(p.from(again.Start()), rdb.SplitterOptions{Again: again})
	} else {
		p.split = rdb.NewSplitterOptions(p.from(0), rdb.SplitterOptions{Again: again, Guess: true, Sure: p.wary, Whole: p.file.Bytes()})
	}
	p.wary = min(2*p.wary, maxWary)
	p.free = append(p.free, p.queue...)
	p.queue, p.again = p.queue[:0], nil
}

// merge writes what came of a piece and tells its complaints, when that was done for all before it. It reports whether nothing can
// be read behind it.
func (p *pieceWalk) merge(j *pieceJob) (ended bool, err error) {
	if err := p.join(j); err != nil {
		return true, err
	}
	for _, text := range j.told {
		p.complain("%s", text)
	}
	p.taken += j.walk.taken
	p.unheld += j.walk.unheld
	p.db = j.db
	if j.piece.Guessed() {
		p.wary = max(minWary, p.wary-1)
	}
	if p.file != nil {
		p.in.Pass(j.next)
		p.file.Release(j.next)
		if err := p.in.Canceled(); err != nil {
			return true, err
		}
	}
	return j.end != nil, j.err
}

// join writes what was kept of a piece.
func (p *pieceWalk) join(j *pieceJob) error {
	rest := j.out
	if first := j.joint.first; first != noDB && first != p.outDB {
		head := appendSelect(slices.Clone(rest[:j.joint.at]), first)
		if _, err := p.pieces.out.Write(head); err != nil {
			return err
		}
		rest = rest[j.joint.at:]
	}
	if j.joint.last != anyDB {
		p.outDB = j.joint.last
	}
	_, err := p.pieces.out.Write(rest)
	return err
}

// worker reads pieces.
func (p *pieceWalk) worker() {
	r := p.pieceReader()
	for j := range p.work {
		if j.gone = filemap.Guard(func() { r.keep(j) }) != nil; j.gone {
			r.close() // of what it has left half done nothing is to be used
			r = p.pieceReader()
		}
		close(j.done)
	}
	r.close()
}

// after is how a walk ends that does not come to the end mark.
func (p *pieceWalk) after(err, end error, likely string) error {
	if err != nil {
		return err
	}
	return p.endOf(end, likely, p.split.Rest)
}

// reset makes the job one of a new piece.
func (j *pieceJob) reset(w *walk) {
	j.out = j.out[:0]
	j.told, j.err, j.end, j.ended, j.gone, j.done = j.told[:0], nil, nil, false, false, make(chan struct{})
	j.joint = joint{first: noDB}
	j.walk = walk{env: w.env, path: w.path, filter: w.filter, later: &j.told}
}

// pieceReader reads pieces, one after the other.
type pieceReader struct {
	reader *rdb.Reader
	job    *pieceJob
	open   func(io.Writer) exporter
	to     exporter // of all pieces, opened with the first
}

// keeper is an exporter that was opened to write to nothing: it keeps what it would write until that is taken, and goes on in other memory.
type keeper interface {
	exporter
	Take(buf []byte) []byte
}

// selecter is an exporter to a format in which keys go into the database that was selected before.
type selecter interface {
	exporter
	Begin(db int64)
	Joint() joint
}

func (w *walk) pieceReader() *pieceReader {
	r := &pieceReader{open: w.pieces.open}
	r.reader = rdb.NewReaderOptions(bytes.NewReader(nil), rdb.ReaderOptions{OnFault: func(e *rdb.FormatError) error { return r.job.walk.fault(e) }})
	return r
}

// close removes what may be left in temporary files. What is kept and was not taken is of no use any more.
func (r *pieceReader) close() {
	r.reader.Close()
	if r.to != nil {
		r.to.Close()
	}
}

// keep makes what is to be written of a piece.
func (r *pieceReader) keep(j *pieceJob) {
	if r.to == nil {
		r.to = r.open(nil)
	}
	r.read(j, anyDB)
	if j.full() {
		r.close()
		r.to = nil
		return
	}
	j.out = r.to.(keeper).Take(j.out)
}

// write writes a piece as it is read, behind what selects a database.
func (r *pieceReader) write(j *pieceJob, out io.Writer, db int64) {
	if r.to == nil {
		r.to = r.open(out)
	}
	r.read(j, db)
	j.joint.first = noDB
	if err := r.to.Close(); j.err == nil {
		j.err = err
	}
}

// read reads a piece, before which what is written selects a database.
func (r *pieceReader) read(j *pieceJob, db int64) {
	r.job = j
	r.reader.Open(&j.piece)
	if f, ok := r.to.(functionExporter); ok {
		j.walk.function = f.Function
	}
	s, selects := r.to.(selecter)
	if selects {
		s.Begin(db)
	}
	if j.err = j.walk.snapshot(r.reader, r.to.Entry, func() {}); j.err == nil {
		j.end = r.reader.Err()
	}
	if selects {
		j.joint = s.Joint()
	}
	j.ended, j.next, j.db = j.piece.Ended(r.reader), r.reader.Offset(), r.reader.DB()
}
