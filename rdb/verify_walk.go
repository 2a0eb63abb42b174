package rdb

import (
	"cmp"
	"slices"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/lzf"
)

// sink takes what a walk over a file, or over a block of it, comes across, in file order.
type sink interface {
	// fault takes a broken rule; an error ends the walk.
	fault(*FormatError) error
	// other takes a record that is no key, and the database selected behind it.
	other(rec Record, db uint64)
	// keyModule takes the module that a key's value is of.
	keyModule(id ModuleID, value Span)
	// keySeen takes the place of a key where duplicates are looked for; it holds for the call.
	keySeen(k *keyNote)
}

// keyNote is what finding duplicate keys needs to know of one.
type keyNote struct {
	sum    dupset.Sum
	record int64 // offset
	db     uint64
}

// tally is what is counted of keys.
type tally struct {
	keys, expires, expired, fieldExpires int64
	firstExpire, lastExpire              int64 // of those that expire; of a block only
	types                                [len(redisTypes)]Count
	db                                   dbTally // the last
	before                               []dbTally
}

// dbTally is the keys of a database; one that is selected again has another entry.
type dbTally struct {
	db            uint64
	keys, expires int64
}

func (t *tally) add(u *tally) {
	t.keys += u.keys
	t.expires += u.expires
	t.expired += u.expired
	t.fieldExpires += u.fieldExpires
	for i := range u.types {
		t.types[i].Keys += u.types[i].Keys
		t.types[i].Bytes += u.types[i].Bytes
	}
}

// change begins the tally of another database. What is being counted lies in the tally itself: in a small object of its own, two cores would count in one line of the cache.
func (t *tally) change(db uint64) {
	if t.db.keys > 0 {
		t.before = append(t.before, t.db)
	}
	t.db = dbTally{db: db}
}

// walker walks records, checks values, and tells a sink.
type walker struct {
	r      *Reader
	out    sink
	tally  tally
	faults int64
	now    int64
	sums   bool // keys are to be told
	hashed bool // they are kept, as hashes, but for those without a name: zeros are full of them
	hashes []uint64
	fresh  freshKeys
	note   keyNote
	frame  keyFrame
	slow   bool // nothing is to be passed quickly
	later  []lzf.Block
	near   near
}

// newWalker makes a walker with a reader that has nothing to read yet.
func newWalker(out sink, opt *VerifyOptions, now int64) *walker {
	w := &walker{out: out, now: now, sums: opt.DuplicateKeys, slow: opt.slow}
	w.r = newReader(ReaderOptions{OnFault: w.fault, DuplicateMemory: cmp.Or(opt.DuplicateMemory, dupset.DefaultMemory) / 4, TempDir: opt.TempDir, Window: opt.window, limit: opt.limit})
	w.r.dec.slow = opt.slow
	return w
}

func (w *walker) fault(e *FormatError) error {
	if e.Checker() != Accepts { // which counts the values of the others
		w.faults++
	}
	return w.out.fault(e)
}

// step walks one record; false is the end, or an error of the reader.
func (w *walker) step() bool {
	if w.quick(false) {
		return true
	}
	if w.fresh.n > 0 { // the window and the database may be others then
		w.hashFresh()
	}
	if !w.r.Next() {
		return false
	}
	rec := w.r.Record()
	if e, ok := rec.(*Entry); ok {
		return w.key(e) == nil
	}
	w.out.other(rec, w.r.dec.db)
	if _, ok := rec.(*ModuleAux); ok {
		return w.r.checkValue() == nil
	}
	return true
}

func (w *walker) key(e *Entry) error {
	t := &w.tally
	t.keys++
	switch {
	case w.hashed && (len(e.Key) > 0 || !w.sums):
		w.addHash(keyHash(w.r.dec.seed, e.DB, e.Key))
	case w.sums:
		w.note = keyNote{keySum(w.r.dec.seed, e.DB, e.Key), e.Offset, e.DB}
		w.out.keySeen(&w.note)
	}
	faults := w.faults
	if err := w.r.checkValue(); err != nil {
		return err
	}
	if e.Type == TypeModule2 {
		w.out.keyModule(w.r.dec.el.ModuleID, Span{e.ValueOffset, 0})
	}
	if w.r.dec.hasTTL && faults == w.faults {
		t.fieldExpires++
	}
	w.count(e.DB, e.Type, e.ExpireAt, e.Size)
	return nil
}

// count counts a key that was read whole.
func (w *walker) count(number uint64, typ Type, expireAt, size int64) {
	t := &w.tally
	if t.db.db != number {
		t.change(number)
	}
	t.db.keys++
	if expireAt != NoExpire {
		if t.expires == 0 {
			t.firstExpire, t.lastExpire = expireAt, expireAt
		}
		t.firstExpire, t.lastExpire = min(t.firstExpire, expireAt), max(t.lastExpire, expireAt)
		t.expires++
		t.db.expires++
		if expireAt < w.now {
			t.expired++
		}
	}
	c := &t.types[typ]
	c.Keys++
	c.Bytes += size
}

// quick walks a key's record that nothing is to be said about; false if it is not plainly one. Large says that it may be, see [Reader.quickLarge].
func (w *walker) quick(large bool) bool {
	k, r := &w.frame, w.r
	if w.slow || large && !r.quickLarge(k) || !large && !r.quick(k, true) {
		return false
	}
	w.tally.keys++
	switch {
	case w.hashed && (len(k.text) > 0 || !w.sums):
		f := &w.fresh
		if !f.on || k.key.form != formPlain || k.key.size > dupset.MaxPlaceLen {
			w.addHash(keyHash(r.dec.seed, r.dec.db, k.text))
			break
		}
		f.places[f.n%maxFresh] = dupset.Place{At: uint32(k.keyAt), Len: uint32(k.key.size)}
		if f.n++; f.n == maxFresh {
			w.hashFresh()
		}
	case w.sums:
		w.note = keyNote{keySum(r.dec.seed, r.dec.db, k.text), r.src.base + int64(k.start), r.dec.db}
		r.entry.Key, r.entry.Type, r.entry.ValueOffset = k.text, k.typ, r.src.base+int64(k.value) // for the message, if it is a duplicate
		w.out.keySeen(&w.note)
	}
	w.count(r.dec.db, k.typ, k.expireAt, int64(k.end-k.start))
	return true
}

// freshKeys are the last keys of a block, whose hashes are made together.
type freshKeys struct {
	on     bool
	n      int
	places [maxFresh]dupset.Place // too long for dupset where a key has its hash already
}

const maxFresh = 128 // a power of two; behind so many keys a block is still near

// addHash keeps the hash of a key behind those of others, made or not.
func (w *walker) addHash(hash uint64) {
	f := &w.fresh
	if !f.on {
		w.hashes = append(w.hashes, hash)
		return
	}
	w.hashes[:len(w.hashes)+maxFresh][len(w.hashes)+f.n] = hash
	f.places[f.n] = dupset.Place{Len: dupset.MaxPlaceLen + 1}
	if f.n++; f.n == maxFresh {
		w.hashFresh()
	}
}

// hashFresh makes the hashes of the keys that have none. There is room for as many again then.
func (w *walker) hashFresh() {
	s, f := &w.r.src, &w.fresh
	n := len(w.hashes)
	w.hashes = w.hashes[:n+f.n]
	w.r.dec.seed.HashPlaces(s.buf[:s.end:s.end+s.behind], f.places[:f.n], w.hashes[n:], w.r.dec.db)
	f.n = 0
	w.hashes = slices.Grow(w.hashes, maxFresh)
}

// keySum is the fingerprint of a key in its database.
func keySum(seed *dupset.Seeded, db uint64, key []byte) dupset.Sum {
	sum := seed.Short(key)
	sum.Lo = dupset.InSpace(sum.Lo, db)
	return sum
}

// keyHash is the hash of a key in its database.
func keyHash(seed *dupset.Seeded, db uint64, key []byte) uint64 {
	return dupset.InSpace(seed.Hash(key), db)
}
