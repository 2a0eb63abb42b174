package rdb

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/kvfsck/kvfsck/crc64"
)

// dumpFooter is the size of what stands behind the value in a DUMP payload.
const dumpFooter = 10

// Dump is what the DUMP command answers and RESTORE takes, one value without its key:
//
//	[F3 metadata]  type  value  u16le version  u64le crc64
//
// The metadata is of Redis 8.6 and later. The checksum is over everything before it. There is no magic: versions from 80 on are Valkey's.
// (Redis 8.6 cluster.c, createDumpPayload)
type Dump struct {
	Type     Type
	Raw      []byte // the value as it would stand in a file, and what may follow it
	Version  int
	Family   Family // by the version
	Meta     []KeyMeta
	Stored   uint64 // checksum; 0 if it was not computed
	Computed uint64

	payload []byte
	at      int // index of Raw
}

// ParseDump takes a DUMP payload apart. Raw is a part of the payload. The error is a [*FormatError]: a payload that is too short or whose
// metadata is cut short, a version that this package cannot read, or a byte that is no type. That the checksum is wrong is told
// by [Dump.Valid], as what the payload holds may be of interest all the same.
func ParseDump(payload []byte) (*Dump, error) {
	d := &Dump{payload: payload}
	r := d.reader(len(payload))
	if len(payload) <= dumpFooter {
		r.dec.item, r.src.short = "payload", int64(len(payload))
		return nil, r.dec.fail(errShort)
	}
	body := payload[:len(payload)-dumpFooter]
	d.Version = int(binary.LittleEndian.Uint16(payload[len(body):]))
	d.Stored = binary.LittleEndian.Uint64(payload[len(body)+2:])
	d.Computed = crc64.Checksum(payload[:len(body)+2])
	if d.Version >= MinValkeyVersion {
		d.Family = Valkey
	}
	if v := d.Version; v < MinVersion || v > MaxRedisVersion && v < MinValkeyVersion || v > MaxValkeyVersion {
		e := r.dec.place(CodeVersion)
		e.Detail = fmt.Sprintf("version %d", v)
		return nil, e
	}
	r = d.reader(len(body))
	if err := d.head(r); err != nil {
		return nil, r.dec.fail(err)
	}
	d.at = int(r.src.offset())
	d.Raw = body[d.at:]
	return d, nil
}

// reader returns a Reader of the first n bytes of the payload.
func (d *Dump) reader(n int) *Reader {
	r := NewReaderOptions(bytes.NewReader(nil), ReaderOptions{Window: 16})
	r.src.resetBytes(d.payload[:n], 0)
	r.dec.family, r.dec.version, r.dec.mode, r.dec.item = d.Family, d.Version, modeEmit, "type"
	r.dec.report = ignore
	return r
}

// head reads what stands before the value.
func (d *Dump) head(r *Reader) error {
	op, err := r.src.byte()
	if err == nil && op == opKeyMeta && d.Family == Redis {
		r.dec.begin()
		err = r.readKeyMeta(0)
		r.dec.end()
		d.Meta = r.dec.meta
		if err == nil {
			r.dec.item = "type"
			op, err = r.src.byte()
		}
	}
	if err != nil {
		return err
	}
	if d.Type = Type(op); !d.Family.Known(d.Type) {
		e := r.dec.place(CodeType)
		e.Detail = fmt.Sprintf("%d", op)
		return e
	}
	return nil
}

// Valid reports whether servers of the payload's version accept its checksum: the right one, or from Redis 8.6 on 0 for none.
func (d *Dump) Valid() bool {
	return d.Stored == d.Computed || d.Stored == 0 && d.Family == Redis && d.Version >= int(Version13)
}

// Entry returns an entry, without a key and with the payload's metadata, whose value is that of the payload. Its value can be taken once, as with
// entries of a [Reader]; offsets in errors count from the payload's first byte.
func (d *Dump) Entry() *Entry {
	e, _ := d.entry()
	return e
}

// entry returns the entry and its reader, which is nil if the payload was not taken apart by ParseDump.
func (d *Dump) entry() (*Entry, *Reader) {
	if d.payload == nil {
		e := NewEntry(0, nil)
		e.Type, e.Family, e.Meta = d.Type, d.Family, d.Meta
		return e, nil
	}
	r := d.reader(len(d.payload) - dumpFooter)
	r.src.pos, r.src.folded = d.at, d.at
	r.dec.typ, r.dec.hasType, r.dec.phase = d.Type, true, PhaseValue
	r.entry = Entry{
		Span: Span{0, int64(d.at)}, Type: d.Type, Family: d.Family, ExpireAt: NoExpire, Idle: -1, Freq: -1,
		Meta: d.Meta, ValueOffset: int64(d.at), r: r,
	}
	r.rec, r.state = &r.entry, atValue
	return &r.entry, r
}

// Value reads the value whole, as [Entry.Value] does. It minds neither the checksum nor bytes behind the value; RESTORE does not mind
// the latter either.
func (d *Dump) Value() (Value, error) {
	e, r := d.entry()
	if r == nil {
		return nil, ErrNoValue
	}
	defer r.Close()
	return e.Value()
}

// Check applies every rule to the payload. The error is a [*FormatError]: the first fault of the value, else bytes behind it, else a wrong
// checksum.
func (d *Dump) Check() error {
	e, r := d.entry()
	if r == nil {
		return ErrNoValue
	}
	defer r.Close()
	if err := e.Check(); err != nil {
		return err
	}
	if rest := int64(len(d.payload)-dumpFooter) - r.src.offset(); rest > 0 {
		e := r.dec.place(CodeTrailing)
		e.Detail = fmt.Sprintf("%d bytes", rest)
		return e
	}
	if !d.Valid() {
		e := r.dec.place(CodeChecksum)
		e.Phase = PhaseChecksum
		e.Detail = fmt.Sprintf("stored %016x, computed %016x", d.Stored, d.Computed)
		return e
	}
	return nil
}

// AppendDump appends to dst the DUMP payload of a value of type t, given as it stands in a file, such as [Entry.Raw] returns. The version is that
// of the file, or an older one that has the type. RESTORE of a server of that version or later takes it.
func AppendDump(dst []byte, t Type, raw []byte, version Target) []byte {
	from := len(dst)
	dst = append(append(dst, byte(t)), raw...)
	return sealDump(dst, from, version)
}

// sealDump appends the footer to the payload that begins at index from.
func sealDump(dst []byte, from int, version Target) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(version))
	return binary.LittleEndian.AppendUint64(dst, crc64.Checksum(dst[from:]))
}

// AppendValueDump appends to dst the DUMP payload that a server of the version makes of a value. Of the options Limits, NoCompression and Drop
// count. The error is an [*UnsupportedError] for what the version cannot hold; dst is returned as it was then.
func AppendValueDump(dst []byte, v Value, version Target, opt WriterOptions) ([]byte, error) {
	if !version.Valid() {
		return dst, fmt.Errorf("rdb: cannot write version %d: %w", version, ErrVersion)
	}
	var e encoder
	e.init(version, opt)
	t, err := e.choose(v)
	if err != nil {
		return dst, err
	}
	from := len(dst)
	e.buf = append(dst, byte(t))
	e.value(t, v)
	return sealDump(e.buf, from, version), nil
}
