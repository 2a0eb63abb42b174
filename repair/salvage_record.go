package repair

import (
	"errors"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb"
)

// what a record is.
type what uint8

const (
	isKey what = iota
	isAux
	isSelect
	isResize
	isSlot
	isSlotField // Valkey's form of it
	isImport
	isFunction
	isModuleAux
	isEnd
)

// record is a record of the file as the salvage keeps it: where it lies and what it is, not what it holds.
type record struct {
	start, end int64
	what       what
	typ        rdb.Type
	expires    bool
	modified   bool // an expiry, idle time, counter or metadata stands before the type
	damaged    bool // its value breaks a rule that servers mind; the framing is intact
	code       rdb.Code
	doubt      Doubt  // of one that is damaged in our opinion only
	verified   bool   // its value tells its end in two ways that agree
	told       bool   // its elements tell that its value ends where it seems to; only of records that were probed
	nameless   bool   // an empty key
	rote       bool   // it only counts on from the one before; see byRote
	extra      uint8  // bytes before the type that are not its own
	swallows   bool   // a field that is so long that it rather took what follows it
	oddTime    bool   // its expiry is of a time that nobody means
	tail       bool   // it may have lost its expiry to the value before, or have taken it
	weak       bool   // there is little evidence for it
	supposed   bool   // where it ends, nothing but what may be the head of a damaged one tells
	modifiers  uint8  // the version that has what stands before the type, 0 if all have it
	lone       uint8  // bytes of an idle time or counter that is all there is before the type
	form       uint32 // of the key, if it expires; see shape
	slot       int32  // of the key, where the file has slots
	numbers    [3]uint64
	hash       uint64     // of a key
	sum        dupset.Sum // of a function library's name
	score      float32    // see evidence; only of records that were probed
}

// recordReader is a Reader that tells records.
type recordReader struct {
	r     *rdb.Reader
	fault *rdb.FormatError // the first one of the current record that the server of the family minds
	key   []byte           // of the current record, until the next
	entry *rdb.Entry       // likewise; nil if it is no key
	other rdb.Record       // likewise
	slots bool             // keys' slots are wanted

	seeds    *dupset.Seeded
	quick    bool         // values may be passed with their heads, of pieces
	passed   bool         // that of the current record was
	checked  *checkedPart // values that need not be looked at
	ahead    *readAhead   // which reads instead; nil: r does
	now      *readRecord  // of ahead
	keyAhead rdb.Entry    // now as an entry
	family   rdb.Family   // of that
}

func newRecordReader(o SalvageOptions) *recordReader {
	x := &recordReader{}
	x.r = rdb.NewReaderOptions(nil, x.options(o))
	return x
}

func (x *recordReader) options(o SalvageOptions) rdb.ReaderOptions {
	return rdb.ReaderOptions{OnFault: x.note, DuplicateMemory: o.MaxMemory / 16, TempDir: o.TempDir, MaxString: longestKey}
}

// longestKey is the length of a key, a field or a library, in bytes, beyond which it is taken for damage: half of the memory that is to be used.
const longestKey = 32 << 20

func (x *recordReader) note(e *rdb.FormatError) error {
	switch {
	case x.fault != nil:
		return rdb.ErrEnough
	case e.Server() == rdb.Accepts || e.Code == rdb.CodeChecksum:
		return nil
	}
	x.fault = e
	return rdb.ErrEnough
}

// head reads up to the value of the next record, if it has one. ok is false at the end of what can be read; see the Reader's Err.
func (x *recordReader) head(f *record) (ok bool) {
	x.fault, x.entry, x.key, x.other = nil, nil, nil, nil
	if x.ahead != nil {
		return x.headAhead(f)
	}
	return x.next() && x.take(f)
}

// take takes over the head that was read.
func (x *recordReader) take(f *record) (ok bool) {
	x.entry, x.key, x.other = nil, nil, nil
	*f = record{}
	switch rec := x.r.Record().(type) {
	case *rdb.Entry:
		x.entry, x.key = rec, rec.Key
		f.start, f.end, f.what, f.typ = rec.Offset, rec.End(), isKey, rec.Type
		f.expires = rec.ExpireAt != rdb.NoExpire
		f.modified = f.expires || rec.Idle >= 0 || rec.Freq >= 0 || rec.Meta != nil
		f.modifiers = modifiersVersion(rec)
		f.nameless = len(rec.Key) == 0
		f.hash = dupset.Process().Hash(rec.Key)
		if x.slots {
			f.slot = int32(keySlot(rec.Key))
		}
	case *rdb.Header:
		return x.head(f)
	default:
		x.other = rec
		f.take(rec)
	}
	return true
}

// next reads up to the value of the next record, or passes that too.
func (x *recordReader) next() (ok bool) {
	if !x.quick {
		return x.r.Next()
	}
	ok, x.passed = x.r.Pass(!x.checked.sound(x.r.Offset()))
	return ok
}

// headAhead is head of what was read ahead.
func (x *recordReader) headAhead(f *record) (ok bool) {
	if x.now = x.ahead.next(); x.now == nil {
		return false
	}
	b, k := x.ahead.now, x.now
	if k.other >= 0 {
		o := &b.others[k.other]
		if *f = o.head; f.what == isKey {
			x.entry = &o.entry
		} else if o.last != nil {
			x.other = o.last
		}
	} else {
		e := &x.keyAhead
		*e = rdb.Entry{
			Span: rdb.Span{Offset: k.start, Size: k.value - k.start}, Key: b.keys[k.key:k.keyEnd:k.keyEnd], Type: k.typ, Family: x.family,
			ExpireAt: k.expireAt, Idle: k.idle, Freq: int(k.freq), ValueOffset: k.value,
		}
		x.entry = e
		*f = record{
			start: k.start, end: k.value, what: isKey, typ: k.typ, hash: k.hash, nameless: len(e.Key) == 0,
			expires: k.expireAt != rdb.NoExpire, modified: k.expireAt != rdb.NoExpire || k.idle >= 0 || k.freq >= 0,
			modifiers: modifiersVersion(e),
		}
	}
	if x.entry != nil {
		x.key = x.entry.Key
		if x.slots {
			f.slot = int32(keySlot(x.key))
		}
	}
	return true
}

// valueAhead is value of what was read ahead.
func (x *recordReader) valueAhead(f *record) error {
	k := x.now
	if k.other < 0 {
		f.end = k.end
		return nil
	}
	o := &x.ahead.now.others[k.other]
	f.end, x.fault = o.end, o.fault
	return o.err
}

// err returns what ended the reading.
func (x *recordReader) err() error {
	if x.ahead != nil {
		return x.ahead.err
	}
	return x.r.Err()
}

// take takes what the salvage keeps of a record that is no key.
func (f *record) take(rec rdb.Record) {
	var span rdb.Span
	switch rec := rec.(type) {
	case *rdb.Aux:
		f.what, span, f.swallows = isAux, rec.Span, swallowing(rec)
		if slot, ok := slotInfo(rec); ok {
			f.what, f.numbers = isSlotField, slot
		}
	case *rdb.SelectDB:
		f.what, span, f.numbers[0] = isSelect, rec.Span, rec.DB
	case *rdb.ResizeDB:
		f.what, span, f.numbers = isResize, rec.Span, [3]uint64{rec.Keys, rec.Expires}
	case *rdb.SlotInfo:
		f.what, span, f.numbers = isSlot, rec.Span, [3]uint64{rec.Slot, rec.Keys, rec.Expires}
	case *rdb.SlotImport:
		f.what, span = isImport, rec.Span
	case *rdb.Function:
		f.what, span = isFunction, rec.Span
		if _, name, err := rdb.LibraryHeader(rec.Code); err != nil || rec.PreGA {
			f.damaged, f.code = true, rdb.CodeFunctionHeader
		} else {
			f.sum = dupset.Process().Sum([]byte(name))
		}
	case *rdb.ModuleAux:
		f.what, span, f.numbers = isModuleAux, rec.Span, [3]uint64{rec.WhenOpcode, rec.When}
	case *rdb.EOF:
		f.what, span = isEnd, rec.Span
	}
	f.start, f.end = span.Offset, span.End()
}

// swallowing reports whether a field is longer than servers write any: names are words, and values, but for scripts, numbers, ids and versions.
func swallowing(a *rdb.Aux) bool {
	const longName, longest, longValue = 20, 40, 64
	switch name := string(a.Name); {
	case len(name) > longest || len(name) > longName && hasControl(a.Name):
		return true
	case len(a.Value) <= longValue || name == "lua":
		return false
	default:
		return knownFields[name] || hasControl(a.Value)
	}
}

// value checks the value of the record that head began. err is what ended the reading.
func (x *recordReader) value(f *record) (err error) {
	switch {
	case x.ahead != nil:
		err = x.valueAhead(f)
	case x.passed:
		f.end = x.entry.End()
	case x.entry != nil:
		if x.checked.sound(x.entry.Offset) {
			err = x.entry.Skip()
		} else {
			err = x.entry.Check()
		}
		f.end = x.entry.End()
	case f.what == isModuleAux:
		m := x.other.(*rdb.ModuleAux)
		_, err = m.Items()
		f.end = m.End()
	}
	if err == nil && x.ahead == nil {
		err = x.r.Err()
	}
	if x.fault != nil {
		f.damaged, f.code = true, x.fault.Code
	}
	if f.what == isKey && err == nil {
		f.verified = !f.damaged && verifiedType(f.typ)
	}
	return err
}

// verifiedType reports whether values of a type tell their end in two ways.
func verifiedType(t rdb.Type) bool {
	return packedTypes[t] && t != rdb.TypeListQuicklist2 // which can hold plain items
}

// packedTypes are the types whose values are blobs with their own sizes in them.
var packedTypes = [256]bool{
	rdb.TypeHashZipmap: true, rdb.TypeListZiplist: true, rdb.TypeSetIntset: true, rdb.TypeZsetZiplist: true, rdb.TypeHashZiplist: true,
	rdb.TypeListQuicklist: true, rdb.TypeHashListpack: true, rdb.TypeZsetListpack: true, rdb.TypeListQuicklist2: true,
	rdb.TypeSetListpack: true, rdb.TypeHashListpackTTL: true,
}

// framing returns the fault in the format that ended the reading, or an error of the input.
func framing(err error) (*rdb.FormatError, error) {
	var fe *rdb.FormatError
	if err == nil || errors.As(err, &fe) {
		return fe, nil
	}
	return nil, err
}
