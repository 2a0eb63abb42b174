package rdb

import (
	"errors"
	"io"
	"iter"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/lzf"
)

// ReaderOptions are settings of a [Reader]; the zero value is the default.
type ReaderOptions struct {
	// OnFault is called for every broken rule that leaves the framing intact. What it returns, if anything, becomes the error of the
	// value or, for a fault outside values, of the reader; nil lets it go on, and [ErrEnough] lets it pass the rest of a value without
	// looking for more. Without it a fault that the server of the file's family refuses is an error and any other is passed over.
	OnFault func(*FormatError) error

	// DuplicateMemory bounds the memory, in bytes, that is used to find elements that stand twice in one value; what does not fit
	// goes to temporary files of 24 bytes an element. 0 means 32 MiB.
	DuplicateMemory int64

	// TempDir is where those files are made; empty means [os.TempDir].
	TempDir string

	// Window is the size of the buffer in bytes; 0 means 256 KiB.
	Window int

	// MaxString is the size in bytes, compressed or not, of the longest string that is taken whole: keys, auxiliary fields, libraries, and
	// elements where these are asked for. At a longer one the reader ends with CodeLengthRange. It is for damaged files, in which
	// a length may claim half of the file; 0 means no limit.
	MaxString uint64

	limit int // streamLimit, if not 0
}

// ErrEnough is what [ReaderOptions].OnFault returns where it wants to be told of no further fault of a value, and of no error but those that leave open where it ends.
var ErrEnough = errors.New("rdb: no more faults of the value are asked for")

// Reader reads the records of an RDB in file order.
//
//	r := rdb.NewReader(f)
//	for r.Next() {
//		switch rec := r.Record().(type) {
//		case *rdb.Entry:
//			value, err := rec.Value()
//			...
//		}
//	}
//	err := r.Err()
//
// It is not safe for use by several goroutines at once.
type Reader struct {
	src source
	dec decoder
	opt ReaderOptions

	rec   Record
	err   error
	state readerState

	header Header
	pend   pending

	typeByte int64 // offset of the current key's

	aux     Aux
	sel     SelectDB
	resize  ResizeDB
	slot    SlotInfo
	imports SlotImport
	fn      Function
	modAux  ModuleAux
	entry   Entry
	eof     EOF
	keyBuf  []byte
	later   []lzf.Block    // see quick
	put     []lzf.Block    // memory for later
	passed  func(int) bool // see quickLarge
	frame   keyFrame       // skim's
	partial bool           // reading began in the middle
	more    bool           // what is there ends between records, and others follow
	single  bool           // of what is there one record only is to be read
	still   bool           // what is there stays as it is while keys of it are used
	inAux   bool           // the current value is a ModuleAux's
	faulted error          // what OnFault said of a fault outside values
	soft    error          // what it said of one in the current value
	reports struct{ record, value, element func(*FormatError) }
}

type readerState uint8

const (
	atStart  readerState = iota
	atRecord             // between records
	atValue              // before the value of the current record
	atEnd                // behind the last record
	failed
)

// pending is what opcodes said of the key to come. It survives other records between, as it does in the servers.
type pending struct {
	set      bool
	offset   int64 // of the first such opcode
	expireAt int64
	idle     int64
	freq     int
	meta     bool // metadata came last
}

// NewReader returns a Reader of the RDB that src begins with.
func NewReader(src io.Reader) *Reader { return NewReaderOptions(src, ReaderOptions{}) }

// NewReaderOptions returns a Reader with settings.
func NewReaderOptions(src io.Reader, opt ReaderOptions) *Reader {
	r := newReader(opt)
	r.start(src)
	return r
}

// newReader makes a reader that has nothing to read yet.
func newReader(opt ReaderOptions) *Reader {
	r := &Reader{opt: opt, keyBuf: make([]byte, 0, 64)} // not nil, so that no key is: nil is no key
	r.reports.record, r.reports.value, r.reports.element = r.checked, r.noteFault, r.noteFaultOfElement
	r.dec.init(&r.src, dupset.Options{MemoryLimit: opt.DuplicateMemory, TempDir: opt.TempDir})
	if opt.limit > 0 {
		r.dec.limit = opt.limit
	}
	r.dec.longest = opt.MaxString
	return r
}

// start makes r read an RDB from its beginning.
func (r *Reader) start(src io.Reader) { r.src.reset(src, r.window()) }

func (r *Reader) window() int {
	if r.opt.Window > 0 {
		return r.opt.Window
	}
	return windowSize
}

func (d *decoder) init(s *source, o dupset.Options) {
	d.s, d.limit = s, streamLimit
	d.dups, d.dupOptions, d.seed = dupset.New(o), o, dupset.Process()
	d.report, d.walkTuples = ignore, d.tup.walk
}

// Close removes what the reader may have left in TempDir. It does not close the input. It need not be called after Next returned false.
func (r *Reader) Close() error { return r.dec.dups.Close() }

// Position is a place between two records from which a file can be read on.
type Position struct {
	Offset  int64
	Family  Family
	Version int
	DB      uint64 // selected there
}

// Resume makes r read records from a place in the middle of a file, of which src has the rest. Nothing is left of what r read before.
// The checksum cannot be told then, and nothing is pending for the first key.
func (r *Reader) Resume(src io.Reader, p Position) {
	r.src.reset(src, r.window())
	r.resume(p)
}

// ResumeBytes is [Reader.Resume] where the rest of the file, or as much of it as matters, is in b. It allocates nothing, for trying
// many places.
func (r *Reader) ResumeBytes(b []byte, p Position) {
	r.src.resetBytes(b, p.Offset)
	r.resume(p)
}

func (r *Reader) resume(p Position) {
	d := &r.dec
	r.src.base, r.src.summing = p.Offset, false
	d.family, d.version, d.db = p.Family, p.Version, p.DB
	d.key, d.hasType = nil, false
	r.rec, r.err, r.state, r.partial, r.more, r.single, r.still, r.pend = nil, nil, atRecord, true, false, false, false, pending{}
}

// Next reads the next record, passing what is left of the one before. It is false at the end and after an error; see Err.
func (r *Reader) Next() bool {
	err := r.finishValue()
	for err == nil && r.state == atRecord && !(r.more && r.src.pos == r.src.end) && !(r.single && r.rec != nil) {
		if r.quickKey() {
			return true
		}
		var rec Record
		if rec, err = r.step(); err == nil {
			err = r.faulted
		}
		if err == nil && rec != nil {
			r.rec = rec
			return true
		}
	}
	if err == nil && r.state == atStart {
		if err = r.readHeader(); err == nil {
			r.rec, r.state = &r.header, atRecord
			return true
		}
	}
	r.rec = nil
	if err != nil {
		r.err, r.state = err, failed
	}
	if r.dec.dups.Spilled() {
		r.dec.dups.Close()
	}
	return false
}

// Record returns the record that the last call of Next read.
func (r *Reader) Record() Record { return r.rec }

// Err returns what ended the reading, nil at the end of the RDB. A fault in the file is a [*FormatError]; an error of the input is wrapped.
func (r *Reader) Err() error { return r.err }

// Records ranges over the records; an error comes last.
func (r *Reader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for r.Next() {
			if !yield(r.rec, nil) {
				return
			}
		}
		if r.err != nil {
			yield(nil, r.err)
		}
	}
}

// Offset returns how many bytes of the RDB have been passed.
func (r *Reader) Offset() int64 { return r.src.offset() }

// DB returns the database that is selected behind what has been passed.
func (r *Reader) DB() uint64 { return r.dec.db }

// Rest returns a reader of what follows the RDB in the input: nothing, or the commands of an append-only file. It is to be called
// after the [EOF] record.
func (r *Reader) Rest() io.Reader {
	r.src.fold()
	r.src.summing = false
	return &r.src
}

// checked is the fault handling of all but values.
func (r *Reader) checked(e *FormatError) {
	if err := r.onFault(e); err != nil && err != ErrEnough && r.faulted == nil {
		r.faulted = err
	}
}

func (r *Reader) onFault(e *FormatError) error {
	if r.opt.OnFault != nil {
		return r.opt.OnFault(e)
	}
	if e.Server() == Refuses {
		return e
	}
	return nil
}

// ErrConsumed is the error of taking a value a second time.
var ErrConsumed = errors.New("rdb: the value was read already")

// ErrNoValue is the error of taking a value from what was read from nothing: an entry of [NewEntry], a zero Dump or ModuleAux.
var ErrNoValue = errors.New("rdb: it was not read from anything, so there is no value")

// atHand is the error of a value that cannot be taken; of a nil Reader there is none.
func (r *Reader) atHand() error {
	switch {
	case r == nil:
		return ErrNoValue
	case r.state != atValue:
		return ErrConsumed
	}
	return nil
}

// walk runs a walk over what the current record has behind its head. The error is one that ends the reading.
func (r *Reader) walk(m mode, report func(*FormatError)) (err error) {
	d := &r.dec
	d.mode, d.report = m, report
	if r.inAux {
		err = d.moduleItems()
	} else {
		err = d.value()
	}
	d.s.unpin()
	if err != nil {
		err = d.fail(err)
		r.err, r.state = err, failed
		return err
	}
	r.valueEnd()
	return nil
}

// valueEnd notes that the value of the current record was passed.
func (r *Reader) valueEnd() {
	r.state = atRecord
	span := r.rec.span()
	span.Size = r.src.offset() - span.Offset
}

// finishValue passes the value of the current record if nobody took it.
func (r *Reader) finishValue() error {
	if r.state != atValue {
		return r.err
	}
	return r.walk(modeFrame, ignore)
}

func ignore(*FormatError) {}

// noteFault keeps the first error that a fault of the value makes.
func (r *Reader) noteFault(e *FormatError) {
	switch err := r.onFault(e); {
	case err == ErrEnough:
		r.dec.mode = modeFrame
	case r.soft == nil:
		r.soft = err
	}
}

func (r *Reader) checkValue() error {
	if err := r.atHand(); err != nil {
		return err
	}
	r.soft = nil
	err := r.walk(modeCheck, r.reports.value)
	if r.soft != nil {
		return r.soft
	}
	return err
}

func (r *Reader) rawValue() ([]byte, error) {
	if err := r.atHand(); err != nil {
		return nil, err
	}
	var raw []byte
	r.src.fold()
	r.src.tee = &raw
	err := r.walk(modeFrame, ignore)
	r.src.fold()
	r.src.tee = nil
	return raw, err
}

// elements ranges over what a walk over the current value yields.
func (r *Reader) elements() iter.Seq2[*Element, error] {
	return func(yield func(*Element, error) bool) {
		stopped := false
		err := r.visit(func(el *Element) bool {
			stopped = !yield(el, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// visit shows the elements of the current value. The error is that of a fault, or what ends the reading.
func (r *Reader) visit(yield func(*Element) bool) error {
	if err := r.atHand(); err != nil {
		return err
	}
	r.dec.yield, r.soft = yield, nil
	err := r.walk(modeEmit, r.reports.element)
	if r.soft != nil {
		return r.soft
	}
	return err
}

// noteFaultOfElement is noteFault where no element is to be shown behind an error.
func (r *Reader) noteFaultOfElement(e *FormatError) {
	if r.noteFault(e); r.soft != nil {
		r.dec.mode = modeFrame
	}
}
