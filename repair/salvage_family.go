package repair

import (
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// Where the header is lost, and the first fields with it, the records tell whose file it was. Both families write most types alike, and each has some that the
// other cannot read:
//
//	        | 00 | 12 | 16 | 00 | 10 | 16 | 02 | ...        types of a row of keys
//	Valkey  └──── one row ───────────────────────
//	Redis   └─ a row ─┘  ?  └ another ┘  ?  └ ...           type 22 is none
//
// So parts of the file are read as either family's. What counts is a record that only one family knows, and that stands in a row: behind a sound one, and before
// another. Where neither has any, both read the same.

const (
	sampleParts = 16       // of a large file that are read
	samplePart  = 64 << 10 // bytes of each
	sampleReach = 1 << 20  // bytes behind a part in which the last row of it may end
	sampleSpend = 16 << 20 // bytes of a part's rows that are read; of a sound part it is little more than that
)

// familySample is what parts of a file are, read as a family's.
type familySample struct {
	p       prober
	types   [256]int // of the keys that stand in rows
	keys    int
	own     int   // records in rows that the other family does not know
	written int   // the version that the writer of the file uses, as a field in a row says
	spent   int64 // bytes of rows that were read
}

// likeliest finds out whose file it is where neither the header nor the first fields tell; where nothing does, it is one of Redis. The version is the newest, which has all kinds of records,
// unless a field is left that says which.
func (s *salvager) likeliest() (rdb.Family, int) {
	redis, valkey := s.sampleAs(rdb.Redis, rdb.MaxRedisVersion), s.sampleAs(rdb.Valkey, rdb.MaxValkeyVersion)
	f, of, version := rdb.Redis, redis, rdb.MaxRedisVersion
	if valkey.own > redis.own {
		f, of, version = rdb.Valkey, valkey, rdb.MaxValkeyVersion
	}
	if s.sampled = of; of.written > 0 && familyOf(of.written) == f && of.newest(f) <= of.written {
		s.guessed, version = false, of.written
	}
	return f, version
}

// othersRecord reports whether reading failed at a record of the other family, in a file whose family is a guess, which no part that was read for it spoke against: as such it leads on. Then the
// file is taken for one of that family, as what was read before reads the same.
func (s *salvager) othersRecord(at int64) bool {
	if !s.guessed || s.out.Family != rdb.Redis || s.sampled == nil || s.sampled.own > 0 {
		return false
	}
	b := s.probe.view.at(at, 1<<10)
	if typ := afterModifiers(b); typ < 0 || rdb.Type(b[typ]) != rdb.TypeHash2 {
		return false
	}
	p := &s.probe
	p.forgetAll()
	s.readAs(rdb.Valkey, rdb.MaxValkeyVersion)
	var c chain
	if p.follow(at, &c, func(int64) bool { return false }); len(c.starts) >= anchorCount && c.trusted(1) {
		return true
	}
	p.forgetAll()
	s.readAs(rdb.Redis, rdb.MaxRedisVersion)
	return false
}

// readAs makes the reading go on as that of a file of a family and a version.
func (s *salvager) readAs(f rdb.Family, version int) {
	s.out.Family, s.out.Version = f, version
	s.probe.family, s.probe.version, s.x.family = f, version, f
	s.census.table = s.standings()
}

// newest returns the version that the types in rows are of.
func (t *familySample) newest(f rdb.Family) (version int) {
	if f == rdb.Valkey {
		return rdb.MinValkeyVersion
	}
	for typ, n := range t.types {
		if n > 0 {
			version = max(version, typeVersions[rdb.Type(typ)].first)
		}
	}
	return version
}

// standings is the table of all bytes for the file. Where its version is guessed, types that an old server writes are written if there are such.
func (s *salvager) standings() (table [256]standing) {
	table = standings(s.out.Family, s.out.Version)
	for t := range table {
		if s.guessed && s.sampled != nil && table[t] == legacy && s.sampled.writes(t) {
			table[t] = current
		}
	}
	return table
}

// sampleStandings is the table for a sample: that of the version, but for packed types that older servers write. Where each other key is of such a type there is no row
// without them, and they tell themselves what they are.
func sampleStandings(f rdb.Family, version int) (table [256]standing) {
	table = standings(f, version)
	for typ := range typeVersions {
		if f == rdb.Redis && table[typ] == legacy && (packedTypes[typ] || typ.Kind() == rdb.KindStream) {
			table[typ] = current
		}
	}
	return table
}

// writes reports whether there are so many keys of a type that the server which wrote the file must write such, be it an old one.
func (t *familySample) writes(typ int) bool {
	const share = 8 // of few keys
	n := t.types[typ]
	return n >= agreeing && n*legacyRare >= t.keys || n > 0 && n*share >= t.keys
}

// sampleAs reads parts of the file as one of a family and a version.
func (s *salvager) sampleAs(f rdb.Family, version int) *familySample {
	t := &familySample{p: prober{view: view{src: s.src, size: s.size}, known: map[int64]*record{}, headless: true, family: f, version: version}}
	t.p.census, t.p.x = newCensus(sampleStandings(f, version)), newRecordReader(s.opt)
	defer t.p.x.r.Close()
	x := newRecordReader(s.opt) // of rows
	defer x.r.Close()
	parts, size := int64(sampleParts), int64(samplePart)
	if s.size <= parts*size {
		parts, size = 1, s.size
	}
	for i := range parts {
		from := i * (s.size - size) / max(1, parts-1)
		t.p.end = min(s.size, from+size+sampleReach)
		t.p.forgetAll()
		t.read(x, from, from+size)
	}
	return t
}

// read reads the rows that begin between two offsets.
func (t *familySample) read(x *recordReader, from, to int64) {
	var c chain
	t.spent = 0
	never := func(int64) bool { return false }
	for at := from; at < to && t.spent < sampleSpend; at++ {
		b := t.p.view.at(at, 64)
		if len(b) == 0 {
			return
		}
		if b[0] == 0 && t.p.view.zeros(at, zeroRun) == zeroRun {
			at += zeroRun - 4
			continue
		}
		if magicAt(b) && t.p.wasted <= sampleReach {
			if end, whole := t.p.dumpAt(at); whole { // which a value holds
				at = end - 1
				continue
			}
		}
		if len(t.p.known) == knownMost {
			t.p.forgetAll()
		}
		if r := t.p.probe(at); r == nil || r.score < solidBits {
			continue
		}
		if t.p.follow(at, &c, never); c.trusted(at - from + 1) {
			at = max(at, t.row(x, at, to)-1)
		}
	}
}

// row reads a row of records, the last of which begins before an offset. It returns where the sound ones end.
func (t *familySample) row(x *recordReader, at, to int64) (end int64) {
	x.r.Resume(io.NewSectionReader(t.p.view.src, at, t.p.end-at), t.p.position(at))
	defer func() { t.spent += x.r.Offset() - at }()
	var f, before record
	own, written := false, 0 // of the record before
	n := 0
	for ; x.head(&f); n++ {
		if x.value(&f) != nil || f.damaged || f.what == isKey && t.p.census.table[f.typ] == unknown {
			break
		}
		if n > 0 { // that one leads here
			t.count(&before, own, written)
		}
		if end = f.end; f.start >= to || f.what == isEnd {
			break
		}
		before, own, written = f, t.ownRecord(x, &f), writtenIn(x)
		if f.what == isKey && t.p.census.count(&f, x.entry) {
			t.p.census.learnKey(x.key)
		}
	}
	if n > 0 && before.end == end { // the last one leads nowhere, but may tell its own end
		if g := t.p.probe(before.start); g != nil && (g.verified || g.told) && g.score >= strongBits {
			t.count(&before, own, written)
		}
	}
	return end
}

// count enters a record of a row.
func (t *familySample) count(f *record, own bool, written int) {
	if f.what == isKey {
		t.types[f.typ]++
		t.keys++
	}
	t.own += int(one(own))
	t.written = max(t.written, written)
}

// ownRecord reports whether the record read last is one that the other family does not know.
func (t *familySample) ownRecord(x *recordReader, f *record) bool {
	switch {
	case t.p.family == rdb.Valkey:
		return f.what == isSlotField || f.what == isImport || f.what == isKey && f.typ == rdb.TypeHash2
	case f.what == isKey:
		return typeVersions[f.typ].first > forReplicas || x.entry.Meta != nil
	}
	return false
}

// writtenIn returns the version that the writer of a file uses, if the record read last is the field that tells it, else 0.
func writtenIn(x *recordReader) int {
	a, ok := x.other.(*rdb.Aux)
	switch {
	case ok && string(a.Name) == "valkey-ver":
		return versionOf(string(a.Value), true)
	case ok && string(a.Name) == "redis-ver":
		return versionOf(string(a.Value), false)
	}
	return 0
}
