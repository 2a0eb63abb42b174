package rdb

import (
	"bytes"
)

// block is a part of a file that begins and ends between records, and what came out of its walk.
type block struct {
	buf   []byte
	own   []byte // the memory of buf, unless that is a part of the input
	n     int    // bytes of buf that are its own
	at    Position
	pend  pending // what is said of its first key
	first bool    // begins with the header
	last  bool    // nothing is to be walked behind it
	big   bool    // one record that is larger
	guess bool    // its end is guessed
	doubt bool    // so is that of one before it, or its own
	entry Entry   // of a big one, if it is a key
	rerr  error   // of the last one: what ended the input
	done  chan struct{}

	notes  []note
	untold int64 // faults that are only counted
	keys   []keyNote
	hashes []uint64 // the keys, where they are kept so
	tally  tally
	err    error    // of the reader
	size   int64    // how far it came
	next   Position // behind it
	owed   pending  // what is said of the first key there
	ended  bool     // it has the end mark
	gone   bool     // a part of the input could not be read
	sum    uint64   // checksum of what was passed, up to the end mark
	bytes  int64    // that this is of
}

// note is something that a walk came across, told later.
type note struct {
	keys   int // before it
	fault  *FormatError
	rec    Record
	db     uint64
	module ModuleID
	span   Span
}

// recorder is the sink of a block: it keeps what it is told, so that blocks can be told of in file order.
type recorder struct {
	notes  []note
	keys   []keyNote
	stopAt func(*FormatError) bool

	most     int    // faults that are kept; behind them only those that decide
	faults   int    // of this block
	untold   int64  // those that are not kept
	refusals [2]int // how many servers refuse, and the checker
	stopped  bool
	modules  bool // some were told, module last
	module   ModuleID
}

// mostNotes is how many notes a block may have whose end is guessed: in others there are no more than mostOthers, and the faults.
const mostNotes = 2 * mostOthers

func (c *recorder) reset(b *block) {
	c.notes, c.keys = b.notes[:0], b.keys[:0]
	c.faults, c.untold, c.refusals, c.stopped, c.modules = 0, 0, [2]int{}, false, false
}

// crowded reports whether a block whose end is guessed would have been cut before; hashed says that only keys without a name are told.
func (c *recorder) crowded(hashed bool) bool {
	return len(c.notes) > mostNotes || hashed && len(c.keys) > mostNotes
}

func (c *recorder) add(n note) {
	n.keys = len(c.keys)
	c.notes = append(c.notes, n)
}

func (c *recorder) fault(e *FormatError) error {
	switch {
	case c.stopped: // what else the value has does not count
		return errStop
	case c.keeps(e):
		c.add(note{fault: e})
	default:
		c.untold++
	}
	if c.stopped = c.stopAt(e); c.stopped {
		return errStop
	}
	return nil
}

// keeps reports whether a fault is to be told, and not only counted: a report names so many, and the first of each kind of refusal.
func (c *recorder) keeps(e *FormatError) bool {
	server, checker := e.Server() != Accepts, e.Checker() == Refuses
	c.faults++
	keep := c.faults <= c.most || server && c.refusals[0] == 0 || checker && c.refusals[1] == 0
	if server {
		c.refusals[0]++
	}
	if checker {
		c.refusals[1]++
	}
	return keep
}

func (c *recorder) other(rec Record, db uint64) { c.add(note{rec: cloneRecord(rec), db: db}) }

func (c *recorder) keyModule(id ModuleID, value Span) {
	if !c.modules || id != c.module { // once is enough
		c.module, c.modules = id, true
		c.add(note{module: id, span: value})
	}
}

func (c *recorder) keySeen(k *keyNote) {
	c.keys = append(c.keys, *k)
}

// cloneRecord copies a record that is no key.
func cloneRecord(rec Record) Record {
	switch rec := rec.(type) {
	case *Header:
		c := *rec
		return &c
	case *Aux:
		return &Aux{rec.Span, bytes.Clone(rec.Name), bytes.Clone(rec.Value)}
	case *SelectDB:
		c := *rec
		return &c
	case *ResizeDB:
		c := *rec
		return &c
	case *SlotInfo:
		c := *rec
		return &c
	case *SlotImport:
		return &SlotImport{rec.Span, bytes.Clone(rec.Job), append([]SlotRange{}, rec.Ranges...)}
	case *Function:
		c := *rec
		c.Code, c.Name, c.Engine, c.Description = bytes.Clone(c.Code), bytes.Clone(c.Name), bytes.Clone(c.Engine), bytes.Clone(c.Description)
		return &c
	case *ModuleAux:
		c := *rec
		c.r = nil
		return &c
	default:
		c := *rec.(*EOF)
		return &c
	}
}

// maxBehind is how much of what is behind a block, in bytes, is lent to its reader: a record of which some bytes follow is passed quickly to its last.
const maxBehind = 64

// openBlock makes r read a block.
func (r *Reader) openBlock(b *block) {
	r.ResumeBytes(b.buf[:b.n], b.at)
	r.pend, r.more = b.pend, !b.last
	r.src.lend(b.buf[:min(b.n+maxBehind, cap(b.buf))])
	if b.first {
		r.state = atStart
	}
	if b.rerr != nil {
		r.src.rerr = b.rerr
	}
}

// skim passes one record without looking into it; end is true behind the end mark.
func (r *Reader) skim() (end bool, err error) {
	if r.quick(&r.frame, false) {
		return false, nil
	}
	d := &r.dec
	d.mode, d.report = modeFrame, ignore
	start := r.src.offset()
	op, err := r.src.byte()
	if err != nil {
		return false, err
	}
	if op >= opKeyMeta {
		if _, err = r.opcode(op, start); err == nil && r.state == atValue {
			r.state, r.inAux = atRecord, false
			err = d.moduleItems()
		}
		return op == opEOF && err == nil, err
	}
	if d.typ = Type(op); d.family.info(d.typ) == nil {
		return false, errType
	}
	r.pend = pending{}
	if err = d.skipStr(); err == nil {
		err = d.value()
	}
	return false, err
}
