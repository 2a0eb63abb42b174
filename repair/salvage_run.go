package repair

import (
	"bytes"

	"github.com/kvfsck/kvfsck/rdb"
)

// Nearly all records of a large file give no cause for any doubt, whatever the records around them are. The readers that read ahead say so of each:
// it is calm. Calm records in a row the walk only counts, and enters in the account by openRecords at once:
//
//	recent records │ calm records of a batch
//	───────────────┼───────────┬───────────┬───────────┬─────
//	 still open    │    64     │    64     │    64     │ rest
//	               │           └ entered when 64 more were counted
//
// The last of them become recent records again, so that what comes next finds what it would have found.

// beforeType is how many bytes before a record can hold what belongs before its type.
const beforeType = 12

// look finds out what the walk wants to know of a key with a sound value, without asking it.
func (k *readRecord) look(e *rdb.Entry, p *rdb.Piece) {
	b, at := p.Bytes()
	if len(e.Key) == 0 || e.Offset < at || e.ValueOffset-at > int64(len(b)) {
		return
	}
	i := int(e.Offset - at)
	k.first = e.Key[0]
	typ := afterModifiers(b[i:])
	if k.calm = typ >= 0 && calm(e, b, i, i+typ); !k.calm {
		return
	}
	if k.expires() {
		k.form = shape(e.Key)
	} else {
		k.lone = uint8(typ)
	}
}

// calm reports whether a key with a sound value gives no cause for doubt by itself. b is the piece that it stands in, i and typ are where it and its
// type begin there.
func calm(e *rdb.Entry, b []byte, i, typ int) bool {
	if i < beforeType || hasControl(e.Key) || e.Type == rdb.TypeModule2 || streamNodes(e.Type, b[e.ValueOffset-e.Offset+int64(i):]) {
		return false
	}
	if n := expirySize(e, b[i:]); typ != i+n && typ != i+n+idleSize(b[i+n:]) {
		return false
	}
	if e.ExpireAt != rdb.NoExpire && textTime(e.ExpireAt) || b[typ+1] == 0xC2 && intIsText(b[typ+2:]) {
		return false
	}
	before := b[i-beforeType : i]
	return !endsOfTime(before[beforeType-3:]) && swallowedTime(before) == 0 && bytes.IndexByte(before, opSelectDB) < 0
}

// expirySize returns how many bytes the expiry takes that b begins with, if it is one in milliseconds, else 0.
func expirySize(e *rdb.Entry, b []byte) int {
	if e.ExpireAt != rdb.NoExpire && b[0] == opExpireTimeMS {
		return 9
	}
	return 0
}

// idleSize returns how many bytes an idle time or access counter takes that b begins with, else 0.
func idleSize(b []byte) int {
	if b[0] == opIdle || b[0] == opFreq {
		return modifierSize(b)
	}
	return 0
}

// swallowedTime returns how many bytes at the end of b, which are beforeType, look like an expiry and what may follow it.
func swallowedTime(b []byte) int64 {
	for _, k := range [...]int{9, 11, 12} {
		if b[beforeType-k] != opExpireTimeMS || k > 9 && b[beforeType-k+9] != opIdle && b[beforeType-k+9] != opFreq {
			continue
		}
		if plausibleTime(b[beforeType-k+1:]) {
			return int64(k)
		}
	}
	return 0
}

// endsOfTime reports whether three bytes are the last ones of a time of these years, in milliseconds.
func endsOfTime(b []byte) bool { return b[0] > 0 && b[0] < 0x10 && b[1] == 0 && b[2] == 0 }

// intIsText reports whether the bytes of an integer that b begins with are printable.
func intIsText(b []byte) bool {
	for _, c := range b[:4] {
		if !printable(c) {
			return false
		}
	}
	return true
}

// passCalm passes the calm records that come next. It reports whether there were any.
func (s *salvager) passCalm() (any bool) {
	a := s.x.ahead
	if a == nil || a.now == nil || a.at >= len(a.now.records) || !s.calmNow() {
		return false
	}
	first := a.at
	rest := a.now.records[first:]
	if !rest[0].calm {
		return false
	}
	a.show(&s.probe.view)
	all, none := s.census.idling(), s.census.idle+s.census.freqs == 0
	run := s.nextRun()
	open, entered := len(s.recent), 0 // records not entered in the account; those of rest that are
	for n := range rest {
		k := &rest[n]
		if !k.calm || k.start != s.pos || k.start == run || s.census.table[k.typ] == unknown || !verifiedType(k.typ) && !s.census.usual(k.typ, k.first, 0) {
			break
		}
		if idles := k.idle >= 0 || k.freq >= 0; idles && !all || !idles && !none {
			break
		}
		s.countCalm(k)
		s.pos = k.end
		a.at++
		if open++; open < 2*openRecords {
			continue
		}
		due := open - openRecords
		open -= due
		if m := len(s.recent); m > 0 {
			s.settle(max(0, m-due))
			due -= min(due, m)
		}
		s.commitCalm(rest[entered : entered+due])
		entered += due
	}
	for i := range rest[entered : a.at-first] {
		s.recent = append(s.recent, rest[entered+i].record())
	}
	return a.at > first
}

// calmNow reports whether calm records give no cause for doubt where the walk is.
func (s *salvager) calmNow() bool {
	if s.weak > 0 || s.unsure || s.truncate || s.opt.plain || s.x.slots || s.slots.known {
		return false
	}
	n := len(s.recent)
	return n > 0 && s.recent[n-1].what == isKey
}

// countCalm counts a calm record, and learns from it what the walk would.
func (s *salvager) countCalm(k *readRecord) {
	c := s.census
	c.first[k.first]++
	if !c.countKey(k.typ, k.expires(), k.idle >= 0, k.freq >= 0) {
		return
	}
	key := s.x.ahead.now.keys[k.key:k.keyEnd]
	c.learnKey(key)
	c.learnShape(key, k.expires())
	f := k.record()
	s.learnValue(k.value, &f)
}

// commitCalm enters calm records in the account, which follow each other.
func (s *salvager) commitCalm(run []readRecord) {
	i := 0
	for ; i < len(run) && (i == 0 || run[i].start != s.done); i++ {
		f := run[i].record()
		s.commit(&f, nil)
	}
	if run = run[i:]; len(run) == 0 {
		return
	}
	g := s.seg()
	for i := range run {
		k := &run[i]
		if k.expires() {
			g.expires++
			s.noteExpiring(span{k.start, k.end}, k.form, false, g)
		}
		s.keys.add(k.hash, g.db, k.start)
		if s.guessed {
			f := k.record()
			s.needsRecord(&f)
		}
	}
	g.keys += int64(len(run))
	from, to := run[0].start, run[len(run)-1].end
	s.mark(from, to, RegionIntact)
	g.pieces[len(g.pieces)-1].end = to
	s.done = to
}

// expires reports whether a calm key does.
func (k *readRecord) expires() bool { return k.expireAt != rdb.NoExpire }

// record is a calm record as the walk makes one of it.
func (k *readRecord) record() record {
	f := record{
		start: k.start, end: k.end, what: isKey, typ: k.typ, hash: k.hash, verified: verifiedType(k.typ),
		expires: k.expires(), modified: k.expires() || k.lone > 0, form: k.form, lone: k.lone,
	}
	if k.idle >= 0 || k.freq >= 0 {
		f.modifiers = uint8(opcodeVersions[opIdle].first)
	}
	return f
}
