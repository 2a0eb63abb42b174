package rdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

// ReaderOptions are settings of a [Reader]; the zero value is the default.
type ReaderOptions struct {
	// OnFault is called for every broken rule that leaves the framing intact. What it returns, if anything, becomes the error of the
	// value or, for a fault outside values, of the reader; nil lets it go on. Without it a fault that the server of the file's family
	// refuses is an error and any other is passed over.
	OnFault func(*FormatError) error

	// DuplicateMemory bounds the memory, in bytes, that is used to find elements that stand twice in one value; what does not fit
	// goes to temporary files of 24 bytes an element. 0 means 32 MiB.
	DuplicateMemory int64

	// TempDir is where those files are made; empty means [os.TempDir].
	TempDir string

	// Window is the size of the buffer in bytes; 0 means 256 KiB.
	Window int

	limit int // streamLimit, if not 0
}

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

	header     Header
	pend       pending
	valueStart int64

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
	inAux   bool  // the current value is a ModuleAux's
	faulted error // what OnFault said of a fault outside values
	soft    error // what it said of one in the current value
	reports struct{ record, value func(*FormatError) }
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
	r := &Reader{opt: opt, keyBuf: make([]byte, 0, 64)} // not nil, so that no key is: nil is no key
	size := opt.Window
	if size <= 0 {
		size = windowSize
	}
	r.src.reset(src, size)
	r.reports.record, r.reports.value = r.checked, r.noteFault
	r.dec.init(&r.src, dupset.Options{MemoryLimit: opt.DuplicateMemory, TempDir: opt.TempDir})
	if opt.limit > 0 {
		r.dec.limit = opt.limit
	}
	return r
}

func (d *decoder) init(s *source, o dupset.Options) {
	d.s, d.limit = s, streamLimit
	d.dups, d.seed = dupset.New(o), dupset.Process()
	d.report, d.walkTuples = ignore, d.tup.walk
}

// Close removes what the reader may have left in TempDir. It does not close the input. It need not be called after Next returned false.
func (r *Reader) Close() error { return r.dec.dups.Close() }

// Next reads the next record, passing what is left of the one before. It is false at the end and after an error; see Err.
func (r *Reader) Next() bool {
	err := r.finishValue()
	for err == nil && r.state == atRecord {
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
	r.dec.dups.Close()
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

// Rest returns a reader of what follows the RDB in the input: nothing, or the commands of an append-only file. It is to be called
// after the [EOF] record.
func (r *Reader) Rest() io.Reader {
	r.src.fold()
	r.src.summing = false
	return &r.src
}

// checked is the fault handling of all but values.
func (r *Reader) checked(e *FormatError) {
	if err := r.onFault(e); err != nil && r.faulted == nil {
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

// readHeader reads:
//
//	"REDIS" and four digits, or "VALKEY" and three
//
// The number is read as atoi does. Valkey's magic goes with versions from 80 on only. (Redis 8.6 and Valkey 9.1 rdb.c)
func (r *Reader) readHeader() error {
	d := &r.dec
	p, err := r.src.take(9)
	if err != nil {
		return d.fail(err)
	}
	switch {
	case bytes.HasPrefix(p, []byte("REDIS")):
		r.header.Family, r.header.Version = Redis, atoi(p[5:])
	case bytes.HasPrefix(p, []byte("VALKEY")):
		r.header.Family, r.header.Version = Valkey, atoi(p[6:])
	default:
		e := d.place(CodeSignature)
		if allZero(p) {
			e.Detail = "it begins with zero bytes"
		}
		return e
	}
	v, low, high := r.header.Version, MinVersion, MaxRedisVersion
	if d.family = r.header.Family; d.family == Valkey {
		low, high = MinValkeyVersion, MaxValkeyVersion
	}
	if d.version = v; v < low || v > high {
		e := d.place(CodeVersion)
		e.message = fmt.Sprintf("Can't handle RDB format version %d", v)
		e.Detail = fmt.Sprintf("%s version %d, readable are %d to %d", d.family, v, low, high)
		return e
	}
	r.header.Span = Span{0, 9}
	return nil
}

func allZero(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }

// atoi is C's: blanks, a sign, and digits up to the first other byte.
func atoi(p []byte) int {
	p = bytes.TrimLeft(p, " \t\n\v\f\r")
	sign := 1
	if len(p) > 0 && (p[0] == '+' || p[0] == '-') {
		if p[0] == '-' {
			sign = -1
		}
		p = p[1:]
	}
	n := 0
	for _, c := range p {
		if !isDigit(c) {
			break
		}
		n = n*10 + int(c-'0')
	}
	return sign * n
}

// step reads one record, up to its value if it has one. rec is nil for what only says something of the key to come.
func (r *Reader) step() (rec Record, err error) {
	d := &r.dec
	d.phase, d.item, d.key, d.hasType, d.mode = PhaseType, "type", nil, false, modeEmit
	d.report, r.faulted, r.inAux = r.reports.record, nil, false
	start := r.src.offset()
	d.record = start
	op, err := r.src.byte()
	if err == nil {
		d.begin()
		if op >= opSlotInfo || op == opKeyMeta {
			rec, err = r.opcode(op, start)
		} else {
			rec, err = r.readKey(Type(op), start)
		}
		d.end()
	}
	if err != nil {
		return nil, d.fail(err)
	}
	return rec, nil
}

// opcode reads what follows an opcode.
func (r *Reader) opcode(op byte, start int64) (rec Record, err error) {
	d := &r.dec
	if r.pend.meta { // a server wants a type byte behind it; the checker does not mind
		d.fault(CodeMetaPlace, nil, "")
		r.pend.meta = false
	}
	switch op {
	case opEOF:
		return r.readEOF(start)
	case opSelectDB:
		d.phase, d.item = PhaseLength, "database number"
		r.sel.DB, err = d.count()
		d.db, rec = r.sel.DB, &r.sel
	case opResizeDB:
		d.phase, d.item = PhaseLength, "counts of keys"
		err = d.counts(&r.resize.Keys, &r.resize.Expires)
		rec = &r.resize
	case opAux:
		d.phase, d.item = PhaseAux, "auxiliary field"
		err = d.strs(&r.aux.Name, &r.aux.Value)
		rec = &r.aux
		if err == nil {
			r.checkAux()
		}
	case opModuleAux:
		d.phase, d.item = PhaseModuleAux, "module data"
		err = r.readModuleAux()
		rec = &r.modAux
	case opFunction2:
		d.phase, d.item = PhaseFunctions, "function library"
		r.fn = Function{}
		err = d.strs(&r.fn.Code)
		rec = &r.fn
	case opFunctionPreGA:
		d.item = "function library"
		err = r.readFunctionPreGA()
		rec = &r.fn
	case opSlotInfo:
		d.item = "slot counts"
		err = d.counts(&r.slot.Slot, &r.slot.Keys, &r.slot.Expires)
		rec = &r.slot
	case opKeyMeta:
		if d.family == Valkey {
			d.item = "slot import"
			err = r.readSlotImport()
			rec = &r.imports
			break
		}
		return nil, r.readKeyMeta(start)
	default:
		return nil, r.readModifier(op, start)
	}
	if err != nil {
		return nil, err
	}
	*rec.span() = Span{start, r.src.offset() - start}
	return rec, nil
}

// counts reads lengths in a row.
func (d *decoder) counts(to ...*uint64) (err error) {
	for _, p := range to {
		if *p, err = d.count(); err != nil {
			return err
		}
	}
	return nil
}

// strs reads strings in a row.
func (d *decoder) strs(to ...*[]byte) (err error) {
	for _, p := range to {
		if *p, err = d.str(); err != nil {
			return err
		}
	}
	return nil
}

// readModifier reads an expiry, an idle time or an access counter.
func (r *Reader) readModifier(op byte, start int64) (err error) {
	d, p := &r.dec, r.pending(start)
	var v uint64
	switch op {
	case opExpireTime:
		d.phase, d.item = PhaseExpire, "expiry"
		var b []byte
		if b, err = r.src.take(4); err == nil {
			p.expireAt = int64(int32(uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24)) * 1000
		}
	case opExpireTimeMS:
		d.phase, d.item = PhaseExpire, "expiry"
		v, err = r.src.uint64()
		p.expireAt = int64(v)
	case opIdle:
		d.item = "idle time"
		v, err = d.count()
		p.idle = int64(v)
	case opFreq:
		d.item = "access counter"
		var b byte
		b, err = r.src.byte()
		p.freq = int(b)
	}
	return err
}

// pending returns what is said of the key to come, beginning with what starts at the offset if nothing was said before.
func (r *Reader) pending(start int64) *pending {
	if !r.pend.set {
		r.pend = pending{set: true, offset: start, expireAt: NoExpire, idle: -1, freq: -1}
	}
	return &r.pend
}

func (r *Reader) readKeyMeta(start int64) error {
	d, p := &r.dec, r.pending(start)
	d.item, d.meta, p.meta = "key metadata", nil, true
	return d.keyMeta()
}

func (r *Reader) readEOF(start int64) (Record, error) {
	d := &r.dec
	r.src.fold()
	r.src.summing = false
	r.eof = EOF{Span: Span{start, 1}, Computed: r.src.sum, HasChecksum: d.version >= 5}
	r.state = atEnd
	if !r.eof.HasChecksum {
		return &r.eof, nil
	}
	d.phase, d.item = PhaseChecksum, "checksum"
	stored, err := r.src.uint64()
	if err != nil {
		return nil, err
	}
	r.eof.Stored, r.eof.Size = stored, 9
	switch {
	case stored == 0:
		d.fault(CodeNoChecksum, nil, "")
	case stored != r.eof.Computed:
		d.fault(CodeChecksum, nil, "stored %016x, computed %016x", stored, r.eof.Computed)
	}
	return &r.eof, nil
}

// readFunctionPreGA reads the form of the release candidates of Redis 7.0:
//
//	str name, str engine, len has description, [str description], str code
func (r *Reader) readFunctionPreGA() error {
	d := &r.dec
	d.faultSaying(CodeFunctionPreGA, "Pre-release function format not supported %d", d.version)
	r.fn = Function{PreGA: true}
	if err := d.strs(&r.fn.Name, &r.fn.Engine); err != nil {
		return err
	}
	described, err := d.count()
	if err != nil {
		return err
	}
	if described != 0 {
		if err := d.strs(&r.fn.Description); err != nil {
			return err
		}
	}
	return d.strs(&r.fn.Code)
}

// readModuleAux reads the head of a module's data outside keys:
//
//	len module id, len 2, len when; then items
func (r *Reader) readModuleAux() error {
	d := &r.dec
	var id uint64
	if err := d.counts(&id, &r.modAux.WhenOpcode, &r.modAux.When); err != nil {
		return err
	}
	r.modAux.Module, r.modAux.r = ModuleID(id), r
	d.moduleName = r.modAux.Module.Name()
	if r.modAux.WhenOpcode != moduleUInt {
		d.fault(CodeModuleAuxWhen, nil, "%d", r.modAux.WhenOpcode)
	}
	r.state, r.inAux = atValue, true
	return nil
}

// Limits of slots.
const (
	maxSlots      = 16384
	slotJobLength = 40
)

// readSlotImport reads:
//
//	str job name, len ranges, then for each: len start, len end
func (r *Reader) readSlotImport() error {
	d := &r.dec
	job, err := d.str()
	if err != nil {
		return err
	}
	if len(job) != slotJobLength {
		d.fault(CodeSlotImportJob, nil, "%d bytes", len(job))
	}
	n, err := d.count()
	r.imports.Job, r.imports.Ranges = job, r.imports.Ranges[:0]
	for ; err == nil && n > 0; n-- {
		var g SlotRange
		if err = d.counts(&g.First, &g.Last); err != nil {
			break
		}
		if g.First > g.Last || g.Last >= maxSlots {
			d.fault(CodeSlotImportRange, nil, "%d to %d", g.First, g.Last)
		}
		r.imports.Ranges = append(r.imports.Ranges, g)
	}
	return err
}

// checkAux applies the one rule there is about auxiliary fields: Valkey reads the slot hints.
func (r *Reader) checkAux() {
	if bytes.EqualFold(r.aux.Name, []byte("slot-info")) && !threeNumbers(r.aux.Value) {
		r.dec.fault(CodeSlotInfoAux, nil, "%q", shorten(r.aux.Value))
	}
}

// threeNumbers reports whether p begins with three numbers and commas between them, as scanf("%i,%lu,%lu") sees it.
func threeNumbers(p []byte) bool {
	for i := range 3 {
		if i > 0 {
			if len(p) == 0 || p[0] != ',' {
				return false
			}
			p = p[1:]
		}
		p = bytes.TrimLeft(p, " \t\n\v\f\r")
		if len(p) > 0 && (p[0] == '+' || p[0] == '-') {
			p = p[1:]
		}
		digit := isDigit
		if i == 0 && len(p) > 2 && p[0] == '0' && p[1]|0x20 == 'x' && isHex(p[2]) {
			p, digit = p[2:], isHex
		}
		n := 0
		for n < len(p) && digit(p[n]) {
			n++
		}
		if n == 0 {
			return false
		}
		p = p[n:]
	}
	return true
}

// readKey reads what stands between a type byte and the value.
func (r *Reader) readKey(t Type, start int64) (Record, error) {
	d := &r.dec
	if d.family.info(t) == nil {
		e := d.place(CodeType)
		e.message = fmt.Sprintf("Invalid object type: %d", t)
		e.Detail = fmt.Sprintf("%d", t)
		return nil, e
	}
	d.typ, d.hasType, d.phase, d.item = t, true, PhaseKey, "key"
	p := r.pending(start)
	d.record = p.offset
	key, err := d.str()
	if err != nil {
		return nil, err
	}
	r.keyBuf = append(r.keyBuf[:0], key...)
	if cap(r.keyBuf) > 4*windowSize && len(r.keyBuf) < windowSize {
		r.keyBuf = append(make([]byte, 0, 64), key...)
	}
	d.key = r.keyBuf[:len(r.keyBuf):len(r.keyBuf)]
	at := r.src.offset()
	r.entry = Entry{
		Span: Span{p.offset, at - p.offset}, DB: d.db, Key: d.key, Type: t, Family: d.family,
		ExpireAt: p.expireAt, Idle: p.idle, Freq: p.freq, ValueOffset: at, r: r,
	}
	if p.meta {
		r.entry.Meta = d.meta
	}
	r.pend, r.state = pending{}, atValue
	return &r.entry, nil
}

// ErrConsumed is the error of taking a value a second time.
var ErrConsumed = errors.New("rdb: the value was read already")

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
	r.state = atRecord
	span := r.rec.span()
	span.Size = r.src.offset() - span.Offset
	return nil
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
	if err := r.onFault(e); r.soft == nil {
		r.soft = err
	}
}

func (r *Reader) checkValue() error {
	if r.state != atValue {
		return ErrConsumed
	}
	r.soft = nil
	err := r.walk(modeCheck, r.reports.value)
	if r.soft != nil {
		return r.soft
	}
	return err
}

func (r *Reader) rawValue() ([]byte, error) {
	if r.state != atValue {
		return nil, ErrConsumed
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
		if r.state != atValue {
			yield(nil, ErrConsumed)
			return
		}
		d := &r.dec
		stopped := false
		d.yield = func(el *Element) bool {
			stopped = !yield(el, nil)
			return !stopped
		}
		r.soft = nil
		err := r.walk(modeEmit, func(e *FormatError) {
			if r.noteFault(e); r.soft != nil {
				d.mode = modeFrame
			}
		})
		if r.soft != nil {
			err = r.soft
		}
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}
