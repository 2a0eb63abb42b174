package main

import (
	"cmp"
	"errors"
	"io"
	"strconv"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/decimal"
	"github.com/kvfsck/kvfsck/internal/jsonl"
	"github.com/kvfsck/kvfsck/rdb"
)

// batchItems is how many elements one command creates, as in the logs that servers rewrite (AOF_REWRITE_ITEMS_PER_CMD).
const batchItems = 64

// respWriter writes keys and commands as one stream of commands, which makes of an empty server one with the same data.
//
//	string   SET            zset     ZADD
//	list     RPUSH          hash     HMSET, and HPEXPIREAT for each field that expires
//	set      SADD           stream   see respStream
//	module   RESTORE        expiry   PEXPIREAT
type respWriter struct {
	out    *jsonl.Buffer
	server release
	db     int64 // selected by what is written, or noDB or anyDB
	joint  joint // with what is before it
	multi  bool  // inside a transaction
	stream respStream

	batch batch
	entry *rdb.Entry              // of which the batch is
	visit func(*rdb.Element) bool // takes its elements
	err   error                   // of one of them
	text  []byte                  // of a number

	again  *rdb.Reader // of values that are looked at more than once, nil until there is one
	record []byte      // what it reads

	producers bool // it was told that what streams remember of producers is lost
}

// Databases that are none.
const (
	noDB  = -1 // none was selected yet
	anyDB = -2 // one was selected, but it is not known which
)

// joint tells where and how a part of a stream of commands depends on the database that was selected before it.
type joint struct {
	at    int   // bytes before the place where the first one is to be selected
	first int64 // that database, or noDB if there is nothing that needs one
	last  int64 // selected behind the part, or anyDB
}

// newRESPWriter returns a writer to w. With nil it keeps what there is until it is taken.
func newRESPWriter(w io.Writer, server release) *respWriter {
	r := &respWriter{out: jsonl.NewBuffer(w), server: server, db: noDB}
	r.visit = r.one
	return r
}

// Begin makes what follows begin a part of a stream, before which a database is selected.
func (w *respWriter) Begin(db int64) { w.db, w.joint = db, joint{first: noDB} }

// Joint tells what to do about the databases of the part since Begin.
func (w *respWriter) Joint() joint {
	w.joint.last = w.db
	return w.joint
}

// Take returns what was kept.
func (w *respWriter) Take(buf []byte) []byte { return w.out.Take(buf) }

// Entry writes the commands that create a key.
func (w *respWriter) Entry(e *rdb.Entry) error {
	before := w.db
	err := w.selectDB(int64(e.DB))
	if err == nil {
		err = w.value(e)
	}
	if err == nil && e.ExpireAt != rdb.NoExpire {
		w.text = strconv.AppendInt(w.text[:0], e.ExpireAt, 10)
		w.command("PEXPIREAT", e.Key, w.text)
	}
	if err != nil {
		w.unselect(before)
		return errors.Join(err, w.out.Drop())
	}
	if err := w.out.Commit(); err != nil || len(e.Meta) == 0 {
		return err
	}
	return &notHeldError{key: e.Key, what: "metadata of modules", r: w.server, kept: true}
}

// Function writes the command that loads a library.
func (w *respWriter) Function(f *rdb.Function) error {
	if f.PreGA || !w.server.can(canFunction) {
		return &notHeldError{key: f.Name, what: abilities[canFunction].what, r: w.server}
	}
	w.command("FUNCTION", []byte("LOAD"), f.Code)
	return w.out.Commit()
}

// Command writes a command of a log, with a SELECT before it where the database is another. What servers answer with an error and
// pass over, a MULTI inside a transaction and an EXEC outside, is left out. Between MULTI and EXEC all is held. The error is a
// *notHeldError for what no client may say, see withoutProducers; what is left of the command was written.
func (w *respWriter) Command(_ string, c *aof.Command) error {
	switch {
	case c.Special == aof.Select, c.Special == aof.Multi && w.multi, c.Special == aof.Exec && !w.multi:
		return nil
	case c.Special == aof.Multi:
		w.multi = true
	case c.Special == aof.Exec:
		w.multi = false
	default:
		if err := w.selectDB(int64(c.DB)); err != nil {
			return err
		}
	}
	args, same := withoutProducers(c.Args)
	if len(args) > 0 {
		w.header('*', len(args))
		for _, arg := range args {
			w.argument(arg)
		}
	}
	finish := w.out.Commit
	if w.multi {
		finish = w.out.Relieve
	}
	if err := finish(); err != nil || same || w.producers || len(c.Args) < 2 {
		return err
	}
	w.producers = true
	return &notHeldError{key: c.Args[1], what: "what a stream remembers of idempotent producers, here or behind", r: w.server, kept: true}
}

// Abandon forgets a transaction that has no EXEC.
func (w *respWriter) Abandon() error {
	w.multi, w.db = false, noDB
	return w.out.Drop()
}

// Close writes what is left.
func (w *respWriter) Close() error {
	if w.again != nil {
		w.again.Close()
	}
	return w.out.Close()
}

// selectDB selects a database if another one is.
func (w *respWriter) selectDB(db int64) error {
	if db == w.db {
		return nil
	}
	if w.db == anyDB {
		w.joint.at, w.joint.first = w.out.Len(), db
	} else {
		w.out.Append(func(b []byte) []byte { return appendSelect(b, db) })
	}
	w.db = db
	return nil
}

// unselect takes back what selectDB did, when what it wrote was dropped.
func (w *respWriter) unselect(before int64) {
	if w.db = before; before == anyDB {
		w.joint.first = noDB
	}
}

func appendSelect(b []byte, db int64) []byte {
	b = appendArgument(appendHeader(b, '*', 2), []byte("SELECT"))
	return appendArgument(b, appendInt(db))
}

func appendInt(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

func (w *respWriter) command(name string, args ...[]byte) {
	w.header('*', 1+len(args))
	w.argument([]byte(name))
	for _, arg := range args {
		w.argument(arg)
	}
}

func (w *respWriter) header(prefix byte, n int) {
	w.out.Append(func(b []byte) []byte { return appendHeader(b, prefix, n) })
}

func (w *respWriter) argument(arg []byte) {
	w.out.Append(func(b []byte) []byte { return appendArgument(b, arg) })
}

func appendHeader(b []byte, prefix byte, n int) []byte {
	return append(decimal.Append(append(b, prefix), uint64(n)), '\r', '\n')
}

func appendArgument(b, arg []byte) []byte {
	b = append(appendHeader(b, '$', len(arg)), arg...)
	return append(b, '\r', '\n')
}

// value writes the commands that create a value.
func (w *respWriter) value(e *rdb.Entry) error {
	switch e.Kind() {
	case rdb.KindStream:
		return w.streamValue(e)
	case rdb.KindModule:
		return w.moduleValue(e)
	default:
		return w.collection(e)
	}
}

// vectorSet is the module type that comes with Redis from 8.0 on. Of others it is not known which server has them.
const vectorSet = "vectorset"

func (w *respWriter) moduleValue(e *rdb.Entry) error {
	raw, err := e.Raw()
	if err != nil {
		return err
	}
	err = w.elements(e, raw, func(el *rdb.Element) error {
		if el.Kind == rdb.ElementModuleID && el.ModuleID.Name() == vectorSet && !w.server.can(canVectorSet) {
			return &notHeldError{key: e.Key, what: abilities[canVectorSet].what, r: w.server}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.restore(e, raw)
}

// restore writes a value as DUMP gives it.
func (w *respWriter) restore(e *rdb.Entry, raw []byte) error {
	target, ok := payloads[e.Type]
	if !ok || !w.server.canRestore(target) {
		return &notHeldError{key: e.Key, what: "a value that only RESTORE can hold", r: w.server}
	}
	w.command("RESTORE", e.Key, []byte("0"), rdb.AppendDump(nil, e.Type, raw, target))
	return nil
}

// creators is the command that adds elements, by kind, and how many arguments each element is.
var creators = [...]struct {
	name string
	args int
}{
	rdb.KindString:    {"SET", 1},
	rdb.KindList:      {"RPUSH", 1},
	rdb.KindSet:       {"SADD", 1},
	rdb.KindSortedSet: {"ZADD", 2},
	rdb.KindHash:      {"HMSET", 2},
	rdb.KindStream:    {},
	rdb.KindModule:    {},
}

// batch is the arguments of the next command that adds elements, and what is to follow it.
type batch struct {
	items int
	args  []byte // encoded
	after []byte // commands, encoded
}

// collection writes strings, lists, sets, sorted sets and hashes.
func (w *respWriter) collection(e *rdb.Entry) error {
	w.batch.reset()
	w.entry, w.err = e, nil
	err := e.Visit(w.visit)
	w.entry = nil
	if err := cmp.Or(w.err, err); err != nil {
		return err
	}
	return w.flushBatch(e.Kind(), e.Key)
}

// one takes an element.
func (w *respWriter) one(el *rdb.Element) bool {
	if w.err = w.element(w.entry, el); w.err == nil && w.batch.items == batchItems {
		w.err = w.flushBatch(w.entry.Kind(), w.entry.Key)
	}
	return w.err == nil
}

func (b *batch) reset() { b.items, b.args, b.after = 0, b.args[:0], b.after[:0] }

func (w *respWriter) element(e *rdb.Entry, el *rdb.Element) error {
	b := &w.batch
	b.items++
	switch el.Kind {
	case rdb.ElementScored:
		if el.Score != el.Score {
			return &notHeldError{key: e.Key, what: "a score that is no number", r: w.server}
		}
		w.text = strconv.AppendFloat(w.text[:0], el.Score, 'g', -1, 64)
		b.args = appendArgument(b.args, w.text)
		b.args = appendArgument(b.args, el.Data)
	case rdb.ElementField:
		b.args = appendArgument(b.args, el.Data)
		b.args = appendArgument(b.args, el.Value)
		if el.ExpireAt == rdb.NoExpire {
			return nil
		}
		if !w.server.can(canExpireField) {
			return &notHeldError{key: e.Key, what: abilities[canExpireField].what, r: w.server}
		}
		b.after = appendHeader(b.after, '*', 6)
		for _, arg := range [][]byte{[]byte("HPEXPIREAT"), e.Key, appendInt(el.ExpireAt), []byte("FIELDS"), []byte("1"), el.Data} {
			b.after = appendArgument(b.after, arg)
		}
	default:
		b.args = appendArgument(b.args, el.Data)
	}
	return nil
}

// flushBatch writes the command with the elements that were gathered.
func (w *respWriter) flushBatch(kind rdb.Kind, key []byte) error {
	b := &w.batch
	if b.items == 0 {
		return nil
	}
	c := &creators[kind]
	w.header('*', 2+b.items*c.args)
	w.argument([]byte(c.name))
	w.argument(key)
	w.out.Append(func(dst []byte) []byte { return append(append(dst, b.args...), b.after...) })
	b.reset()
	return w.out.Relieve()
}
