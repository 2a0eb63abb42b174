package repair

import (
	"io"
	"runtime"
	"sync"

	"github.com/kvfsck/kvfsck/rdb"
)

// Where the file is sound, nearly all of the work is checking values, which can be done side by side. So the records are read ahead, in pieces
// that begin and end between records, and handed over one by one, in file order, as the reader of the whole would read them:
//
//	file ──> splitter ──> pieces ──> workers: read the records of a piece ──> batches, in file order ──> walk
//
// The walk is the same either way. Where it fails, all that was read ahead is thrown away; behind a gap it reads on its own for a while, since
// where one damage is there may be more.
const (
	aheadLeast = 1 << 20 // bytes that the walk reads on its own
	aheadMost  = 8       // workers: each has the records of a piece in memory
	aheadKept  = 1 << 14 // records of a piece from which the memory is not kept for the next one
)

// readAhead reads records ahead.
type readAhead struct {
	split   *rdb.Splitter
	opt     SalvageOptions
	checked *checkedPart
	work    chan *batch
	workers sync.WaitGroup
	big     *recordReader // of records that are larger than a piece
	queue   []*batch      // in file order
	free    []*batch
	most    int
	over    bool // there are no more pieces

	now *batch
	at  int // the next record of it
	err error
}

// batch is a piece and its records.
type batch struct {
	piece   rdb.Piece
	records []readRecord
	keys    []byte // memory of the keys
	err     error  // what ended the reading
	done    chan struct{}
}

// readRecord is a record that was read ahead.
type readRecord struct {
	head  record // as it is before its value is read
	end   int64
	entry rdb.Entry
	last  *rdb.EOF
	fault *rdb.FormatError
	err   error // what ended the reading in the value
}

// newReadAhead reads what src has, from a place in the file on; nil is its beginning.
func newReadAhead(src io.Reader, from *rdb.Position, o SalvageOptions, checked *checkedPart) *readAhead {
	n := o.workers
	if n == 0 {
		n = min(runtime.GOMAXPROCS(0), aheadMost)
	}
	a := &readAhead{opt: o, checked: checked, most: n + 2, work: make(chan *batch, n+2)}
	a.split = rdb.NewSplitterOptions(src, rdb.SplitterOptions{Size: o.piece, From: from})
	for range n {
		a.workers.Add(1)
		go a.worker()
	}
	return a
}

func (a *readAhead) close() {
	close(a.work)
	a.workers.Wait()
	if a.big != nil {
		a.big.r.Close()
	}
}

// stopAhead ends the reading ahead, if there is one.
func (x *recordReader) stopAhead() {
	if x.ahead != nil {
		x.ahead.close()
		x.ahead, x.now = nil, nil
	}
}

func (a *readAhead) newReader() *recordReader {
	x := &recordReader{checked: a.checked, quick: true}
	opt := x.options(a.opt)
	opt.Window = 4 << 10 // pieces are in memory
	x.r = rdb.NewReaderOptions(nil, opt)
	return x
}

func (a *readAhead) worker() {
	defer a.workers.Done()
	x := a.newReader()
	defer x.r.Close()
	for b := range a.work {
		b.read(x)
		close(b.done)
	}
}

// read reads the records of a piece.
func (b *batch) read(x *recordReader) {
	for again := false; ; again = true {
		b.records, b.keys = b.records[:0], b.keys[:0]
		x.r.OpenPass(&b.piece, again)
		for b.next(x) {
		}
		if b.err = x.r.Err(); x.r.Settle() {
			return
		}
	}
}

// next reads a record; false if none follows.
func (b *batch) next(x *recordReader) bool {
	var f record
	if !x.head(&f) {
		return false
	}
	b.records = append(b.records, readRecord{head: f})
	rec := &b.records[len(b.records)-1]
	if x.entry != nil {
		rec.entry = *x.entry
		n := len(b.keys)
		b.keys = append(b.keys, x.key...)
		rec.entry.Key = b.keys[n:len(b.keys):len(b.keys)]
	} else if e, ok := x.other.(*rdb.EOF); ok {
		last := *e
		rec.last = &last
	}
	err := x.value(&f)
	rec.end, rec.fault, rec.err = f.end, x.fault, err
	return err == nil
}

// next returns the next record, nil if there is none: then err says why.
func (a *readAhead) next() *readRecord {
	for a.err == nil {
		if b := a.now; b != nil {
			if a.at < len(b.records) {
				a.at++
				return &b.records[a.at-1]
			}
			a.err, a.now = b.err, nil
			if len(b.records) > aheadKept {
				b.records = nil
			}
			a.free = append(a.free, b)
			continue
		}
		a.fill()
		if len(a.queue) == 0 {
			break
		}
		a.now, a.queue, a.at = a.queue[0], a.queue[1:], 0
		<-a.now.done
	}
	return nil
}

// fill gives the workers something to do.
func (a *readAhead) fill() {
	for !a.over && len(a.queue) < a.most {
		b := &batch{}
		if n := len(a.free); n > 0 {
			b, a.free = a.free[n-1], a.free[:n-1]
		}
		b.done = make(chan struct{})
		if a.over = !a.split.Next(&b.piece); a.over {
			return
		}
		a.queue = append(a.queue, b)
		if !b.piece.Streams() {
			a.work <- b
			continue
		}
		if a.big == nil {
			a.big = a.newReader()
		}
		b.read(a.big)
		close(b.done)
	}
}
