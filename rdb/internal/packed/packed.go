// Package packed is what the packed encodings of RDB values (listpack,
// ziplist, zipmap, intset) have in common: the errors that name a broken rule,
// the window through which a blob is seen, and the canonical decimal form of
// integers.
//
// A packed blob is either in memory as a whole or arrives from a reader. A
// [Cursor] hides the difference, so that each encoding has a single parser:
//
//	                 Next
//	                  │
//	blob   ┌──────────┼───────────────────────────────┬────┐
//	       │ history  │ visible          not yet read │tail│
//	       └──────────┴───────────────────────────────┴────┘
//	       ◄───────── B ─────────►
//
// In memory, B is the whole body and nothing is ever copied. Over a reader, B
// is as much of the body as fits into the caller's buffer; it slides forward
// when a parser says how many bytes it needs, and keeps [History] bytes before
// Next, because a listpack is validated by looking back.
package packed

import (
	"errors"
	"fmt"
)

// Kind says which rule a blob breaks. The rules are those of the servers'
// *ValidateIntegrity functions (Redis 8.6 and Valkey 9.1 listpack.c, ziplist.c,
// zipmap.c, intset.c).
type Kind uint8

// The rules, each with the encodings that have it.
const (
	_             Kind = iota
	TooShort           // all: the blob has no room for header and terminator
	BadSize            // listpack, ziplist, intset: the header's size is not the blob's
	BadTerminator      // listpack, ziplist, zipmap: the last byte is not 0xFF
	BadTail            // ziplist: the header's tail is not the offset of the last entry
	BadEncoding        // listpack, ziplist: an entry's first byte is no encoding; intset: element width
	OutOfBounds        // listpack, ziplist, zipmap: an entry reaches beyond the terminator
	EarlyEnd           // listpack, ziplist: a terminator before the last byte
	BadBackLen         // listpack: the length after an entry is not the one before it
	BadPrevLen         // ziplist: the previous entry has another size than stated
	BadCount           // listpack, ziplist, zipmap: the header's count is wrong
	Empty              // intset, zipmap: no elements, which these two must not have
	Unsorted           // intset: an element is not greater than the one before
	LongLength         // zipmap: a length below 254 in the five-byte form
	kinds
)

// rules is the one table of what is known about a Kind.
var rules = [kinds]struct {
	name    string // for machines
	text    string // for people
	shallow bool   // servers check it even where they do not scan the entries
}{
	TooShort:      {"too-short", "the blob is too short for its header and terminator", true},
	BadSize:       {"bad-size", "the header states another size than the blob has", true},
	BadTerminator: {"bad-terminator", "the last byte is not the terminator", true},
	BadTail:       {"bad-tail", "the header's tail offset is not that of the last entry", false},
	BadEncoding:   {"bad-encoding", "no such encoding", false},
	OutOfBounds:   {"out-of-bounds", "the entry reaches beyond the end", false},
	EarlyEnd:      {"early-end", "a terminator before the last byte", false},
	BadBackLen:    {"bad-backlen", "the entry's length at its end is not the one at its start", false},
	BadPrevLen:    {"bad-prevlen", "the stated size of the previous entry is wrong", false},
	BadCount:      {"bad-count", "the header states another number of entries", false},
	Empty:         {"empty", "no elements", true},
	Unsorted:      {"unsorted", "the element is not greater than the one before", false},
	LongLength:    {"long-length", "a short length in the long form", false},
}

// String returns the rule's name for machines, such as "bad-backlen".
func (k Kind) String() string {
	if k == 0 || k >= kinds {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return rules[k].name
}

// CorruptError is the first broken rule of a blob. It wraps the ErrCorrupt of
// its encoding's package.
type CorruptError struct {
	Encoding *Encoding
	Kind     Kind
	// Shallow tells whether servers look at this rule even when they are not
	// told to sanitize payloads.
	Shallow bool
	Offset  int64 // of the fault in the blob, in bytes
	Entry   int64 // index of the faulty entry; -1 for the header, the count if the fault is after the last entry
	Have    int64 // what is there and what should be, where the rule compares numbers
	Want    int64
}

func (e *CorruptError) Error() string {
	s := fmt.Sprintf("%s: corrupt at byte %d", e.Encoding.Name, e.Offset)
	if e.Entry >= 0 {
		s += fmt.Sprintf(" (entry %d)", e.Entry)
	}
	s += ": " + rules[e.Kind].text
	if e.Have != e.Want {
		s += fmt.Sprintf(": have %d, want %d", e.Have, e.Want)
	}
	return s
}

// Unwrap returns the ErrCorrupt of the encoding's package.
func (e *CorruptError) Unwrap() error { return e.Encoding.Corrupt }

// Encoding is what errors know about a packed encoding.
type Encoding struct {
	Name    string
	Corrupt error
}

// NewEncoding returns the description of an encoding with a sentinel error of its own.
func NewEncoding(name string) *Encoding {
	return &Encoding{Name: name, Corrupt: errors.New(name + ": corrupt")}
}
