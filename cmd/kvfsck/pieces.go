package main

import (
	"bytes"
	"io"
	"runtime"
	"sync"

	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/rdb"
)

// pieceExport takes a snapshot in pieces, several at once, in a format in which what is written of one piece does not depend on those
// before.
//
//	input ──> splitter ──> workers: each piece into memory ──> output, in file order
type pieceExport struct {
	out  io.Writer
	open func(io.Writer) exporter
}

// pieceJob is a piece and what came of it.
type pieceJob struct {
	piece rdb.Piece
	out   []byte
	walk  walk
	told  []string // complaints, unless the walk tells them itself
	err   error    // of writing
	end   error    // of the reader
	done  chan struct{}
}

// ofPieces is records for a format that can take pieces.
func (w *walk) ofPieces(in *input.Input, likely string) error {
	p := newProgress(w.env, in, !w.quiet)
	defer p.done()
	workers := runtime.GOMAXPROCS(0)
	work := make(chan *pieceJob, workers+2)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			r := w.pieceReader()
			defer r.reader.Close()
			for j := range work {
				r.keep(j)
				close(j.done)
			}
		})
	}
	defer running.Wait()
	defer close(work)
	s := rdb.NewSplitter(in)
	own := w.pieceReader()
	defer own.reader.Close()
	var queue, free []*pieceJob
	for more := true; more || len(queue) > 0; {
		var j *pieceJob
		if n := len(free); n > 0 {
			j, free = free[n-1], free[:n-1]
		} else {
			j = new(pieceJob)
		}
		if more = more && s.Next(&j.piece); more {
			j.reset(w)
			queue = append(queue, j)
			if !j.piece.Streams() {
				work <- j
			}
		}
		for len(queue) > workers+1 || len(queue) > 0 && (!more || j.piece.Streams()) {
			first := queue[0]
			queue = queue[1:]
			if first.piece.Streams() {
				own.write(first, w.pieces.out)
			} else {
				<-first.done
			}
			if ended, err := w.merge(first); err != nil || ended {
				return w.after(err, first.end, likely, s)
			}
			p.update()
			free = append(free, first)
		}
	}
	return w.endOf(nil, likely, s.Rest)
}

// after is how a walk ends that does not come to the end mark.
func (w *walk) after(err, end error, likely string, s *rdb.Splitter) error {
	if err != nil {
		return err
	}
	return w.endOf(end, likely, s.Rest)
}

// reset makes the job one of a new piece.
func (j *pieceJob) reset(w *walk) {
	j.out = j.out[:0]
	j.told, j.err, j.end, j.done = j.told[:0], nil, nil, make(chan struct{})
	j.walk = walk{env: w.env, path: w.path, filter: w.filter, later: &j.told}
}

// merge writes what came of a piece and tells its complaints, when that was done for all before it. It reports whether nothing can
// be read behind it.
func (w *walk) merge(j *pieceJob) (ended bool, err error) {
	if _, err := w.pieces.out.Write(j.out); err != nil {
		return true, err
	}
	for _, text := range j.told {
		w.complain("%s", text)
	}
	w.taken += j.walk.taken
	w.unheld += j.walk.unheld
	return j.end != nil, j.err
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

func (w *walk) pieceReader() *pieceReader {
	r := &pieceReader{open: w.pieces.open}
	r.reader = rdb.NewReaderOptions(bytes.NewReader(nil), rdb.ReaderOptions{OnFault: func(e *rdb.FormatError) error { return r.job.walk.fault(e) }})
	return r
}

// keep makes what is to be written of a piece.
func (r *pieceReader) keep(j *pieceJob) {
	if r.to == nil {
		r.to = r.open(nil)
	}
	r.read(j)
	j.out = r.to.(keeper).Take(j.out)
}

// write writes a piece as it is read.
func (r *pieceReader) write(j *pieceJob, out io.Writer) {
	if r.to == nil {
		r.to = r.open(out)
	}
	r.read(j)
	if err := r.to.Close(); j.err == nil {
		j.err = err
	}
}

func (r *pieceReader) read(j *pieceJob) {
	r.job = j
	r.reader.Open(&j.piece)
	if j.err = j.walk.snapshot(r.reader, r.to.Entry, func() {}); j.err == nil {
		j.end = r.reader.Err()
	}
}
