package rdb

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/kvfsck/kvfsck/crc64"
)

// WriterOptions are settings of a [Writer]; the zero value writes as a server does that is not configured otherwise.
type WriterOptions struct {
	// NoChecksum writes 0 in the place of the checksum, as "rdbchecksum no" does.
	NoChecksum bool
	// NoCompression writes no compressed strings, as "rdbcompression no" does. What is copied stays as it is; see Reencode.
	NoCompression bool
	// Reencode makes WriteRecord decode and encode every value, also where the version has its type.
	Reencode bool
	// Limits choose between packed and plain encodings; nil means [DefaultLimits].
	Limits *Limits
	// Drop is what may be left out where the version cannot hold it. Everything that is left out is counted; see [Writer.Omitted].
	Drop FeatureSet
}

// Writer writes an RDB of a chosen version, record by record, in memory that does not grow beyond the value being written.
//
//	w := rdb.NewWriter(f, rdb.Version11, rdb.WriterOptions{})
//	for rec, err := range rdb.NewReader(src).Records() {
//		...
//		if err := w.WriteRecord(rec); err != nil {
//			...
//		}
//	}
//	err := w.Close()
//
// What the version cannot hold is an [*UnsupportedError]; nothing of the record is written then, and the Writer can go on with the
// next. Any other error is one of the destination, ends the writing and is returned from then on. The order of the records is the
// caller's: servers write fields, module data, libraries, and then database by database, but load them in any order.
//
// It is not safe for use by several goroutines at once.
type Writer struct {
	enc    encoder
	dst    io.Writer
	target Target
	opt    WriterOptions

	err     error
	sum     uint64
	size    int64
	started bool
	closed  bool
	dbKnown bool
	db      uint64
}

// NewWriter returns a Writer of the version given. For a version that cannot be written every method returns an error.
func NewWriter(dst io.Writer, target Target, opt WriterOptions) *Writer {
	w := &Writer{dst: dst, target: target, opt: opt}
	w.enc.init(target, opt)
	w.enc.outlet = w
	if !target.Valid() {
		w.err = fmt.Errorf("rdb: cannot write version %d: %w", target, ErrVersion)
	}
	return w
}

// NewEntry returns an Entry of a key that never expires and has no other properties, for [Writer.WriteEntry].
func NewEntry(db uint64, key []byte) *Entry {
	return &Entry{DB: db, Key: key, ExpireAt: NoExpire, Idle: -1, Freq: -1}
}

// emit passes bytes on to the destination and folds them into the checksum.
func (w *Writer) emit(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	if !w.opt.NoChecksum {
		w.sum = crc64.Update(w.sum, p)
	}
	n, err := w.dst.Write(p)
	w.size += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("writing the RDB: %w", err)
	}
}

// ErrClosed is the error of writing after [Writer.Close].
var ErrClosed = errors.New("rdb: the writer is closed")

// begin is the first thing that every method does: it makes sure of the header.
func (w *Writer) begin() error {
	switch {
	case w.err != nil:
		return w.err
	case w.closed:
		return ErrClosed
	case !w.started:
		w.started = true
		w.enc.buf = fmt.Appendf(w.enc.buf, header[w.target.Family()], w.target)
	}
	return nil
}

var header = [...]string{Redis: "REDIS%04d", Valkey: "VALKEY%03d"}

// end is the last thing that every method does.
func (w *Writer) end() error {
	w.enc.spill()
	return w.err
}

// without decides about a record that the version cannot hold.
func (w *Writer) without(f Feature, detail string) (leaveOut bool, err error) {
	if w.target.Holds(f) {
		return false, nil
	}
	return true, w.enc.without(f, detail)
}

// record writes an opcode and what body writes behind it, if the version can hold the feature.
func (w *Writer) record(f Feature, op byte, detail string, body func(e *encoder)) error {
	if err := w.begin(); err != nil {
		return err
	}
	if out, err := w.without(f, detail); out || err != nil {
		return err
	}
	w.enc.byte(op)
	body(&w.enc)
	return w.end()
}

// WriteHeader writes the magic and the version. Every other method does so if it was not called.
func (w *Writer) WriteHeader() error {
	if err := w.begin(); err != nil {
		return err
	}
	return w.end()
}

// WriteAux writes a field of information about the file, such as redis-ver. Version 6 has none; they are left out.
func (w *Writer) WriteAux(name, value []byte) error {
	return w.record(FeatureAux, opAux, "", func(e *encoder) {
		e.str(name)
		e.str(value)
	})
}

// SelectDB says that the keys to come belong to the database. [Writer.WriteEntry] does so where it is needed.
func (w *Writer) SelectDB(db uint64) error {
	if err := w.begin(); err != nil {
		return err
	}
	w.selectDB(db)
	return w.end()
}

func (w *Writer) selectDB(db uint64) {
	w.enc.byte(opSelectDB)
	w.enc.length(db)
	w.db, w.dbKnown = db, true
}

// ResizeDB writes how many keys of the selected database follow and how many of them expire. Servers size their tables by it. Version 6
// has no such record; it is left out.
func (w *Writer) ResizeDB(keys, expires uint64) error {
	return w.record(FeatureResizeDB, opResizeDB, "", func(e *encoder) {
		e.length(keys)
		e.length(expires)
	})
}

// SlotInfo writes how many keys of a cluster slot follow and how many of them expire, as a hint. In version 80 it is a field slot-info;
// versions before 12 have none, and it is left out.
func (w *Writer) SlotInfo(slot, keys, expires uint64) error {
	if w.target.Family() == Valkey {
		text := strconv.AppendUint(nil, slot, 10)
		text = strconv.AppendUint(append(text, ','), keys, 10)
		text = strconv.AppendUint(append(text, ','), expires, 10)
		return w.WriteAux([]byte("slot-info"), text)
	}
	return w.record(FeatureSlotInfo, opSlotInfo, "", func(e *encoder) {
		e.length(slot)
		e.length(keys)
		e.length(expires)
	})
}

// SlotImport writes an unfinished import of cluster slots, which version 80 alone has. The job's name has 40 bytes.
func (w *Writer) SlotImport(job []byte, ranges []SlotRange) error {
	return w.record(FeatureSlotImport, opSlotImport, fmt.Sprintf("job %q", shorten(job)), func(e *encoder) {
		e.str(job)
		e.length(uint64(len(ranges)))
		for _, r := range ranges {
			e.length(r.First)
			e.length(r.Last)
		}
	})
}

// Function writes the source of a function library, with its first line "#!lua name=…". Versions before 10 have none.
func (w *Writer) Function(code []byte) error {
	_, name, _ := LibraryHeader(code)
	return w.record(FeatureFunction, opFunction2, strconv.Quote(name), func(e *encoder) { e.str(code) })
}

// ModuleAux writes data that a module keeps outside keys; when is 1 for data to be loaded before the keys, 2 after. Versions before 9
// have none.
func (w *Writer) ModuleAux(module ModuleID, when uint64, items []ModuleItem) error {
	if err := w.enc.checkItems(items); err != nil {
		return err
	}
	return w.record(FeatureModuleAux, opModuleAux, module.Name(), func(e *encoder) {
		e.length(uint64(module))
		e.length(moduleUInt)
		e.length(when)
		e.items(items)
	})
}

// WriteEntry writes a key. Of e it takes DB, which it selects if another is selected, Key, ExpireAt, Idle, Freq and Meta; for one that
// no Reader made begin with [NewEntry]. The type is the one by which a server of the version would write the value. Sorted sets and
// hashes with expiring fields are put into the order that servers keep; everything else stays in the order it has. Of a stream, Nodes and
// Length are not looked at.
//
// That no member or field stands twice, that stream ids ascend and that every pending entry has an owner is the caller's to see to:
// values from a Reader without faults are so.
func (w *Writer) WriteEntry(e *Entry, v Value) error {
	if err := w.begin(); err != nil {
		return err
	}
	kind := KindUnknown
	if v != nil {
		kind = v.Kind()
	}
	t, err := w.enc.choose(v)
	if err == nil {
		err = w.enc.checkMeta(e)
	}
	if err != nil {
		return w.refusal(e, kind, err)
	}
	w.head(e, t)
	w.enc.value(t, v)
	w.enc.spill()
	w.enc.release()
	return w.err
}

// WriteRaw writes a key with a value as it stands in a file of the target's family, such as [Entry.Raw] returns or DUMP puts behind the type
// byte. The bytes are not looked at. The version must have the type, or the error says from which on there is one.
func (w *Writer) WriteRaw(e *Entry, t Type, raw []byte) error {
	return w.writeRaw(e, w.target.Family(), t, raw)
}

func (w *Writer) writeRaw(e *Entry, from Family, t Type, raw []byte) error {
	err := w.begin()
	if err != nil {
		return err
	}
	if !w.target.loads(from, t) {
		err = &UnsupportedError{Feature: FeatureType, Target: w.target, Type: t}
	} else {
		err = w.enc.checkMeta(e)
	}
	if err != nil {
		return w.refusal(e, t.Kind(), err)
	}
	w.head(e, t)
	w.enc.raw(raw)
	return w.end()
}

// refusal completes an error about a key, and makes none of a key that is left out.
func (w *Writer) refusal(e *Entry, kind Kind, err error) error {
	if err == errOmit {
		return nil
	}
	var u *UnsupportedError
	if errors.As(err, &u) {
		u.DB, u.Key, u.Kind = e.DB, append([]byte{}, e.Key...), kind
	}
	return err
}

// checkMeta refuses what is said of a key and cannot be held.
func (e *encoder) checkMeta(entry *Entry) error {
	if len(entry.Meta) == 0 {
		return nil
	}
	if !e.target.Holds(FeatureKeyMeta) {
		return e.without(FeatureKeyMeta, "class "+entry.Meta[0].Class.Name())
	}
	for i := range entry.Meta {
		if err := e.checkItems(entry.Meta[i].Items); err != nil {
			return err
		}
	}
	return nil
}

// head writes what stands before a value: the database if another is selected, expiry, idle time, access counter, metadata, type, key.
func (w *Writer) head(e *Entry, t Type) {
	enc := &w.enc
	if !w.dbKnown || w.db != e.DB {
		w.selectDB(e.DB)
	}
	if e.ExpireAt != NoExpire {
		enc.byte(opExpireTimeMS)
		enc.uint64(uint64(e.ExpireAt))
	}
	if e.Idle >= 0 && enc.holds(FeatureIdle) {
		enc.byte(opIdle)
		enc.length(uint64(e.Idle))
	}
	if e.Freq >= 0 && enc.holds(FeatureFreq) {
		enc.byte(opFreq)
		enc.byte(byte(min(e.Freq, 255)))
	}
	if len(e.Meta) > 0 && w.target.Holds(FeatureKeyMeta) {
		enc.metadata(e.Meta)
	}
	enc.byte(byte(t))
	enc.str(e.Key)
}

// holds reports whether the version holds something advisory, and counts it if not.
func (e *encoder) holds(f Feature) bool {
	if e.target.Holds(f) {
		return true
	}
	e.omitted[f]++
	return false
}

// Omitted returns how often each feature was left out so far, without those that never were.
func (w *Writer) Omitted() map[Feature]int64 {
	m := map[Feature]int64{}
	for f, n := range w.enc.omitted {
		if n > 0 {
			m[Feature(f)] = n
		}
	}
	return m
}

// Size returns how many bytes were written to the destination; after [Writer.Close], the size of the RDB.
func (w *Writer) Size() int64 { return w.size }

// Close writes the end mark and the checksum. It does not close the destination. A second call does nothing.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	if err := w.begin(); err != nil {
		return err
	}
	w.closed = true
	w.enc.byte(opEOF)
	w.emit(w.enc.buf)
	w.enc.buf = w.enc.buf[:0]
	w.enc.uint64(w.sum)
	w.emit(w.enc.buf)
	return w.err
}
