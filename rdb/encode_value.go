package rdb

import (
	"encoding/binary"
	"math"

	"github.com/kvfsck/kvfsck/lzf"
	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
	"github.com/kvfsck/kvfsck/rdb/internal/ziplist"
)

// encoder writes what follows a type byte, as the decoder reads it. A value goes through it twice: choose looks at all of it and finds
// the type, or why it cannot be held; value then writes it, which cannot fail. So nothing of a value that is refused is ever written.
type encoder struct {
	target   Target
	limits   Limits
	compress bool
	drop     FeatureSet
	omitted  [numFeatures]int64

	buf    []byte
	outlet outlet // nil: all stays in buf

	blob []byte // a packed encoding, before it becomes a string
	side []byte // what stands behind a count that is known when it was written
	lzf  []byte
	text [32]byte
	lp   listpack.Writer
	zl   ziplist.Writer
	ints []int64
}

// outlet takes what fills the buffer. It keeps nothing of p.
type outlet interface{ emit(p []byte) }

const (
	spillSize   = 64 << 10 // from which the buffer is passed on
	keepScratch = 4 << 20  // up to which scratch memory is kept from value to value
)

func (e *encoder) init(t Target, o WriterOptions) {
	e.target, e.compress, e.drop = t, !o.NoCompression, o.Drop
	e.limits = DefaultLimits()
	if o.Limits != nil {
		e.limits = *o.Limits
	}
	e.lp.Dialect = listpack.Redis
	if t.Family() == Valkey {
		e.lp.Dialect = listpack.Valkey
	}
}

// spill passes the buffer on if it is full.
func (e *encoder) spill() {
	if e.outlet != nil && len(e.buf) >= spillSize {
		e.outlet.emit(e.buf)
		e.buf = e.buf[:0]
	}
}

// release gives up scratch memory that one large value needed.
func (e *encoder) release() {
	for _, p := range []*[]byte{&e.blob, &e.side, &e.lzf, &e.buf} {
		if cap(*p) > keepScratch && len(e.buf) == 0 {
			*p = nil
		}
	}
}

// apart runs fn with another buffer and returns what it wrote, which holds until the next call. It is for what must be counted before
// it is written. It does not nest.
func (e *encoder) apart(fn func()) []byte {
	buf, out := e.buf, e.outlet
	e.buf, e.outlet = e.side[:0], nil
	fn()
	e.side, e.buf, e.outlet = e.buf, buf, out
	return e.side
}

func (e *encoder) byte(b byte) { e.buf = append(e.buf, b) }

// raw writes bytes as they are; large ones do not go through the buffer.
func (e *encoder) raw(p []byte) {
	if e.outlet != nil && len(p) >= spillSize {
		e.outlet.emit(e.buf)
		e.buf = e.buf[:0]
		e.outlet.emit(p)
		return
	}
	e.buf = append(e.buf, p...)
	e.spill()
}

func (e *encoder) uint64(v uint64) { e.buf = binary.LittleEndian.AppendUint64(e.buf, v) }

// appendLength appends a length in its shortest form; see [source.length]. (Redis rdb.c, rdbSaveLen)
func appendLength(dst []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(dst, byte(v))
	case v < 1<<14:
		return append(dst, 0x40|byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, len32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, len64), v)
}

func (e *encoder) length(v uint64) { e.buf = appendLength(e.buf, v) }

// Rules by which servers choose the form of a string. (Redis rdb.c, rdbSaveRawString and rdbSaveLzfStringObject)
const (
	intTextMost = 11 // bytes of the longest text that is looked at as an integer
	lzfLeast    = 21 // bytes of the shortest string that is compressed
	lzfSaves    = 4  // bytes that it has to save
)

// str writes a string: an integer of up to 32 bits as such, a long one compressed if that saves anything.
func (e *encoder) str(p []byte) {
	if len(p) <= intTextMost {
		if v, ok := packed.ParseInt(p); ok && v == int64(int32(v)) {
			e.smallInt(v)
			return
		}
	}
	if e.compress && len(p) >= lzfLeast && e.compressed(p) {
		return
	}
	e.length(uint64(len(p)))
	e.raw(p)
}

func (e *encoder) smallInt(v int64) {
	switch {
	case v == int64(int8(v)):
		e.buf = append(e.buf, 0xC0|encInt8, byte(v))
	case v == int64(int16(v)):
		e.buf = append(e.buf, 0xC0|encInt16, byte(v), byte(v>>8))
	default:
		e.buf = binary.LittleEndian.AppendUint32(append(e.buf, 0xC0|encInt32), uint32(v))
	}
}

func (e *encoder) compressed(p []byte) bool {
	room := len(p) - lzfSaves
	if cap(e.lzf) < room {
		e.lzf = make([]byte, max(room, 4<<10))
	}
	n, ok := lzf.Compress(e.lzf[:room], p)
	if !ok {
		return false
	}
	e.byte(0xC0 | encLZF)
	e.length(uint64(n))
	e.length(uint64(len(p)))
	e.raw(e.lzf[:n])
	return true
}

// unsupported makes the error that choose returns; who knows the key adds it.
func (e *encoder) unsupported(f Feature, detail string) error {
	return &UnsupportedError{Feature: f, Target: e.target, Detail: detail}
}

// without decides about something that the version cannot hold: it is left out and counted, or an error.
func (e *encoder) without(f Feature, detail string) error {
	if !f.Advisory() && !e.drop.Has(f) {
		return e.unsupported(f, detail)
	}
	e.omitted[f]++
	return nil
}

// errOmit says that a value is to be left out as a whole.
var errOmit error = &UnsupportedError{Feature: FeatureValue, Detail: "left out"}

// omitKey is without for what takes the key with it.
func (e *encoder) omitKey(f Feature) error {
	if err := e.without(f, ""); err != nil {
		return err
	}
	return errOmit
}

// choose returns the type by which a server of the target's version would write the value, or why it cannot be written: errOmit or an
// [*UnsupportedError].
func (e *encoder) choose(v Value) (Type, error) {
	switch v := v.(type) {
	case String:
		return TypeString, nil
	case List:
		return e.chooseList(v)
	case Set:
		return e.chooseSet(v)
	case SortedSet:
		return e.chooseZset(v)
	case Hash:
		return e.chooseHash(v)
	case *Stream:
		if v != nil {
			return e.chooseStream(v)
		}
	case *Module:
		if v != nil {
			return e.chooseModule(v)
		}
	}
	return 0, e.unsupported(FeatureValue, "not a value of this package")
}

// value writes a value of the type that choose gave.
func (e *encoder) value(t Type, v Value) {
	switch v := v.(type) {
	case String:
		e.str(v)
	case List:
		e.list(t, v)
	case Set:
		e.set(t, v)
	case SortedSet:
		e.zset(t, v)
	case Hash:
		e.hash(t, v)
	case *Stream:
		e.stream(t, v)
	case *Module:
		e.module(v)
	}
}
