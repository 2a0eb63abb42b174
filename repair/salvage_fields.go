package repair

import (
	"math"

	"github.com/kvfsck/kvfsck/rdb"
)

// In files with hashes whose fields expire (Redis 7.4 and later) a run of fields that never do looks just like a run of strings:
//
//	00 str name  str value       a field that never expires
//	00 str key   str value       a string
//
// If the beginning of such a hash is lost its fields would become keys. What gives them away is the fields between them that do expire. The time of one is a length, of
// how many milliseconds it is behind the earliest of its hash, and one more:
//
//	01 to 3F     within 63 ms, as are all that one command sets
//	40 to 7F     within 16 s
//	80, 81       later
//
// With those of 40 and more no record begins. The others could be types, and one of them that is none could be a string's, damaged; but not two in a row of fields. Letters
// are from 40 to 7F, too, and two of them must be there as well.

// timeTells is how much a byte with which a field may begin tells that it is one, and fieldsTold what is enough; -1 if none begins so.
func timeTells(b byte) int {
	switch {
	case b == 0:
		return 0
	case b < 0x80:
		return 1
	case b <= 0x81:
		return fieldsTold
	}
	return -1
}

const fieldsTold = 2

// fieldsPossible reports whether the file can have such hashes.
func (s *salvager) fieldsPossible() bool {
	return s.census.table[rdb.TypeHashTTL] == current
}

// likeField reports whether a record could be a field too.
func (f *record) likeField() bool { return f.what == isKey && f.typ == rdb.TypeString && !f.modified }

// fieldAt reports whether fields begin at an offset, among the first of which are such as tell that they are. What reads as such in the middle of records, by luck, has a name of several of
// these, with the bytes between them, which tells the two apart unless names have such bytes anyway.
func (p *prober) fieldAt(at int64) bool {
	const few, most = 8, 32
	told, binary := 0, p.census.hasFields() || p.census.binary > 0 && p.census.binary*binaryRare >= p.census.tested
	for n := 0; n < few || told > 0 && n < most; n++ {
		b := p.view.at(at, 2<<10)
		if len(b) < 4 {
			return false
		}
		tells, end := p.timeAt(at, b[0]), int64(0)
		if tells >= 0 {
			end = p.fields(at, b, 1)
		}
		if end == 0 {
			return told >= fieldsTold && p.likelyHead(at) >= tailMin
		}
		if told >= fieldsTold {
			return true
		}
		if tells > 0 && !binary && controlName(b) {
			return false
		}
		told += tells
		at = end
	}
	return false
}

// binaryRare is how many keys there must be for each with control characters, so that no fields have any.
const binaryRare = 64

// controlName reports whether the field that begins b has control characters in its name.
func controlName(b []byte) bool {
	_, n, _, _ := lengthForm(b)
	size, m, enc, _ := lengthForm(b[min(n, len(b)):])
	if n == 0 || m == 0 || enc {
		return false
	}
	name := b[n+m:]
	return hasControl(name[:min(size, uint64(len(name)))])
}

// timeAt is timeTells of the byte at an offset, if no record is there, or the head of one, of a type that is written.
func (p *prober) timeAt(at int64, b byte) int {
	if b > 0 && b < 0x40 && p.census.table[b] == current {
		if f := p.probe(at); f != nil && !f.damaged || p.soundHead(at, p.view.at(at, 1<<10)) >= tailMin {
			return -1
		}
	}
	return timeTells(b)
}

// timeNoType reports whether a byte that is a type which no server of the version writes is rather the time of a field, as fields follow.
func (p *prober) timeNoType(at int64, b byte) bool {
	return b > 0 && b < 0x40 && p.census.table[b] == legacy && p.census.types[b] == 0 && p.census.table[rdb.TypeHashTTL] == current && p.fieldAt(at)
}

// fields returns where so many fields end that begin b, 0 if they do not.
func (p *prober) fields(at int64, b []byte, n int) int64 {
	b = b[:min(len(b), 4<<10)]
	head := appendLength([]byte{byte(rdb.TypeHashTTL), 1, 'k', 1, 0, 0, 0, 0, 0, 0, 0}, uint64(n))
	p.trial = append(append(p.trial[:0], head...), b...)
	p.x.r.ResumeBytes(p.trial, p.position(0))
	var f record
	if !p.x.head(&f) || p.x.value(&f) != nil || f.damaged {
		return 0
	}
	return at + f.end - int64(len(head))
}

// fieldBefore reports whether fields end at an offset that tell that they are, of which the last but one or the last expires.
func (p *prober) fieldBefore(at int64) bool { return p.fieldsLead(at) || p.lateBefore(at) }

// fieldRow is a row of fields that ends somewhere, begun by one that never expires.
type fieldRow struct {
	any   bool
	told  int8 // that they are
	since int8 // how many there are behind the last one that expires
}

// better reports whether a row tells more than another that ends where it does.
func (r fieldRow) better(than fieldRow) bool {
	return r.any && (!than.any || r.told > than.told || r.told == than.told && r.since < than.since)
}

// fieldsLead is fieldBefore by a row of fields that begins somewhere before and leads to the offset. What it asks of bytes that could be types is bounded, as a file can be made of such.
func (p *prober) fieldsLead(at int64) bool {
	const most, asks = 4 << 10, 1 << 16
	if p.asked > asks+p.end/64 {
		return false
	}
	from := max(0, at-most)
	b := p.view.at(from, most)
	if int64(len(b)) < at-from {
		return false
	}
	b = b[:at-from]
	p.rows = append(p.rows[:0], make([]fieldRow, len(b)+1)...) // that end there
	for i := range b {
		r := p.rows[i]
		if !r.any && b[i] == 0 && i+1 < len(b) && b[i+1] != 0 {
			r = fieldRow{any: true, since: math.MaxInt8}
		}
		if !r.any {
			continue
		}
		size := timedSize(b[i:])
		if size == 0 || i+size > len(b) {
			continue
		}
		if b[i] > 0 {
			p.asked++
		}
		switch tells := p.timeAt(from+int64(i), b[i]); {
		case tells < 0:
			continue
		case tells > 0:
			r.told, r.since = min(r.told+int8(tells), fieldsTold), 0
		case r.since < math.MaxInt8:
			r.since++
		}
		if r.better(p.rows[i+size]) {
			p.rows[i+size] = r
		}
	}
	r := p.rows[len(b)]
	return r.told >= fieldsTold && r.since <= 1
}

// timedSize returns how many bytes of b a field takes that begins it, as Redis writes it: its time, itself and its value; 0 if none does.
func timedSize(b []byte) int {
	_, n, enc, shortest := lengthForm(b)
	if n == 0 || enc || !shortest || n >= len(b) {
		return 0
	}
	m := twoSizes(b[n:], stringSize)
	if m == 0 {
		return 0
	}
	return n + m
}

// lateBefore is fieldBefore by a field that expires late.
func (p *prober) lateBefore(at int64) bool {
	const most = 384
	from := max(0, at-most)
	b := p.view.at(from, most)
	if int64(len(b)) < at-from {
		return false
	}
	for i := int(at-from) - 8; i >= 0; i-- {
		if b[i] != 0x80 && b[i] != 0x81 || p.timeIsEnd(b[i:], from+int64(i)) {
			continue
		}
		end := p.fields(from+int64(i), b[i:], 1)
		if end > 0 && end < at && p.fields(end, b[end-from:], 1) == at || end == at && p.anyFieldBefore(b[:i], from) {
			return true
		}
	}
	return false
}

// timeIsEnd reports whether the time of a late field, which b begins with, is rather the end of a record and the type of the next one, which is a string:
//
//	00 04 "name" 0C "......80 5A DC 56" │ 00 0A "other name" ...
func (p *prober) timeIsEnd(b []byte, at int64) bool {
	n := 4 // up to its last byte
	if b[0] == 0x81 {
		n = 8
	}
	return n < len(b) && b[n] == byte(rdb.TypeString) && p.ends[at+int64(n)]
}

// anyFieldBefore reports whether some field ends where b, which stands at an offset, does.
func (p *prober) anyFieldBefore(b []byte, at int64) bool {
	for i := len(b) - 3; i >= max(0, len(b)-192); i-- {
		if timeTells(b[i]) >= 0 && p.fields(at+int64(i), b[i:], 1) == at+int64(len(b)) {
			return true
		}
	}
	return false
}

// withoutFields takes out records that are fields. Those of the anchor's chain are not, but for the strings that it begins with: the chain is
// trusted for what stands behind these.
func (g *gap) withoutFields(all []*record) []*record {
	s := g.s
	if !s.fieldsPossible() {
		return all
	}
	field := map[int64]int{}
	forward := g.forward(all)
	for i := len(all) - 1; i >= 0; i-- {
		if f := all[i]; f.likeField() && !g.chained[f.start] && !(forward == fieldsFew && g.clean && g.wellKnown(f)) && (field[f.end] > 0 || s.probe.fieldAt(f.end)) {
			field[f.start] = 1
		}
	}
	s.probe.ends = map[int64]bool{}
	defer func() { s.probe.ends = nil }()
	for _, f := range all {
		if f.what == isKey && !f.damaged && f.score >= solidBits {
			s.probe.ends[f.end] = true
		}
	}
	behind, hashes := map[int64]int{}, map[int64]bool{} // where such end
	kept := all[:0]
	for _, f := range all {
		if f.what == isKey && f.typ == rdb.TypeHashTTL && !f.damaged && f.score >= strongBits {
			hashes[f.end] = true
		}
		n := behind[f.start]
		if f.likeField() && n == 0 && !hashes[f.start] && s.probe.fieldBefore(f.start) {
			n = 1
		}
		if n > 0 && n < forward && f.likeField() && !g.chained[f.start] && (n == 1 && !g.surelyKey(f) || !g.wellKnown(f)) {
			field[f.start] = 1
			behind[f.end] = n + 1
		}
		if field[f.start] == 0 && (g.chained[f.start] || !g.inHash(f)) {
			kept = append(kept, f)
		}
	}
	return kept
}

// wellKnown reports whether a key is like those that were known before the gap.
func (g *gap) wellKnown(f *record) bool { return !g.learnt && f.score >= strongBits }

// surelyKey reports whether a string is no field though what stands before it reads as one that expires: in bytes of any kind something does now and then.
// The file is not known to have any, and its key is well known.
func (g *gap) surelyKey(f *record) bool { return g.wellKnown(f) && g.forward(nil) == fieldsFew }

// keyBefore reports whether the last record of a row is no field of a hash, as another one before it is none: what is behind a key of the row begins with one.
func (g *gap) keyBefore(row []*record) bool {
	if !g.clean {
		return false
	}
	for i := len(row) - 2; i >= 0; i-- {
		switch f := row[i]; {
		case f.damaged || f.what == isKey && f.typ == rdb.TypeHashTTL:
			return false
		case !f.likeField():
			return f.what != isKey || f.score >= strongBits
		case g.surelyKey(f):
			return true
		}
	}
	return false
}

// cleanText reports whether what is known of keys is not that of the strings read since the last gap, which may be fields themselves: there were many more before, and the file begins with
// some behind its header.
func (s *salvager) cleanText() bool {
	const times = 4
	return !s.learntEver && !s.probe.headless && s.keysAtGap >= learnFirst+times*(s.census.keys-s.keysAtGap)
}

// afterKeys reports whether the strings read last, up to the failure, are keys rather than fields that never expire: the file is not known to have any, and they are like the keys known.
func (g *gap) afterKeys(failed int64) bool {
	const least, most = 8, 32
	s := g.s
	if !g.clean || g.forward(nil) != fieldsFew {
		return false
	}
	sum, n, end := 0.0, 0, failed
	for i := len(s.recent) - 1; i >= 0 && n < most && s.recent[i].likeField() && (s.recent[i].end == end || n == 0); i-- {
		f := s.probe.probe(s.recent[i].start)
		if f == nil {
			return false
		}
		sum, n, end = sum+float64(f.score), n+1, f.start
	}
	return n >= least && sum >= solidBits*float64(n)
}

// onlyFields reports whether a chain that begins with strings may begin with fields of a hash, and has too little besides.
func (g *gap) onlyFields(c *chain) bool {
	p := &g.s.probe
	if !g.s.fieldsPossible() {
		return false
	}
	doubted, rest := false, c.starts
	for len(rest) > 0 {
		f := p.probe(rest[0])
		if f == nil || !f.likeField() {
			break
		}
		if n := g.fieldRun[f.start]; n > 0 && n < fieldsForward && !g.wellKnown(f) || !g.surelyKey(f) && p.fieldBefore(f.start) {
			doubted = true
			g.fieldRun[f.end] = n + 1
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return doubted || p.fieldAt(c.end)
	}
	if !doubted {
		return false
	}
	sum, solid := 0.0, 0
	for _, at := range rest {
		if f := p.probe(at); f != nil && f.score >= solidBits {
			sum += float64(f.score)
			solid++
		}
	}
	return sum < anchorBits || solid < anchorCount
}

// How many strings in a row behind a field that expires may be fields: many if the file is known to have such hashes.
const (
	fieldsForward = 64
	fieldsFew     = 4
)

// hasFields reports whether the file is known to have such hashes: one among many keys may be misread, unless it has a time that is meant.
func (c *census) hasFields() bool {
	n := c.types[rdb.TypeHashTTL]
	return c.fields || n >= agreeing || n > 0 && n*legacyRare >= c.keys
}

// noteFields notes the hash whose head was read last, if its fields expire. It may be torn.
func (s *salvager) noteFields(f *record) {
	if f.what != isKey || s.census.fields || f.typ != rdb.TypeHashTTL && f.typ != rdb.TypeHashListpackTTL {
		return
	}
	b := s.probe.view.at(s.x.entry.ValueOffset, 8)
	s.census.fields = len(b) >= 8 && plausibleTime(b)
}

// forward returns which of them counts.
func (g *gap) forward(all []*record) int {
	if g.failedType() == rdb.TypeHashTTL || g.s.census.hasFields() {
		return fieldsForward
	}
	for _, f := range all {
		if f.typ == rdb.TypeHashTTL && f.what == isKey && f.score >= strongBits {
			return fieldsForward
		}
	}
	return fieldsFew
}
