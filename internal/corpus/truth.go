package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
)

// Bytes is a byte string of the truth. Those longer than 512 bytes are recorded by
// length and SHA-256 alone.
type Bytes struct {
	data []byte // nil when only the sum is known
	size int
	sum  [sha256.Size]byte
}

// Equal says whether p is the recorded byte string.
func (b Bytes) Equal(p []byte) bool {
	if len(p) != b.size {
		return false
	}
	if b.data != nil {
		return bytes.Equal(p, b.data)
	}
	return sha256.Sum256(p) == b.sum
}

// Len returns the length in bytes.
func (b Bytes) Len() int { return b.size }

// Data returns the bytes themselves, or false when only their sum is recorded.
func (b Bytes) Data() ([]byte, bool) { return b.data, b.data != nil }

// String shows the byte string as a failing test wants to print it.
func (b Bytes) String() string {
	if b.data != nil {
		return strconv.Quote(string(b.data))
	}
	return fmt.Sprintf("(%d bytes, sha256 %x)", b.size, b.sum)
}

// UnmarshalJSON reads base64 or {"len": n, "sha256": hex}.
func (b *Bytes) UnmarshalJSON(j []byte) error {
	if j[0] == '"' {
		var s string
		if err := json.Unmarshal(j, &s); err != nil {
			return err
		}
		data, err := base64.StdEncoding.AppendDecode([]byte{}, []byte(s))
		*b = Bytes{data: data, size: len(data)}
		return err
	}
	var long struct {
		Len    *int   `json:"len"`
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(j, &long); err != nil {
		return err
	}
	sum, err := hex.DecodeString(long.SHA256)
	if err != nil || long.Len == nil || len(sum) != sha256.Size {
		return fmt.Errorf("not a byte string: %.80s", j)
	}
	*b = Bytes{size: *long.Len}
	copy(b.sum[:], sum)
	return nil
}

// Key is one key with its value, as a server reported it.
type Key struct {
	DB         int
	Key        Bytes
	Type       string // the answer of TYPE
	Encoding   string // the answer of OBJECT ENCODING on the server that wrote the file
	ExpireAtMs *int64 // Unix time in ms; nil for no expiry
	Freq       *int   // LFU counter; only in the lfu files
	IdleS      *int64 // seconds; the file may hold up to 2 more or fewer; only in the lru files
	Value      Value
}

// Value is the content of a key. The field of its type is set, the others are zero.
type Value struct {
	String    Bytes         // string
	List      []Bytes       // list, in order
	Set       []Bytes       // set, sorted by bytes
	Hash      []HashField   // hash, sorted by field
	ZSet      []ScoredValue // zset, sorted by member
	Stream    *Stream       // stream
	VectorSet *VectorSet    // vectorset
	Module    []ModuleItem  // any other module type: what its own get command answers
}

// HashField is one field of a hash.
type HashField struct {
	Field, Value Bytes
	ExpireAtMs   *int64 // Unix time in ms; nil for no expiry
}

// UnmarshalJSON reads [field, value, expiry].
func (f *HashField) UnmarshalJSON(b []byte) error {
	return tuple(b, &f.Field, &f.Value, &f.ExpireAtMs)
}

// ScoredValue is one member of a sorted set.
type ScoredValue struct {
	Member Bytes
	// Text is the C "%.17g" of the score.
	Text  string
	Score float64
}

// UnmarshalJSON reads [member, score].
func (v *ScoredValue) UnmarshalJSON(b []byte) (err error) {
	if err := tuple(b, &v.Member, &v.Text); err != nil {
		return err
	}
	v.Score, err = strconv.ParseFloat(v.Text, 64)
	return err
}

// StreamID identifies a stream entry.
type StreamID struct {
	Ms, Seq uint64
}

// String returns the form that servers print: "ms-seq".
func (id StreamID) String() string { return fmt.Sprintf("%d-%d", id.Ms, id.Seq) }

// UnmarshalJSON reads "ms-seq".
func (id *StreamID) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	ms, seq, ok := strings.Cut(s, "-")
	var err1, err2 error
	id.Ms, err1 = strconv.ParseUint(ms, 10, 64)
	id.Seq, err2 = strconv.ParseUint(seq, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return fmt.Errorf("not a stream ID: %q", s)
	}
	return nil
}

// Stream is the content of a stream.
type Stream struct {
	Entries      []StreamEntry `json:"entries"`
	Length       uint64        `json:"length"`
	LastID       StreamID      `json:"last_id"`
	MaxDeletedID *StreamID     `json:"max_deleted_id"` // nil before 7.0
	EntriesAdded *uint64       `json:"entries_added"`  // nil before 7.0
	Nodes        int           `json:"nodes"`          // radix tree keys: listpacks in the file
	Groups       []Group       `json:"groups"`         // sorted by name
}

// StreamEntry is one entry; Fields are name, value, name, value, ...
type StreamEntry struct {
	ID     StreamID
	Fields []Bytes
}

// UnmarshalJSON reads [id, [field, value, ...]].
func (e *StreamEntry) UnmarshalJSON(b []byte) error { return tuple(b, &e.ID, &e.Fields) }

// Group is a consumer group of a stream.
type Group struct {
	Name        Bytes      `json:"name"`
	LastID      StreamID   `json:"last_id"`
	EntriesRead *int64     `json:"entries_read"` // nil: unknown to the server, or before 7.0
	Pending     []Pending  `json:"pending"`      // in order of ID
	Consumers   []Consumer `json:"consumers"`    // sorted by name
}

// Pending is an entry that was delivered and not acknowledged.
type Pending struct {
	ID         StreamID
	Consumer   Bytes
	DeliveryMs *int64 // Unix time in ms; nil where 5.0 does not tell it exactly
	Count      uint64 // deliveries
}

// UnmarshalJSON reads [id, consumer, delivery time, delivery count].
func (p *Pending) UnmarshalJSON(b []byte) error {
	return tuple(b, &p.ID, &p.Consumer, &p.DeliveryMs, &p.Count)
}

// Consumer is one consumer of a group.
type Consumer struct {
	Name     Bytes      `json:"name"`
	SeenMs   *int64     `json:"seen_ms"`   // Unix time in ms; nil before 6.0 and in the truth of append-only sets
	ActiveMs *int64     `json:"active_ms"` // Unix time in ms, -1 when never active; nil before 7.2
	Pending  []StreamID `json:"pending"`
}

// VectorSet is what the truth tells of a vector set.
type VectorSet struct {
	Card int `json:"card"` // elements
	Dim  int `json:"dim"`  // dimensions of each
}

// ModuleItem is one element of a test module's answer: a number or a byte string.
type ModuleItem struct {
	Int   *int64 // nil for a byte string
	Bytes Bytes
}

// UnmarshalJSON reads a number or a byte string.
func (m *ModuleItem) UnmarshalJSON(b []byte) error {
	if b[0] == '"' || b[0] == '{' {
		return m.Bytes.UnmarshalJSON(b)
	}
	return json.Unmarshal(b, &m.Int)
}

// wireKey is a line of a truth file; the type decides how the value is read.
type wireKey struct {
	DB         int             `json:"db"`
	Key        Bytes           `json:"key"`
	Type       string          `json:"type"`
	Encoding   string          `json:"encoding"`
	ExpireAtMs *int64          `json:"expire_at_ms"`
	Freq       *int            `json:"freq"`
	IdleS      *int64          `json:"idle_s"`
	Value      json.RawMessage `json:"value"`
}

func (w *wireKey) value() (v Value, err error) {
	var into any
	switch w.Type {
	case "string":
		into = &v.String
	case "list":
		into = &v.List
	case "set":
		into = &v.Set
	case "hash":
		into = &v.Hash
	case "zset":
		into = &v.ZSet
	case "stream":
		into = &v.Stream
	case "vectorset":
		into = &v.VectorSet
	default:
		into = &v.Module
	}
	d := json.NewDecoder(bytes.NewReader(w.Value))
	d.DisallowUnknownFields()
	return v, d.Decode(into)
}

// Truth yields the keys of a truth file (TruthPath of an RDB, AOFSet or ThirdPartyRDB),
// ordered by database and then by the bytes of the key, one in memory at a time.
func Truth(t testing.TB, path string) iter.Seq[*Key] {
	return func(yield func(*Key) bool) {
		t.Helper()
		for w := range lines[wireKey](t, path) {
			v, err := w.value()
			if err != nil {
				t.Fatalf("%s: key %v: %v", path, w.Key, err)
			}
			k := &Key{
				DB: w.DB, Key: w.Key, Type: w.Type, Encoding: w.Encoding,
				ExpireAtMs: w.ExpireAtMs, Freq: w.Freq, IdleS: w.IdleS, Value: v,
			}
			if !yield(k) {
				return
			}
		}
	}
}
