package repair

import (
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/kvfsck/kvfsck/internal/dupset"
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
	aheadLeast   = 1 << 20 // bytes that the walk reads on its own
	aheadWorkers = 8       // at most
	aheadPieces  = 12      // in memory beside those in work, so that there is something to do while the walk has doubts
	aheadRecords = 1 << 14 // of a piece, until the walk has come to it
	aheadOthers  = 1 << 12 // of a piece that are no sound keys; where there are more, reading ahead is not worth its memory
)

// errDense ends the reading ahead where records are too many for it, errGuess where a piece does not end as was guessed.
var (
	errDense = errors.New("too many records")
	errGuess = errors.New("wrong guess")
)

// Bounds of what a wrong guess costs: it doubles the number of pieces that are not guessed next, each right one lowers it by one.
const (
	minWary = 1
	maxWary = 1 << 10
)

// readAhead reads records ahead.
type readAhead struct {
	split   *rdb.Splitter
	opt     SalvageOptions
	checked *checkedPart
	work    chan *batch
	queue   chan *batch // in file order
	free    chan *batch
	stop    chan struct{}
	running sync.WaitGroup

	now    *batch
	at     int    // the next record of it
	before []byte // what stands before it
	err    error
	again  *rdb.Piece // which was guessed wrong
	wary   int        // how many pieces are not guessed behind a wrong guess
}

// batch is a piece and its records.
type batch struct {
	piece   rdb.Piece
	records []readRecord
	others  []otherRecord
	keys    []byte // memory of the keys
	err     error  // what ended the reading
	ended   bool   // it came to the end of the piece
	done    chan struct{}
	front   chan struct{} // closed when the walk has come to it
}

// readRecord is a record that was read ahead: a key whose value is sound. There can be very many.
type readRecord struct {
	start, value, end int64
	expireAt, idle    int64
	hash              uint64 // of the key
	key, keyEnd       uint32 // in the keys of the batch
	other             int32  // if not negative it is another one, of that index
	form              uint32 // of the key, if it expires and the record is calm
	freq              int16
	typ               rdb.Type
	first             byte  // of the key
	lone              uint8 // bytes of an idle time or counter that is all there is before the type of a calm one
	calm              bool  // see passCalm
}

// otherRecord is any other record that was read ahead.
type otherRecord struct {
	head  record // as it is before its value is read
	end   int64
	entry rdb.Entry // of a key
	last  *rdb.EOF
	fault *rdb.FormatError
	err   error // what ended the reading in the value
}

// readers is how many workers read ahead.
func (o *SalvageOptions) readers() int {
	if o.workers == 0 {
		return min(runtime.GOMAXPROCS(0), aheadWorkers)
	}
	return o.workers
}

// newReadAhead reads what src has, from a place in the file on; nil is its beginning.
func newReadAhead(src io.Reader, from *rdb.Position, o SalvageOptions, checked *checkedPart) *readAhead {
	return startAhead(src, rdb.SplitterOptions{From: from}, minWary, o, checked)
}

func startAhead(src io.Reader, split rdb.SplitterOptions, wary int, o SalvageOptions, checked *checkedPart) *readAhead {
	n := o.readers()
	a := &readAhead{opt: o, checked: checked, wary: wary, stop: make(chan struct{})}
	a.work, a.queue, a.free = make(chan *batch, n+aheadPieces), make(chan *batch, n+aheadPieces), make(chan *batch, n+aheadPieces)
	split.Size, split.Guess = o.piece, true
	a.split = rdb.NewSplitterOptions(src, split)
	a.running.Go(a.cut)
	for range n {
		a.running.Go(a.worker)
	}
	return a
}

func (a *readAhead) close() {
	close(a.stop)
	a.running.Wait()
}

// cut cuts the file into pieces. A record that is larger than one it reads itself.
func (a *readAhead) cut() {
	defer close(a.queue)
	defer close(a.work)
	var big *recordReader
	for !a.stopped() {
		b := a.blank()
		if !a.split.Next(&b.piece) {
			return
		}
		select {
		case a.queue <- b:
		case <-a.stop:
			return
		}
		if !b.piece.Streams() {
			a.work <- b // which has room for all that the queue has
			continue
		}
		if big == nil {
			big = a.newReader()
			defer big.r.Close()
		}
		b.read(big, a.stop)
		close(b.done)
	}
}

// stopped reports whether nobody wants any more records.
func (a *readAhead) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

// blank returns a batch to fill.
func (a *readAhead) blank() (b *batch) {
	select {
	case b = <-a.free:
	default:
		b = &batch{}
	}
	b.done, b.front = make(chan struct{}), make(chan struct{})
	return b
}

// stopAhead ends the reading ahead, if there is one.
func (x *recordReader) stopAhead() {
	if x.ahead != nil {
		x.ahead.close()
		x.ahead, x.now = nil, nil
	}
}

func (a *readAhead) newReader() *recordReader {
	x := &recordReader{checked: a.checked, quick: true, seeds: dupset.Process()}
	opt := x.options(a.opt)
	opt.Window = 4 << 10 // pieces are in memory
	x.r = rdb.NewReaderOptions(nil, opt)
	return x
}

func (a *readAhead) worker() {
	x := a.newReader()
	defer x.r.Close()
	for b := range a.work {
		if !a.stopped() {
			b.read(x, a.stop)
		}
		close(b.done)
	}
}

// read reads the records of a piece.
func (b *batch) read(x *recordReader, stop <-chan struct{}) {
	for again := false; ; again = true {
		b.records, b.others, b.keys = b.records[:0], b.others[:0], b.keys[:0]
		x.r.OpenPass(&b.piece, again)
		for len(b.others) < aheadOthers && b.next(x) {
			if len(b.records) != aheadRecords {
				continue
			}
			select {
			case <-b.front:
			case <-stop:
				return
			}
		}
		if b.err = x.r.Err(); len(b.others) == aheadOthers {
			b.err = errDense
		}
		if x.r.Settle() {
			b.ended = b.err == nil && b.piece.Ended(x.r)
			return
		}
	}
}

// next reads a record; false if none follows.
func (b *batch) next(x *recordReader) bool {
	x.fault = nil
	if !x.next() {
		return false
	}
	if x.passed {
		b.add(x.r.Record().(*rdb.Entry), x.seeds)
		return true
	}
	var f record
	if !x.take(&f) {
		return false
	}
	head := f
	err := x.value(&f)
	if e := x.entry; e != nil && err == nil && x.fault == nil && e.Meta == nil {
		b.add(e, x.seeds)
		return true
	}
	o := otherRecord{head: head, end: f.end, fault: x.fault, err: err}
	if x.entry != nil {
		from := len(b.keys)
		b.keys = append(b.keys, x.key...)
		o.entry = *x.entry
		o.entry.Key = b.keys[from:len(b.keys):len(b.keys)]
	} else if e, ok := x.other.(*rdb.EOF); ok {
		last := *e
		o.last = &last
	}
	b.others = append(b.others, o)
	b.records = append(b.records, readRecord{other: int32(len(b.others) - 1)})
	return err == nil
}

// add adds a key with a sound value, of which that was passed.
func (b *batch) add(e *rdb.Entry, seeds *dupset.Seeded) {
	from := len(b.keys)
	b.keys = append(b.keys, e.Key...)
	n := len(b.records)
	b.records = append(b.records, readRecord{
		start: e.Offset, value: e.ValueOffset, end: e.End(), expireAt: e.ExpireAt, idle: e.Idle, freq: int16(e.Freq), typ: e.Type,
		hash: seeds.Hash(e.Key), key: uint32(from), keyEnd: uint32(len(b.keys)), other: -1,
	})
	b.records[n].look(e, &b.piece)
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
			a.before = a.before[:0]
			if p, _ := b.piece.Bytes(); !b.piece.Streams() {
				a.before = append(a.before, p[max(0, len(p)-lentMost):]...)
			}
			a.giveBack(b)
			continue
		}
		b, ok := <-a.queue
		if !ok {
			if a.again = a.split.Unproven(); a.again != nil {
				a.err = errGuess
			}
			break
		}
		close(b.front)
		<-b.done
		switch guessed := b.piece.Guessed(); {
		case guessed && !b.ended:
			a.err, a.again = errGuess, &b.piece
			return nil
		case guessed:
			a.wary = max(minWary, a.wary-1)
		}
		a.now, a.at = b, 0
	}
	return nil
}

// show lends what of the current piece is in memory.
func (a *readAhead) show(v *view) {
	b, at := a.now.piece.Bytes()
	v.lend(b, at, a.before)
}

// giveBack lets a batch be used again.
func (a *readAhead) giveBack(b *batch) {
	if len(b.records) > aheadRecords {
		b.records = nil
	}
	clear(b.others)
	select {
	case a.free <- b:
	default:
	}
}
