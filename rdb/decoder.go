package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/kvfsck/kvfsck/internal/decimal"
	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/lzf"
	"github.com/kvfsck/kvfsck/rdb/internal/intset"
	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
	"github.com/kvfsck/kvfsck/rdb/internal/ziplist"
	"github.com/kvfsck/kvfsck/rdb/internal/zipmap"
)

// mode is how much of a value a walk looks at. All walks take the same bytes; each does more with them than the one before.
type mode uint8

const (
	modeFrame mode = iota // find the value's end
	modeCheck             // apply every rule
	modeEmit              // and yield the elements
)

// streamLimit is the size from which a string is not taken whole where only a check is asked for: it then passes through in pieces.
const streamLimit = 1 << 20

// decoder reads what follows a type byte. Its methods return an error where the framing is lost: errShort and its like, which fail
// makes a FormatError of. Faults that leave the framing intact go to report, and the walk goes on.
type decoder struct {
	s       *source
	family  Family
	version int
	mode    mode
	yield   func(*Element) bool
	report  func(*FormatError)
	limit   int    // streamLimit, or less in tests
	longest uint64 // string that is taken whole; 0: any

	// Where we are, for errors.
	phase   Phase
	item    string
	db      uint64
	key     []byte // nil: between keys
	typ     Type
	hasType bool
	record  int64
	enc     uint64 // the string form that errString is about

	hasTTL bool // the hash just walked has a field that expires

	el         Element
	arena      arena
	dups       *dupset.Set
	dupOptions dupset.Options
	seed       *dupset.Seeded
	few        dupset.Few
	many       *dupset.Many
	slow       bool // nothing is passed quickly
	lp         listpack.Iter
	zl         ziplist.Iter
	zm         zipmap.Iter
	is         intset.Iter
	lzf        lzf.Reader
	piece      []byte           // buffer for strings that pass through in pieces
	longName   []byte           // see quickName
	maybeInts  [fewNames]uint32 // see passTable
	pel        pendingList
	sw         streamWalk
	tup        tuples
	whole      blobBytes
	meta       []KeyMeta

	walkTuples func(*blobBytes) *flaw // tup.walk, bound once
	moduleName string                 // of the module whose items are read
	vectors    vectorCheck
	hasher     dupset.Hasher
	dupErr     error
	toldDup    bool   // a duplicate was reported
	nameLen    uint64 // size of the string that name read last
	ints       [24]byte
	texts      [3][24]byte // of integers that are entries of an element
	distinct   bool        // the names of this value are known to differ
	small      bool        // so far, a checker would still hold the hash packed
}

// arena is where decompressed strings of one element live.
type arena struct{ buf []byte }

// lend returns n bytes, with capacity beyond, which is not the caller's for longer than until the next call.
func (a *arena) lend(n int) []byte {
	if n+lzf.Slack > cap(a.buf)-len(a.buf) {
		a.buf = make([]byte, 0, max(n+lzf.Slack, 64<<10)) // slices into the old one stay valid
	}
	i := len(a.buf)
	a.buf = a.buf[:i+n]
	return a.buf[i : i+n : i+n+lzf.Slack]
}

func (a *arena) reset() {
	if cap(a.buf) > 4*streamLimit {
		a.buf = nil
	}
	a.buf = a.buf[:0]
}

// begin starts an element: what is read from here on stays valid until end.
func (d *decoder) begin() {
	d.s.pin()
	d.arena.reset()
}

func (d *decoder) end() { d.s.unpin() }

// emit yields the element.
func (d *decoder) emit() {
	if d.mode == modeEmit && !d.yield(&d.el) {
		d.mode = modeFrame
	}
}

// place makes an error at the current place.
func (d *decoder) place(code Code) *FormatError {
	e := &FormatError{Code: code, Offset: d.s.offset(), Record: d.record, Phase: d.phase, DB: d.db, Family: d.family}
	if d.hasType {
		e.HasType, e.Type = true, d.typ
	}
	if d.key != nil {
		e.Key = append([]byte{}, d.key...)
	}
	return e
}

// fault reports a broken rule that leaves the framing intact.
func (d *decoder) fault(code Code, cause error, detail string, args ...any) {
	e := d.place(code)
	e.Err = cause
	if detail != "" {
		e.Detail = fmt.Sprintf(detail, args...)
	}
	d.report(e)
}

// faultSaying is fault for rules whose message the checkers put together.
func (d *decoder) faultSaying(code Code, message string, args ...any) {
	e := d.place(code)
	e.message = fmt.Sprintf(message, args...)
	d.report(e)
}

// fail makes the error that ends the walk from what a primitive returned. Errors of the reader below are passed on as they are.
func (d *decoder) fail(err error) error {
	switch err {
	case errShort:
		if d.s.rerr != nil && d.s.rerr != io.EOF {
			return fmt.Errorf("reading at offset %d: %w", d.s.offset(), d.s.rerr)
		}
		e := d.place(CodeTruncated)
		e.Offset, e.Item, e.Err = d.s.short, d.item, io.ErrUnexpectedEOF
		e.message = d.shortMessage()
		return e
	case errLength:
		e := d.place(CodeLength)
		e.Item = d.item
		return e
	case errRange:
		e := d.place(CodeLengthRange)
		e.Item = d.item
		e.message = d.shortMessage()
		return e
	case errTooLong:
		e := d.place(CodeLengthRange)
		e.Item, e.Detail = d.item, "longer than this reader takes"
		return e
	case errString:
		e := d.place(CodeStringEncoding)
		e.Item = d.item
		e.message = "Unknown RDB string encoding type " + strconv.FormatUint(d.enc, 10)
		return e
	default:
		return err
	}
}

// number reads a length of any value. A byte that is the form of a string counts by its low six bits, as with the servers.
func (d *decoder) number() (uint64, error) {
	v, _, err := d.s.length()
	return v, err
}

// count reads a length that says how many of something follow.
func (d *decoder) count() (uint64, error) {
	v, _, err := d.s.length()
	if err == nil && v == lenErr {
		err = errRange
	}
	return v, err
}

// str is a string's head: what is written before its bytes.
type strHead struct {
	form uint8 // 0 plain, else 1 + the encoding
	size uint64
	out  uint64 // LZF: the size when decompressed
}

const (
	formPlain = 0
	formInt8  = 1 + encInt8
	formInt16 = 1 + encInt16
	formInt32 = 1 + encInt32
	formLZF   = 1 + encLZF
)

// head reads a string's head:
//
//	len                      plain, len bytes follow
//	C0 | C1 | C2             an integer of 1, 2, 4 bytes follows, little endian
//	C3 len len               compressed size, size; the compressed bytes follow
func (d *decoder) head() (h strHead, err error) {
	v, enc, err := d.s.length()
	switch {
	case err != nil:
		return h, err
	case !enc && v == lenErr:
		return h, errRange
	case !enc:
		return strHead{formPlain, v, v}, nil
	case v < encLZF:
		return strHead{uint8(formInt8 + v), 1 << v, 0}, nil
	case v > encLZF:
		d.enc = v
		return h, errString
	}
	h.form = formLZF
	if h.size, err = d.count(); err != nil {
		return h, err
	}
	if h.out, err = d.count(); err == nil && h.out > maxAlloc && d.mode != modeFrame {
		e := d.place(CodeLZFSize)
		e.Item, e.Detail, e.message = d.item, strconv.FormatUint(h.out, 10)+" bytes", d.shortMessage()
		d.report(e)
	}
	return h, err
}

// maxAlloc is more than the address space of any server. Asked for as much they give up, before they look at the bytes.
const maxAlloc = 1 << 47

// skipStr passes a string without looking into it.
func (d *decoder) skipStr() error {
	h, err := d.head()
	if err != nil {
		return err
	}
	return d.s.skip(h.size)
}

// skipStrs passes n strings.
func (d *decoder) skipStrs(n uint64) error {
	for ; n > 0; n-- {
		if err := d.skipStr(); err != nil {
			return err
		}
	}
	return nil
}

// checkStr passes a string and checks its compression.
func (d *decoder) checkStr() error {
	_, err := d.checkStrLen()
	return err
}

// checkStrLen is checkStr and returns the string's size.
func (d *decoder) checkStrLen() (size uint64, err error) {
	h, err := d.head()
	switch {
	case err != nil:
		return 0, err
	case h.form == formPlain:
		return h.size, d.s.skip(h.size)
	case h.form != formLZF:
		p, err := d.s.take(int(h.size))
		if err != nil {
			return 0, err
		}
		return uint64(len(decimal.AppendInt(d.texts[0][:0], intOf(h.form, p)))), nil
	case h.size > uint64(d.limit):
		_, err = d.through(h, func(*blobBytes) {})
		return h.out, err
	}
	p, err := d.s.take(int(h.size))
	if err != nil {
		return 0, err
	}
	if h.out != 0 { // of a size of 0 the servers mistake failure for success
		if err := d.validateLZF(p, h.out); err != nil {
			d.fault(CodeLZF, err, "")
		}
	}
	return h.out, nil
}

func (d *decoder) validateLZF(p []byte, out uint64) error {
	if out > min(maxAlloc, maxInt) {
		return errTooLarge
	}
	return lzf.Validate(p, int64(out))
}

// str reads a string whole. The result holds until end. It is nil, after a report, if the string does not decompress.
func (d *decoder) str() ([]byte, error) {
	h, err := d.head()
	if err == nil && d.longest > 0 && max(h.size, h.out) > d.longest {
		err = errTooLong
	}
	if err != nil {
		return nil, err
	}
	return d.body(h)
}

// body reads what follows a head, whole.
func (d *decoder) body(h strHead) ([]byte, error) {
	p, err := d.bodyLent(h)
	return p[:len(p):len(p)], err
}

// bodyLent is body with capacity behind it, for reading.
func (d *decoder) bodyLent(h strHead) ([]byte, error) {
	if h.size > maxInt {
		return nil, d.skipAll(h.size)
	}
	p, err := d.s.takeLent(int(h.size))
	if err != nil {
		return nil, err
	}
	switch h.form {
	case formPlain:
		return p, nil
	case formInt8, formInt16, formInt32:
		return d.decimal(intOf(h.form, p)), nil
	}
	if h.out == 0 {
		return []byte{}, nil
	}
	if h.out > uint64(d.limit) { // no memory is taken for a size that is not true
		if err := d.validateLZF(p, h.out); err != nil {
			d.fault(CodeLZF, err, "")
			return nil, nil
		}
	}
	out := d.arena.lend(int(h.out))
	if err := decompress(out, p); err != nil {
		d.fault(CodeLZF, err, "")
		return nil, nil
	}
	return out, nil
}

// intOf is the integer that a string of that form is the text of.
func intOf(form uint8, p []byte) int64 {
	switch form {
	case formInt8:
		return int64(int8(p[0]))
	case formInt16:
		return int64(int16(binary.LittleEndian.Uint16(p)))
	default:
		return int64(int32(binary.LittleEndian.Uint32(p)))
	}
}

// decompress fills out, exactly. The capacity behind both slices is lent.
func decompress(out, p []byte) error {
	n, err := lzf.DecompressLent(out, p)
	if err == nil && n < len(out) {
		err = lzf.Validate(p, int64(len(out)))
	}
	return err
}

// skipAll passes more than an int can count, which no input has on a machine where that matters.
func (d *decoder) skipAll(n uint64) error {
	if err := d.s.skip(n); err != nil {
		return err
	}
	d.fault(CodeLZF, errTooLarge, "")
	return nil
}

func (d *decoder) decimal(v int64) []byte {
	p := decimal.AppendInt(d.arena.lend(decimal.MaxLen)[:0], v)
	return p[:len(p):len(p)]
}

// blobBytes is a string whose content is walked: whole in p, or coming from r.
type blobBytes struct {
	p    []byte // with capacity lent for reading
	r    io.Reader
	size int64
}

// pieces returns the buffer for what passes through in pieces.
func (d *decoder) pieces() []byte {
	if d.piece == nil {
		d.piece = make([]byte, 64<<10)
	}
	return d.piece
}

// through passes a large string in pieces, decompressed, to use, which may leave some of it. ok is false if it did not decompress,
// which is reported.
func (d *decoder) through(h strHead, use func(*blobBytes)) (ok bool, err error) {
	d.s.unpin() // nothing is kept where only a check is asked for, and windows can be used again
	start := d.s.offset()
	in := limited{d.s, h.size}
	var bad error
	switch {
	case h.form != formLZF:
		use(&blobBytes{r: &in, size: int64(h.size)})
	case h.out > maxAlloc:
		bad = errTooLarge
	default:
		d.lzf.Reset(&in, int64(h.out))
		use(&blobBytes{r: &d.lzf, size: int64(h.out)})
		if _, bad = io.CopyBuffer(discard{}, &d.lzf, d.pieces()); bad == nil && in.n > 0 {
			bad = errTooLarge
		}
	}
	if err := d.s.skip(in.n); err != nil {
		d.s.short = start
		return false, err
	}
	if bad != nil && h.out != 0 {
		d.fault(CodeLZF, bad, "")
		return false, nil
	}
	return true, nil
}

// discard is io.Discard without its ReadFrom, so that the copy uses the buffer it is given.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// name reads a string that must not stand twice in its value. b is nil where only a check is asked for and the string is large.
func (d *decoder) name() (b []byte, dup bool, err error) {
	h, err := d.head()
	if err != nil {
		return nil, false, err
	}
	d.nameLen = max(h.size, h.out)
	if d.mode == modeCheck && d.nameLen > uint64(d.limit) {
		d.hasher.Reset(d.seed)
		ok, err := d.through(h, func(b *blobBytes) { io.CopyBuffer(&d.hasher, b.r, d.pieces()) })
		if err != nil || !ok {
			return nil, false, err
		}
		return nil, d.seen(d.hasher.Sum()), nil
	}
	if b, err = d.body(h); err != nil || b == nil {
		return nil, false, err
	}
	d.nameLen = uint64(len(b))
	return b, d.seen(d.seed.Sum(b)), nil
}

// seen notes the fingerprint of something in this value and reports whether it was there before.
func (d *decoder) seen(sum dupset.Sum) bool {
	dup, err := d.dups.Add(sum, d.s.offset())
	if err != nil && d.dupErr == nil {
		d.dupErr = err
	}
	d.toldDup = d.toldDup || dup
	return dup
}

// newDups begins to look for duplicates among what comes.
func (d *decoder) newDups() {
	d.dups.Reset()
	d.toldDup, d.distinct = false, false
}

// newMany begins to look for doubles quickly among many names, with so many cores.
func (d *decoder) newMany(cores int) *dupset.Many {
	if d.many == nil {
		d.many = new(dupset.Many)
	}
	d.many.Reset(d.dupOptions, cores)
	return d.many
}

// lateDups reports a duplicate that was found only when all of a value too large for the memory allowed had been seen, if none was
// before.
func (d *decoder) lateDups(code Code) error {
	if d.mode == modeFrame || d.distinct || !d.dups.Spilled() {
		return nil
	}
	dups, err := d.dups.Finish()
	if err = errors.Join(d.dupErr, err); err != nil {
		return fmt.Errorf("looking for duplicates: %w", err)
	}
	if len(dups) > 0 && !d.toldDup {
		e := d.place(code)
		e.Offset = dups[0].Second
		d.report(e)
	}
	return nil
}
