package rdb

import "strconv"

// Value is a key's value, read whole: a String, List, Set, SortedSet, Hash, *Stream or *Module. Elements are in file order.
type Value interface{ Kind() Kind }

type (
	// String is the bytes of a string; integers stored as such are their decimal text.
	String []byte
	// List is a list from head to tail.
	List [][]byte
	// Set is the members of a set.
	Set [][]byte
	// SortedSet is the members of a sorted set. Writers of skiplists go from the highest score down, packed encodings up.
	SortedSet []ScoredMember
	// Hash is the fields of a hash.
	Hash []HashField
)

// ScoredMember is a member of a sorted set.
type ScoredMember struct {
	Member []byte
	Score  float64 // may be an infinity, never NaN in a valid file
}

// HashField is a field of a hash.
type HashField struct {
	Name, Value []byte
	ExpireAt    int64 // milliseconds since 1970, or NoExpire
}

// StreamID is the id of a stream entry.
type StreamID struct{ MS, Seq uint64 }

// Less reports whether s comes before t.
func (s StreamID) Less(t StreamID) bool { return s.MS < t.MS || s.MS == t.MS && s.Seq < t.Seq }

// String returns the id as commands write it: "1526919030474-55".
func (s StreamID) String() string {
	b := strconv.AppendUint(make([]byte, 0, 41), s.MS, 10)
	return string(strconv.AppendUint(append(b, '-'), s.Seq, 10))
}

// EntriesReadUnknown is the value of [StreamGroup.EntriesRead] where the server does not know it.
const EntriesReadUnknown = 1<<64 - 1

// Stream is a stream.
type Stream struct {
	Nodes   int // listpacks that the entries are stored in
	Entries []StreamEntry
	StreamMeta
	Groups    []StreamGroup
	IDMP      IDMP
	Producers []IDMPProducer
}

// StreamMeta is what a stream says of itself. Types before [TypeStream2] store Length and LastID only; then FirstID is that of the
// first entry, MaxDeleted 0-0 and Added equal to Length, as the servers fill them in.
type StreamMeta struct {
	Length     uint64
	LastID     StreamID
	FirstID    StreamID
	MaxDeleted StreamID
	Added      uint64 // entries ever added
}

// StreamEntry is an entry of a stream that was not deleted.
type StreamEntry struct {
	ID     StreamID
	Fields [][]byte // field, value, field, value, …
}

// StreamGroup is a consumer group.
type StreamGroup struct {
	Name        []byte
	LastID      StreamID
	EntriesRead uint64 // or EntriesReadUnknown
	HasRead     bool   // false where the type stores no such number
	Pending     []StreamPending
	Consumers   []StreamConsumer
	Nacked      []StreamID // entries given back, owned by no consumer; type 27 only
}

// StreamPending is an entry that was delivered and not acknowledged.
type StreamPending struct {
	ID          StreamID
	DeliveredMS int64 // last delivery, milliseconds since 1970
	Count       uint64
}

// StreamConsumer is a consumer of a group.
type StreamConsumer struct {
	Name     []byte
	SeenMS   int64
	ActiveMS int64 // -1: never active; equal to SeenMS in types before TypeStream3
	Pending  []StreamID
}

// IDMP is a stream's limits for remembered idempotent ids and their counters (Redis 8.6 and later).
type IDMP struct {
	Present    bool // the type stores them
	DurationS  uint64
	MaxEntries uint64
	Added      uint64
	Duplicates uint64
}

// IDMPProducer is the ids that a stream remembers of one producer.
type IDMPProducer struct {
	ID      []byte
	Entries []IDMPEntry
}

// IDMPEntry is a remembered idempotent id and the entry it made.
type IDMPEntry struct {
	IID []byte
	ID  StreamID
}

// Module is a value of a module's type, split into its items, which only the module understands.
type Module struct {
	ID    ModuleID
	Items []ModuleItem
}

func (String) Kind() Kind    { return KindString }
func (List) Kind() Kind      { return KindList }
func (Set) Kind() Kind       { return KindSet }
func (SortedSet) Kind() Kind { return KindSortedSet }
func (Hash) Kind() Kind      { return KindHash }
func (*Stream) Kind() Kind   { return KindStream }
func (*Module) Kind() Kind   { return KindModule }
