package rdb

import "iter"

// Span is where a record lies in its file.
type Span struct {
	Offset int64 // of the record's first byte, counted from the magic's first byte
	Size   int64 // in bytes; of an [Entry] or [ModuleAux] it is known only after the value was passed, until then it ends before the value
}

// End returns the offset of the first byte behind the record.
func (s Span) End() int64 { return s.Offset + s.Size }

// Record is what [Reader.Next] yields: one of *Header, *Aux, *SelectDB, *ResizeDB, *SlotInfo, *SlotImport, *Function, *ModuleAux,
// *Entry and *EOF. A record and the bytes it points to are the reader's and hold until the next call of Next.
type Record interface{ span() *Span }

func (s *Span) span() *Span { return s }

// Header is the first record of every file: nine bytes, "REDIS" and four digits, or "VALKEY" and three.
type Header struct {
	Span
	Family  Family
	Version int
}

// Aux is a named piece of information about the file, such as redis-ver or ctime; readers skip names they do not know.
type Aux struct {
	Span
	Name, Value []byte
}

// SelectDB says in which database the keys that follow belong.
type SelectDB struct {
	Span
	DB uint64
}

// ResizeDB is the writer's count of the keys of the selected database. It is a hint: servers size their tables by it.
type ResizeDB struct {
	Span
	Keys    uint64
	Expires uint64 // of them, keys with an expiry
}

// SlotInfo is the same hint for one cluster slot (Redis 7.4 and later, cluster mode).
type SlotInfo struct {
	Span
	Slot    uint64
	Keys    uint64
	Expires uint64
}

// SlotRange is a range of cluster slots, both ends included.
type SlotRange struct{ First, Last uint64 }

// SlotImport is an unfinished import of cluster slots (Valkey 9.0 and later, cluster mode).
type SlotImport struct {
	Span
	Job    []byte // the job's name, 40 bytes
	Ranges []SlotRange
}

// Function is the source of a function library. The form of the release candidates of Redis 7.0 (PreGA) keeps name, engine and
// description apart; no released server loads it.
type Function struct {
	Span
	Code        []byte
	PreGA       bool
	Name        []byte // PreGA only, as are the next two; of others see the code's first line
	Engine      []byte
	Description []byte
}

// ModuleAux is data that a module keeps outside keys. Its items can be taken with Items or are skipped by [Reader.Next].
type ModuleAux struct {
	Span
	Module     ModuleID
	WhenOpcode uint64 // 2 in every valid file
	When       uint64 // 1: stored before the keys, 2: after them

	r *Reader
}

// Items reads the data. It can be called once, before the next call of [Reader.Next].
func (m *ModuleAux) Items() ([]ModuleItem, error) {
	var items []ModuleItem
	for el, err := range m.r.elements() {
		if err != nil {
			return nil, err
		}
		items = append(items, el.Module.clone())
	}
	return items, nil
}

// NoExpire is the expiry of what never expires.
const NoExpire int64 = -1

// Entry is a key. Its value is read by at most one of [Entry.Value], [Entry.Elements], [Entry.Raw] and [Entry.Check];
// if none is called, the next call of [Reader.Next] skips it.
type Entry struct {
	Span
	DB          uint64
	Key         []byte
	Type        Type
	Family      Family    // of the file, on which the meaning of Type depends
	ExpireAt    int64     // milliseconds since 1970, or NoExpire
	Idle        int64     // seconds since the last access (LRU policies), or -1
	Freq        int       // access counter 0..255 (LFU policies), or -1
	Meta        []KeyMeta // nil if the file has none for the key; empty if it has some of no class
	ValueOffset int64     // of the value's first byte

	r *Reader
}

// KeyMeta is a module's data about a key (Redis 8.6 and later).
type KeyMeta struct {
	Class MetaClass
	Items []ModuleItem
}

// Kind returns what the key holds.
func (e *Entry) Kind() Kind {
	if i := e.Family.info(e.Type); i != nil {
		return i.kind
	}
	return KindUnknown
}

// Encoding returns how the value is laid out in the file, in the words of OBJECT ENCODING where it has one. Strings are "raw".
func (e *Entry) Encoding() string {
	if i := e.Family.info(e.Type); i != nil {
		return i.encoding
	}
	return "unknown"
}

// Value reads the value whole. Its memory is the caller's. The error is a [*FormatError] for a fault in the file, even for one
// that leaves the following records readable; those the next call of [Reader.Next] gives.
func (e *Entry) Value() (Value, error) {
	c := newCollector(e.Kind())
	for el, err := range e.Elements() {
		if err != nil {
			return nil, err
		}
		c.add(el)
	}
	return c.value(), nil
}

// Elements reads the value one element at a time, in file order, in memory that does not grow with the number of elements (but
// for what finds duplicates, see [ReaderOptions]). An element holds until the next one. After a fault it yields the error, last;
// stopping early is allowed.
func (e *Entry) Elements() iter.Seq2[*Element, error] {
	return e.r.elements()
}

// Visit is Elements for whoever has a function at hand: it allocates nothing. The elements end where visit returns false. The error is that of a
// fault, behind which no element is shown, even if visit was no longer asked.
func (e *Entry) Visit(visit func(*Element) bool) error {
	return e.r.visit(visit)
}

// Check walks the value and applies every rule to it without producing it.
func (e *Entry) Check() error {
	if e.r != nil && e.r.quickCheck() {
		return nil
	}
	return e.r.checkValue()
}

// Raw returns the bytes of the value as they stand in the file, which is what DUMP puts behind the type byte. It checks their
// framing only.
func (e *Entry) Raw() ([]byte, error) { return e.r.rawValue() }

// EOF is the last record: the end mark and the checksum.
type EOF struct {
	Span
	HasChecksum bool   // false in versions before 5, which end with the mark
	Stored      uint64 // 0: the writer had checksums disabled
	Computed    uint64 // over everything before the stored one
	Partial     bool   // the reader began in the middle of the file, so Computed is not known
}

// Valid reports whether the checksum is right, absent, disabled by the writer, or cannot be told.
func (e *EOF) Valid() bool {
	return !e.HasChecksum || e.Stored == 0 || e.Stored == e.Computed || e.Partial
}
