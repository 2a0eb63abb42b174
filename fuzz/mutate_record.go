package fuzz

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// structured are damages at places that mean something.
var structured = []mutator{
	{"record-remove", 3, "a record is missing", false, (*damage).recordRemove},
	{"record-duplicate", 3, "a record stands twice, a key of the same name too", false, (*damage).recordDuplicate},
	{"record-swap", 2, "two records in each other's place", false, (*damage).recordSwap},
	{"record-cut", 3, "the end of a record is missing", false, (*damage).recordCut},
	{"splice", 3, "from here on another file, which was overwritten by this one", false, (*damage).splice},
	{"record-splice", 3, "a record of another file, perhaps of another version", false, (*damage).recordSplice},
	{"length-edit", 8, "a length or count, to a near number or one at a bound", false, (*damage).lengthEdit},
	{"type-change", 6, "the type of a value, to another number", false, (*damage).typeChange},
	{"encoding-swap", 5, "the type of a value, to another of the same kind", false, (*damage).encodingSwap},
	{"opcode-insert", 4, "a byte before a record, an opcode mostly", false, (*damage).opcodeInsert},
	{"packed-header", 6, "a size, count or tail in the head of a packed encoding", false, (*damage).packedHeader},
	{"packed-byte", 8, "a byte of a packed encoding", false, (*damage).packedByte},
	{"value-byte", 8, "a byte near the beginning of a value, where it says how it is laid out", false, (*damage).valueByte},
	{"version", 2, "the version, or the magic", false, (*damage).version},
	{"checksum-wrong", 2, "the checksum only", true, (*damage).checksumWrong},
	{"checksum-zero", 1, "no checksum", true, (*damage).checksumZero},
	{"truncate-sealed", 2, "records at the end are missing, and the end mark and checksum stand there all the same", true, (*damage).truncateSealed},
}

// record is a place in a file.
type record struct {
	from, to int
	key      bool
	typ      rdb.Type
	family   rdb.Family
	value    int // offset of the value
}

// records finds the records of a file as far as it can be read.
func records(b []byte) (recs []record) {
	r := rdb.NewReaderOptions(bytes.NewReader(b), rdb.ReaderOptions{Window: 4 << 10, OnFault: func(*rdb.FormatError) error { return nil }})
	defer r.Close()
	for r.Next() {
		rec := recordOf(r.Record())
		if n := len(recs); n > 0 {
			recs[n-1].to = rec.from
		}
		recs = append(recs, rec)
	}
	if n := len(recs); n > 0 {
		recs[n-1].to = min(int(r.Offset()), len(b))
		if recs[n-1].to <= recs[n-1].from {
			recs = recs[:n-1]
		}
	}
	return recs
}

func recordOf(r rdb.Record) record {
	at := func(s *rdb.Span) record { return record{from: int(s.Offset)} }
	switch r := r.(type) {
	case *rdb.Entry:
		rec := at(&r.Span)
		rec.key, rec.typ, rec.family, rec.value = true, r.Type, r.Family, int(r.ValueOffset)
		return rec
	case *rdb.Aux:
		return at(&r.Span)
	case *rdb.SelectDB:
		return at(&r.Span)
	case *rdb.ResizeDB:
		return at(&r.Span)
	case *rdb.SlotInfo:
		return at(&r.Span)
	case *rdb.SlotImport:
		return at(&r.Span)
	case *rdb.Function:
		return at(&r.Span)
	case *rdb.ModuleAux:
		return at(&r.Span)
	case *rdb.EOF:
		return at(&r.Span)
	}
	return record{}
}

// pick draws a record, not the header; keys only, if keys is set.
func (m *damage) pick(keys bool) (rec record, ok bool) {
	var of []record
	for _, r := range m.recs {
		if r.from > 0 && (r.key || !keys) && r.value < r.to {
			of = append(of, r)
		}
	}
	if len(of) == 0 {
		return rec, false
	}
	rec = dice.Pick(m.d, of)
	m.Offset, m.Length = rec.from, rec.to-rec.from
	return rec, true
}

// replace puts bytes into the place of others.
func (m *damage) replace(from, to int, with []byte) bool {
	m.b = append(m.b[:from:from], append(bytes.Clone(with), m.b[to:]...)...)
	return true
}

func (m *damage) recordRemove() bool {
	r, ok := m.pick(false)
	return ok && m.replace(r.from, r.to, nil)
}

func (m *damage) recordDuplicate() bool {
	r, ok := m.pick(false)
	return ok && m.replace(r.to, r.to, m.b[r.from:r.to])
}

func (m *damage) recordSwap() bool {
	a, ok1 := m.pick(false)
	c, ok2 := m.pick(false)
	if !ok1 || !ok2 || a.from == c.from {
		return false
	}
	if a.from > c.from {
		a, c = c, a
	}
	m.Offset, m.Length, m.Detail = a.from, a.to-a.from, fmt.Sprintf("with %d+%d", c.from, c.to-c.from)
	swapped := slices.Concat(m.b[c.from:c.to], m.b[a.to:c.from], m.b[a.from:a.to])
	return m.replace(a.from, c.to, swapped)
}

func (m *damage) recordCut() bool {
	r, ok := m.pick(false)
	if !ok {
		return false
	}
	n := m.d.Between(1, min(r.to-r.from, 20))
	m.Offset, m.Length = r.to-n, n
	return m.replace(r.to-n, r.to, nil)
}

// other generates a second file.
func (m *damage) other() []byte {
	opt := AnyOptions(m.d.Uint64())
	opt.Keys, opt.Elements, opt.Functions = min(opt.Keys, 5), min(opt.Elements, 5), 0
	b, _ := RDB(m.d.Uint64(), opt)
	return b
}

func (m *damage) splice() bool {
	other := m.other()
	at := m.d.N(len(m.b) + 1)
	from := m.d.N(len(other))
	m.Offset, m.Length, m.Detail = at, len(other)-from, fmt.Sprintf("byte %d of another file", from)
	return m.replace(at, len(m.b), other[from:])
}

func (m *damage) recordSplice() bool {
	r, ok := m.pick(false)
	other := m.other()
	theirs := records(other)
	if !ok || len(theirs) < 3 {
		return false
	}
	o := dice.Pick(m.d, theirs[1:len(theirs)-1])
	m.Length, m.Detail = o.to-o.from, fmt.Sprintf("bytes %d to %d of another file", o.from, o.to)
	return m.replace(r.from, r.from, other[o.from:o.to])
}

// readLength reads a length in plain form.
func readLength(b []byte) (v uint64, size int) {
	switch {
	case len(b) == 0 || b[0]>>6 == 3:
	case b[0]>>6 == 0:
		return uint64(b[0]), 1
	case b[0]>>6 == 1 && len(b) >= 2:
		return uint64(b[0]&0x3F)<<8 | uint64(b[1]), 2
	case b[0] == 0x80 && len(b) >= 5:
		return uint64(binary.BigEndian.Uint32(b[1:])), 5
	case b[0] == 0x81 && len(b) >= 9:
		return binary.BigEndian.Uint64(b[1:]), 9
	}
	return 0, 0
}

// appendLength appends a length in its shortest form.
func appendLength(b []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(b, byte(v))
	case v < 1<<14:
		return append(b, 0x40|byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, 0x80), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, 0x81), v)
}

// lengthEdit edits the length or count with which a value or the argument of an opcode begins, or one somewhere behind it.
func (m *damage) lengthEdit() bool {
	r, ok := m.pick(m.d.N(4) != 0)
	if !ok {
		return false
	}
	at := r.from + 1
	if r.key {
		at = r.value
		if m.d.N(3) == 0 {
			at += m.d.N(r.to - at)
		} else if m.d.N(3) == 0 {
			at = r.from + 1 // of the key's name, unless it expires
		}
	}
	if at >= r.to {
		return false
	}
	v, size := readLength(m.b[at:r.to])
	if size == 0 {
		return false
	}
	edits := []uint64{v + 1, v - 1, v + 2, v * 2, v / 2, 0, 1, 63, 64, 16383, 16384, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 2, 1<<64 - 1}
	to := edits[m.d.Weighted([]int{6, 6, 3, 2, 2, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})]
	m.Offset, m.Length, m.Detail = at, size, fmt.Sprintf("%d to %d", v, to)
	return to != v && m.replace(at, at+size, appendLength(nil, to))
}

// typeAt returns the offset of a key's type byte; -1 where module metadata stands before it.
func (m *damage) typeAt(r record) int {
	for at := r.from; at < r.to; {
		switch m.b[at] {
		case 0xFC:
			at += 9
		case 0xFD:
			at += 5
		case 0xF9:
			at += 2
		case 0xF8:
			_, n := readLength(m.b[at+1 : r.to])
			at += 1 + n
		default:
			if rdb.Type(m.b[at]) == r.typ {
				return at
			}
			return -1
		}
	}
	return -1
}

func (m *damage) typeChange() bool {
	r, ok := m.pick(true)
	if !ok {
		return false
	}
	at := m.typeAt(r)
	if at < 0 {
		return false
	}
	to := byte(m.d.N(30))
	if m.d.N(8) == 0 {
		to = byte(m.d.Uint64())
	}
	return m.setType(at, to)
}

func (m *damage) setType(at int, to byte) bool {
	m.Offset, m.Length, m.Detail = at, 1, fmt.Sprintf("%d to %d", m.b[at], to)
	changed := m.b[at] != to
	m.b[at] = to
	return changed
}

func (m *damage) encodingSwap() bool {
	r, ok := m.pick(true)
	if !ok {
		return false
	}
	at := m.typeAt(r)
	var same []byte
	for t := rdb.Type(0); t < 30; t++ {
		if t != r.typ && r.family.Known(t) && t.Kind() == r.typ.Kind() {
			same = append(same, byte(t))
		}
	}
	return at >= 0 && len(same) > 0 && m.setType(at, dice.Pick(m.d, same))
}

func (m *damage) opcodeInsert() bool {
	r, ok := m.pick(false)
	if !ok {
		return false
	}
	op := dice.Pick(m.d, []string{
		"\xff", "\xfe", "\xfe\x03", "\xfe\x40\xff", "\xfb\x05\x05", "\xfa\x01a\x01b", "\xfa\xc0\x01\xc1\xff\xff", "\xfc", "\xfc\x00\x00\x00\x00\x00\x01\x00\x00", "\xfd\x00\x00\x00\x7f",
		"\xf9\x05", "\xf8\x05", "\xf8\xc0", "\xf7", "\xf7\x81\x00\x00\x00\x00\x00\x00\x00\x01\x02\x01\x00", "\xf6", "\xf5\x03abc", "\xf5", "\xf4\x01\x02\x03", "\xf3", "\xf3\x00", "\xf3\x01\x01\x00\x00\x00\x00", "\xf2", "\xf1", "\x08", "\x06",
	})
	m.Length, m.Detail = len(op), fmt.Sprintf("%x", op)
	return m.replace(r.from, r.from, []byte(op))
}

// packed returns where the first string of a packed value lies in the file, if it is there uncompressed.
func (m *damage) packed() (r record, from, to int, ok bool) {
	r, ok = m.pick(true)
	if !ok {
		return r, 0, 0, false
	}
	at := r.value
	skip := 0
	switch r.typ {
	case rdb.TypeHashZipmap, rdb.TypeListZiplist, rdb.TypeSetIntset, rdb.TypeZsetZiplist, rdb.TypeHashZiplist, rdb.TypeHashListpack, rdb.TypeZsetListpack, rdb.TypeSetListpack:
	case rdb.TypeListQuicklist:
		skip = 1
	case rdb.TypeListQuicklist2:
		skip = 2
	case rdb.TypeStream, rdb.TypeStream2, rdb.TypeStream3, rdb.TypeStream4:
		skip = 1
	case rdb.TypeHashListpackTTL:
		at += 8
	default:
		return r, 0, 0, false
	}
	for range skip {
		_, n := readLength(m.b[at:r.to])
		if n == 0 {
			return r, 0, 0, false
		}
		at += n
	}
	if r.typ.Kind() == rdb.KindStream {
		at += 17 // the node's key
	}
	if at >= r.to {
		return r, 0, 0, false
	}
	size, n := readLength(m.b[at:r.to])
	from = at + n
	if n == 0 || size == 0 || size > uint64(r.to-from) {
		return r, 0, 0, false
	}
	return r, from, from + int(size), true
}

func (m *damage) packedHeader() bool {
	_, from, to, ok := m.packed()
	if !ok {
		return false
	}
	at := from + m.d.N(min(to-from, 10))
	was := m.b[at]
	m.b[at] = dice.Pick(m.d, []byte{was + 1, was - 1, 0, 0xFF, 0x7F, 0x80})
	m.Offset, m.Length, m.Detail = at, 1, fmt.Sprintf("%02x to %02x, byte %d of %d", was, m.b[at], at-from, to-from)
	return was != m.b[at]
}

func (m *damage) packedByte() bool {
	_, from, to, ok := m.packed()
	if !ok {
		return false
	}
	at := m.d.Between(from, to-1)
	was := m.b[at]
	m.b[at] = dice.Pick(m.d, []byte{was + 1, was - 1, was ^ 1<<m.d.N(8), byte(m.d.Uint64()), 0xFF, 0})
	m.Offset, m.Length, m.Detail = at, 1, fmt.Sprintf("%02x to %02x, byte %d of %d", was, m.b[at], at-from, to-from)
	return was != m.b[at]
}

func (m *damage) valueByte() bool {
	r, ok := m.pick(true)
	if !ok {
		return false
	}
	at := r.value + m.d.N(min(r.to-r.value, 1+m.d.N(64)))
	was := m.b[at]
	m.b[at] = dice.Pick(m.d, []byte{was + 1, was - 1, was ^ 1<<m.d.N(8), dice.Pick(m.d, tellingBytes)})
	m.Offset, m.Length, m.Detail = at, 1, fmt.Sprintf("%02x to %02x", was, m.b[at])
	return was != m.b[at]
}

func (m *damage) version() bool {
	if len(m.b) < 9 {
		return false
	}
	to := dice.Pick(m.d, []string{"REDIS0000", "REDIS0001", "REDIS0004", "REDIS0005", "REDIS0009", "REDIS0010", "REDIS0011", "REDIS0012", "REDIS0013", "REDIS0099", "REDIS9999", "REDIS-001", "REDIS 11 ", "REDIS+011", "REDIS0x0b", "REDIS\x00\x00\x00\x00", "redis0011", "VALKEY080", "VALKEY079", "VALKEY011", "VALKEY099", "RDEIS0011"})
	m.Offset, m.Length, m.Detail = 0, 9, fmt.Sprintf("%q to %q", m.b[:9], to)
	changed := string(m.b[:9]) != to
	copy(m.b, to)
	return changed
}

func (m *damage) checksumWrong() bool {
	if len(m.b) < 18 {
		return false
	}
	at := len(m.b) - 1 - m.d.N(8)
	m.b[at] ^= byte(1 + m.d.N(255))
	m.Offset, m.Length = at, 1
	return true
}

func (m *damage) checksumZero() bool {
	if len(m.b) < 18 {
		return false
	}
	m.Offset, m.Length = len(m.b)-8, 8
	clear(m.b[len(m.b)-8:])
	return true
}

func (m *damage) truncateSealed() bool {
	r, ok := m.pick(false)
	if !ok {
		return false
	}
	m.Offset, m.Length, m.Stamped = r.from, len(m.b)-r.from, true
	m.b = append(m.b[:r.from], 0xFF)
	m.b = binary.LittleEndian.AppendUint64(m.b, crc64.Checksum(m.b))
	return true
}
