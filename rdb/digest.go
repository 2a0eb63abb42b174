package rdb

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
)

// Sum is a SHA-1 as the DEBUG commands of servers print it.
type Sum [sha1.Size]byte

// String returns 40 hexadecimal digits.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// xor adds something whose place does not matter.
func (s *Sum) xor(p []byte) { s.add(sha1.Sum(p)) }

func (s *Sum) add(t Sum) {
	for i := range s {
		s[i] ^= t[i]
	}
}

// mix adds something that comes after what was added before.
func (s *Sum) mix(p []byte) {
	s.xor(p)
	*s = sha1.Sum(s[:])
}

func (s *Sum) mixUint32(v uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	s.mix(b[:])
}

// Digest is what DEBUG DIGEST answers: a sum over all data, in which the order of keys, members and fields does not matter. Two
// servers of 7.2 or later with the same data, or a server and a file, have the same digest.
//
//	var d rdb.Digest
//	for rec, err := range rdb.NewReader(f).Records() {
//		...
//		if e, ok := rec.(*rdb.Entry); ok {
//			err = d.Add(e)
//		}
//	}
//	fmt.Println(d.String())
//
// Of a key it covers database, name, value, and that (not when) it expires; of a hash's field, with Redis, that it expires. It
// does not cover consumer groups, idle times, access counters, metadata and function libraries. A server drops keys that have
// expired when it loads a file; a Digest takes every key that it is given, but for collections without elements, which every server drops.
//
// What a module adds for its values, only the module knows: see [Digest.Unknown]. Vector sets, which come with Redis, are known.
// (Redis 7.4 and Valkey 8.0 debug.c)
//
// The zero value is ready. It is not safe for use by several goroutines at once.
type Digest struct {
	// Dialect is whose servers the digest is to be compared with; see [DigestDialect].
	Dialect DigestDialect

	dbs  map[uint64]*Sum
	walk digestWalk
}

// DigestDialect tells apart servers whose digests differ.
type DigestDialect uint8

const (
	// DigestAsFile is DigestRedis for keys from files with the REDIS magic and DigestValkey for others.
	DigestAsFile DigestDialect = iota
	// DigestRedis is for Redis from 7.2 on, which marks fields that expire since it has them, and for Valkey up to 8.1.
	DigestRedis
	// DigestValkey is for Valkey from 9.0 on, which does not mark fields that expire.
	DigestValkey
	// DigestOld is for Redis 3.2 to 7.0, which hash scores as "%.17g" prints them.
	DigestOld
)

// Add adds a key with its value, which it takes from the entry. The error is that of [Entry.Elements]; the key is not in the digest then.
func (d *Digest) Add(e *Entry) error {
	var sum Sum
	sum.mix(e.Key)
	if err := d.walk.value(&sum, e, d.Dialect); err != nil {
		return err
	}
	if d.walk.elements == 0 && e.Kind() != KindStream {
		return nil
	}
	if d.dbs == nil {
		d.dbs = map[uint64]*Sum{}
	}
	if d.dbs[e.DB] == nil {
		d.dbs[e.DB] = &Sum{}
	}
	d.dbs[e.DB].xor(sum[:])
	return nil
}

// Sum returns the digest of the keys added so far. It is all zero if there are none.
func (d *Digest) Sum() (sum Sum) {
	for _, db := range slices.Sorted(maps.Keys(d.dbs)) {
		sum.mixUint32(uint32(db))
		sum.add(*d.dbs[db])
	}
	return sum
}

// String returns [Digest.Sum] as DEBUG DIGEST prints it.
func (d *Digest) String() string { return d.Sum().String() }

// Unknown returns the names of the module types met whose part in the digest is not known, in order. For them the digest is that of a
// server whose module adds nothing, as many do.
func (d *Digest) Unknown() []string { return slices.Sorted(maps.Keys(d.walk.unknown)) }

// DigestValue returns what DEBUG DIGEST-VALUE answers for the key: a sum over its value and that it expires, but not its name or database.
// It takes the value from the entry. unknown is the name of the value's module type if its part is not known, see [Digest.Unknown], else empty.
func DigestValue(e *Entry, dialect DigestDialect) (sum Sum, unknown string, err error) {
	var w digestWalk
	err = w.value(&sum, e, dialect)
	for name := range w.unknown {
		unknown = name
	}
	return sum, unknown, err
}

// digestWalk is a walk over values. It is kept for its memory.
type digestWalk struct {
	text   []byte
	fields bool // that expire are marked
	old    bool // scores are as in DigestOld

	elements int // of the last value
	vectors  vectorDigest
	unknown  map[string]struct{}
}

// digestTypes are the servers' numbers of what a key holds (Redis server.h, OBJ_STRING and so on).
var digestTypes = [...]uint32{
	KindString: 0, KindList: 1, KindSet: 2, KindSortedSet: 3, KindHash: 4, KindModule: 5, KindStream: 6,
}

func (w *digestWalk) value(sum *Sum, e *Entry, dialect DigestDialect) error {
	w.fields = dialect == DigestRedis || dialect == DigestAsFile && e.Family == Redis
	w.old, w.elements = dialect == DigestOld, 0
	sum.mixUint32(digestTypes[e.Kind()])
	for el, err := range e.Elements() {
		if err != nil {
			return err
		}
		w.element(sum, el)
		w.elements++
	}
	if e.Kind() == KindModule {
		if err := w.endModule(sum); err != nil {
			return err
		}
	}
	if e.ExpireAt != NoExpire {
		sum.xor([]byte("!!expire!!"))
	}
	return nil
}

func (w *digestWalk) element(sum *Sum, el *Element) {
	switch el.Kind {
	case ElementString, ElementItem:
		sum.mix(el.Data)
	case ElementMember:
		sum.xor(el.Data)
	case ElementScored:
		var part Sum
		part.mix(el.Data)
		if w.text = w.text[:0]; w.old {
			w.text = appendScore17(w.text, el.Score)
		} else {
			w.text = appendScoreShort(w.text, el.Score)
		}
		part.mix(w.text)
		sum.xor(part[:])
	case ElementField:
		var part Sum
		part.mix(el.Data)
		part.mix(el.Value)
		if el.ExpireAt != NoExpire && w.fields {
			part.xor([]byte("!!hexpire!!"))
		}
		sum.xor(part[:])
	case ElementStreamEntry:
		w.streamEntry(sum, el)
	case ElementModuleID:
		w.vectors.reset(el.ModuleID)
	case ElementModuleItem:
		w.vectors.add(&el.Module)
	}
}

func (w *digestWalk) streamEntry(sum *Sum, el *Element) {
	w.text = strconv.AppendUint(w.text[:0], el.ID.MS, 10)
	w.text = strconv.AppendUint(append(w.text, '.'), el.ID.Seq, 10)
	sum.mix(w.text)
	for _, f := range el.Fields {
		sum.mix(f)
	}
}

// endModule adds what a module adds: a sum of its own, of which a module without a function for it has none.
func (w *digestWalk) endModule(sum *Sum) error {
	v := &w.vectors
	switch {
	case !v.known:
		if w.unknown == nil {
			w.unknown = map[string]struct{}{}
		}
		w.unknown[v.id.Name()] = struct{}{}
		return nil
	case v.next != vectorDone:
		return errVectorSet
	}
	sum.xor(v.sum[:])
	return nil
}
