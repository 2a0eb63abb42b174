// Package stream reads the nodes of a stream: listpacks whose entries are records of a small language of their own.
//
//	master record   count │ deleted │ fields │ name × fields │ 0
//	record          flags │ ms │ seq │                value × fields            │ lp-count = fields + 3     flags & 2
//	record          flags │ ms │ seq │ n │ (name │ value) × n                   │ lp-count = 2n + 4         otherwise
//
// count and deleted say how many records follow, alive and deleted (flags & 1); ms and seq are differences to the node's master id;
// a record with flags & 2 has the fields of the master record. lp-count is the number of entries of its record before it, by which
// a record is walked backwards. Numbers may be stored as text. (Redis 7.2 t_stream.c)
package stream

import (
	"errors"
	"fmt"

	"github.com/kvfsck/kvfsck/internal/decimal"
	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// Flags of a record.
const (
	FlagDeleted    = 1
	FlagSameFields = 2
)

// ErrCorrupt is wrapped by every [*CorruptError].
var ErrCorrupt = errors.New("corrupt stream node")

// CorruptError says which rule of the records a node breaks.
type CorruptError struct {
	Offset int64 // in the listpack
	Entry  int64 // of the listpack, from 0
	Reason string
}

// Error gives reason and place.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("stream node: %s, at entry %d, byte %d", e.Reason, e.Entry, e.Offset)
}

// Unwrap returns [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// Entry is a record. Its fields alias the listpack and hold until the next one.
type Entry struct {
	Flags   int64
	MS, Seq int64    // differences to the master id
	Fields  [][]byte // field, value, field, value, …
}

// Deleted reports whether the record's entry was deleted.
func (e *Entry) Deleted() bool { return e.Flags&FlagDeleted != 0 }

// Node walks nodes. The zero value is ready; it keeps buffers between walks.
type Node struct {
	it       *listpack.Iter
	visit    func(*Entry)
	names    [][]byte // of the master record
	master   int64    // number of them; may be negative in a damaged node
	text     []byte   // of names and values stored as integers
	entry    Entry
	err      error
	miscount error
}

// Trim gives up buffers that are larger than most nodes need.
func (n *Node) Trim() {
	if cap(n.names) > mostNames || cap(n.entry.Fields) > mostNames || cap(n.text) > mostText {
		n.names, n.entry.Fields, n.text = nil, nil, nil
	}
}

// What is kept of buffers, in names and bytes.
const (
	mostNames = 1 << 12
	mostText  = 64 << 10
)

// Walk reads the records of the listpack that it has been reset to, as the servers validate them, and shows each to visit, unless
// that is nil. live is how many are not deleted, up to the first fault. For a count in the listpack's header that is wrong, which
// only some servers mind, see [Node.Miscount].
func (n *Node) Walk(it *listpack.Iter, visit func(*Entry)) (live int64, err error) {
	n.it, n.visit, n.err, n.miscount, n.names, n.text = it, visit, nil, nil, n.names[:0], n.text[:0]
	records, ok := n.masterRecord()
	for ; ok && records != 0; records-- { // a negative number never comes to an end and so runs into that of the data
		if ok = n.record(); ok && !n.entry.Deleted() {
			live++
		}
	}
	if ok {
		if it.Next() {
			n.fail("entries behind the last record")
		} else if err := it.Err(); miscounted(err) {
			n.miscount = err
		} else {
			n.err = err
		}
	}
	n.it, n.visit = nil, nil
	return live, n.err
}

// Miscount returns what is wrong with the count in the header of the listpack last walked, nil if it is right. Redis up to 8.6 does
// not look at it in a stream, Valkey 9.1 does.
func (n *Node) Miscount() error { return n.miscount }

// miscounted reports whether err is about the count in the listpack's header.
func miscounted(err error) bool {
	var c *packed.CorruptError
	return errors.As(err, &c) && c.Kind == packed.BadCount
}

func (n *Node) fail(reason string) bool {
	n.err = &CorruptError{n.it.Offset(), n.it.Index(), reason}
	return false
}

// next moves to the next entry, which there has to be.
func (n *Node) next(what string) bool {
	if n.it.Next() {
		return true
	}
	if err := n.it.Err(); err != nil && !miscounted(err) {
		n.err = err
		return false
	}
	return n.fail("ends where a " + what + " is expected")
}

// number reads an entry that has to be an integer.
func (n *Node) number(what string) (v int64, ok bool) {
	if !n.next(what) {
		return 0, false
	}
	if n.it.IsInt() {
		return n.it.Int(), true
	}
	if v, ok = packed.ParseInt(n.it.Str()); !ok {
		return 0, n.fail(what + " is no number")
	}
	return v, true
}

// masterRecord reads the master record and returns how many records follow.
func (n *Node) masterRecord() (records int64, ok bool) {
	count, ok := n.number("count of entries")
	if !ok {
		return 0, false
	}
	deleted, ok := n.number("count of deleted entries")
	if !ok {
		return 0, false
	}
	if n.master, ok = n.number("count of fields"); !ok {
		return 0, false
	}
	for range n.master {
		if !n.next("field name") {
			return 0, false
		}
		if n.visit != nil {
			n.names = append(n.names, n.bytes())
		}
	}
	zero, ok := n.number("end of the master record")
	if ok && zero != 0 {
		return 0, n.fail("the master record does not end with 0")
	}
	return count + deleted, ok
}

// bytes returns the current entry's text, valid as long as the listpack.
func (n *Node) bytes() []byte {
	if !n.it.IsInt() {
		return n.it.Str()
	}
	if cap(n.text)-len(n.text) < packed.MaxIntText {
		n.text = make([]byte, 0, max(4<<10, min(2*cap(n.text), 1<<20))) // the old one is in use
	}
	from := len(n.text)
	n.text = decimal.AppendInt(n.text, n.it.Int())
	return n.text[from:]
}

// record reads a record into n.entry and shows it.
func (n *Node) record() (ok bool) {
	e := &n.entry
	e.Fields = e.Fields[:0]
	if e.Flags, ok = n.number("record's flags"); !ok {
		return false
	}
	if e.MS, ok = n.number("record's id"); !ok {
		return false
	}
	if e.Seq, ok = n.number("record's id"); !ok {
		return false
	}
	var size int64
	if e.Flags&FlagSameFields != 0 {
		size, ok = n.values()
	} else {
		size, ok = n.pairs()
	}
	if !ok {
		return false
	}
	count, ok := n.number("record's size")
	if ok && count != size {
		return n.fail("a record's size is not that of the record")
	}
	if ok && n.visit != nil {
		n.visit(e)
	}
	return ok
}

// values reads the values of a record with the master record's fields and returns the record's size.
func (n *Node) values() (size int64, ok bool) {
	for i := range n.master {
		if !n.next("value") {
			return 0, false
		}
		if n.visit != nil {
			n.entry.Fields = append(n.entry.Fields, n.names[i], n.bytes())
		}
	}
	return n.master + 3, true
}

// pairs reads the fields and values of a record that has its own and returns the record's size.
func (n *Node) pairs() (size int64, ok bool) {
	fields, ok := n.number("count of fields")
	if !ok {
		return 0, false
	}
	for range fields {
		for range 2 {
			if !n.next("field or value") {
				return 0, false
			}
			if n.visit != nil {
				n.entry.Fields = append(n.entry.Fields, n.bytes())
			}
		}
	}
	return 2*fields + 4, true
}
