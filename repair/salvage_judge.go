package repair

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// The records beside gaps are judged one by one.
//
// The last one before a gap: does it end where it says? If the damage was in its length, its value is cut short or has grown, and
// nothing in it shows. So either its value tells its own end, or a record must begin behind it, be it a damaged one.
//
// The first one behind a gap: is it a record, and all of it? Its beginning may have been lost: an expiry before the type, or the type
// itself, where zeros were written over it and 0 is a type.
//
// What does not pass is left out and reported as doubtful.
const (
	ofStrings    = 8    // evidence for a key that may be a string of a collection
	tailMin      = 9    // evidence for a record behind a record
	mostly       = 0.9  // share of keys from which a key without what the others have has lost it
	sometimes    = 0.03 // share from which it may have
	zeroEdge     = 12   // zero bytes that may be a block of them
	tornTail     = 32   // bytes at the end of a file cut short that are too few for evidence
	zeroFew      = 4    // on either side of where a value seems to end
	sectorSize   = 512
	emptyElement = 2 // bits
	oddLeast     = 8 // keys from which on it is known what there is not

	year2000  = 946684800000 // in milliseconds
	year10000 = 253402300800000
	year11476 = 300000000000000
)

// Doubt is why a record was left out that can be read.
type Doubt string

const (
	DoubtEnd       Doubt = "end"       // nothing shows that its value ends where it seems to
	DoubtBeginning Doubt = "beginning" // nothing shows that its first byte is its own
	DoubtExpiry    Doubt = "expiry"    // its expiry, idle time or access counter is lost or may be
	DoubtSlot      Doubt = "slot"      // its key is not of the cluster slot announced
	DoubtForm      Doubt = "form"      // no server of the version writes such a record
)

// judge takes records out of a reading.
func (s *salvager) judge(path []*record, g *gap) (kept []*record) {
	defer func() {
		if n := len(kept); g.last && n > 0 && kept[n-1].end < g.anchor {
			g.gapStart = kept[n-1].end
			s.seekThin(g.anchor, g)
		}
	}()
	for _, f := range path {
		if f.score >= strongBits {
			s.noteShape(f)
		}
	}
	for path = s.withNext(path, g); len(path) > 0; {
		n := 1
		for n < len(path) && path[n].start == path[n-1].end {
			n++
		}
		g.gapStart, g.damaged = g.w, -1
		if k := len(kept); k > 0 {
			if h := s.withExpiry(path[0], kept[k-1]); h != nil {
				last := *kept[k-1]
				last.end, kept[k-1], path[0] = min(last.end, h.start), &last, h
			}
			g.gapStart = kept[k-1].end
			if kept[k-1].damaged {
				g.damaged = kept[k-1].start
			}
		}
		if g.next = 0; n < len(path) {
			g.next = path[n].start
		} else if g.found && path[n-1].end < g.anchor {
			g.next = g.anchor
		}
		kept = append(kept, s.judgeRow(path[:n], g)...)
		path = path[n:]
	}
	return kept
}

// withExpiry returns a key that begins behind a damaged record with its expiry, if that stands whole before it: the damaged value, of which nothing
// says where it ends, had read on into it.
func (s *salvager) withExpiry(f, last *record) *record {
	const size = 9
	at := f.start - size
	if f.what != isKey || f.damaged || f.expires || !last.damaged || last.end <= at || last.start+4 > at {
		return nil
	}
	b := s.probe.view.at(at, size)
	if len(b) < size || b[0] != opExpireTimeMS || !plausibleTime(b[1:]) {
		return nil
	}
	if h := s.probe.probe(at); h != nil && h.what == isKey && h.end == f.end && !h.damaged {
		return h
	}
	return nil
}

// plausibleTime reports whether b begins with a time, in milliseconds, of the years that are meant.
func plausibleTime(b []byte) bool {
	t := int64(binary.LittleEndian.Uint64(b))
	return t > year2000 && t < year10000
}

// judgeRow takes records out of a row.
func (s *salvager) judgeRow(row []*record, g *gap) []*record {
	if row[0].start != g.w {
		if g.ofDump(row) {
			return nil
		}
		s.seekThin(row[0].start, g)
		for sum := 0.0; len(row) > 0; row = row[1:] {
			if row[0].what == isSelect && len(row) > 1 && row[1].nameless && s.out.Version >= firstHinted { // its counts would stand there
				continue
			}
			sum += max(0, float64(row[0].score))
			doubt := s.doubtHead(row[0], sum, g)
			if doubt == "" {
				markWeak(row)
				break
			}
			if g.thin {
				s.noteThin(row[0])
			}
			s.doubt(row[0], doubt)
		}
	}
	row = s.judgeBehindDamage(s.judgeBeforeDamage(row, g), g)
	if n := len(row); n == 0 || row[n-1].end == g.anchor && g.found {
		return row
	}
	if !g.stuck[row[0].start] && !g.proved(row) {
		for _, f := range row {
			s.doubt(f, DoubtBeginning)
		}
		return nil
	}
	whole := row
	for i := g.collectionInRow(row); i < len(row); row = row[:len(row)-1] {
		s.doubt(row[len(row)-1], DoubtEnd)
	}
	defer func() { g.behindKey = false }()
	for n := len(row); n > 0; n-- {
		f := row[n-1]
		g.behindKey = g.keyBefore(row[:n])
		if n > 1 && f.what == isSelect && row[n-2].what == isKey && (s.probe.startsInside(row[n-2]) || g.overlapping(row[n-2]) != nil) { // it is a part of that
			row = row[:n-1]
			continue
		}
		if n > 1 && f.what == isResize && row[n-2].what == isKey { // servers write counts where they select a database only
			row = row[:n-1]
			continue
		}
		if more := f.likeField() && n < len(whole) && fieldsBehindDamage(whole[:n]); !more && (f.damaged && f.score >= 0 || !f.damaged && s.endsThere(f, g)) {
			break
		}
		s.doubt(row[n-1], DoubtEnd)
		row = row[:n-1]
	}
	return row
}

// fieldsBehindDamage reports whether a row ends with strings, and before these with a hash whose fields expire and that is damaged: if the last of them is a field, so are all.
func fieldsBehindDamage(row []*record) bool {
	n := len(row)
	for n > 0 && row[n-1].likeField() && !row[n-1].damaged {
		n--
	}
	return n > 0 && n < len(row) && row[n-1].damaged && row[n-1].typ == rdb.TypeHashTTL
}

// seekThin notes the record that may end where a row begins behind a gap.
func (s *salvager) seekThin(at int64, g *gap) {
	f := g.likeliestHead(g.gapStart+1, at)
	if f == nil {
		return
	}
	if s.doubtHead(f, float64(f.score), g) == "" || g.thin {
		s.noteThin(f)
	}
}

// judgeBeforeDamage takes the beginning of a row out that leads to a damaged record and has little evidence: no boundary behind it confirms it.
func (s *salvager) judgeBeforeDamage(row []*record, g *gap) []*record {
	n := slices.IndexFunc(row, func(f *record) bool { return f.damaged })
	if n < 0 || g.stuck[row[0].start] || g.proved(row[:n]) || s.leadsToHead(row, n) {
		return row
	}
	for _, f := range row[:n] {
		s.doubt(f, DoubtBeginning)
	}
	return row[n:]
}

// leadsToHead reports whether there is evidence enough for the first n records of a row, which are sound, and the head of the damaged one behind them: they end right where that begins.
func (s *salvager) leadsToHead(row []*record, n int) bool {
	head := s.probe.soundHead(row[n].start, s.probe.view.at(row[n].start, 1<<10))
	if head < headMin {
		return false
	}
	need := dyingLed
	if row[0].likeField() {
		need = dyingLedString
	}
	sum := head
	for _, f := range row[:n] {
		if f.score >= solidBits {
			sum += float64(f.score)
		}
	}
	return sum >= need
}

// judgeBehindDamage takes out of a row what stands behind a damaged record and is rather a part of it: where that one ends is not certain.
func (s *salvager) judgeBehindDamage(row []*record, g *gap) []*record {
	kept := row[:min(1, len(row))]
	for i := 1; i < len(row); i++ {
		if f := row[i]; row[i-1].damaged && !f.damaged && (s.oddName(f, g) || s.zerosAreType(f) || row[i-1].score < 0 && !f.expires && s.modifiersLost(f, row[i-1].start, false)) {
			s.doubt(f, DoubtBeginning)
			continue
		}
		kept = append(kept, row[i])
		if row[i-1].damaged {
			markWeak(row[i:])
		}
	}
	return kept
}

// zerosAreType reports whether the type of a string is rather the last byte of a block of zeros.
func (s *salvager) zerosAreType(f *record) bool {
	return f.what == isKey && f.typ == rdb.TypeString && !f.modified && s.probe.view.zerosBefore(f.start, zeroEdge) == zeroEdge &&
		!s.behindZeroBlock(f.start)
}

// proved reports whether a row that ends in damage has evidence enough. Of two records there must be more for each, as there is where their keys are like others. Where records before
// and behind are near, there is no room for much that is none.
func (g *gap) proved(row []*record) bool {
	sum, strong, solid := 0.0, 0, 0
	for _, f := range row {
		if f.verified {
			strong++
		}
		if f.score >= solidBits {
			sum += float64(f.score)
			solid++
		}
	}
	return sum >= dyingBits && (strong > 0 || solid >= anchorCount) || sum >= dyingPair && solid >= 2 || sum >= dyingNear && g.found && g.anchor-g.w <= nearMost
}

// doubtHead says what is to be said against the first record of a row behind a gap. sum is the evidence for it and those before it in the row.
func (s *salvager) doubtHead(f *record, sum float64, g *gap) Doubt {
	if g.thin = false; f.what != isKey || f.damaged || f.start == g.filled {
		return ""
	}
	from := s.gapBefore(f, g)
	delete(s.open, f.start)
	if g.insideOther(f) {
		return DoubtBeginning
	}
	if s.oddName(f, g) || s.fieldsName(f) || s.otherHead(f) || s.probe.inNode(f) || g.ofList(f) || s.probe.endsID(f) || f.likeField() && g.lastStrings(f) || g.namedAsBefore(f, from) {
		return DoubtBeginning
	}
	ok, exact := g.explained(from, f.start)
	if exact || g.elementsBefore(from, f.start) {
		return ""
	}
	torn := g.tornStrings()
	element := sum == max(0, float64(f.score)) && f.likeField() && torn >= 0 && torn < f.start // perhaps
	through, empty := false, false
	if element {
		through, empty = g.stringsGoOn(torn, f)
	}
	if through {
		return DoubtBeginning
	}
	g.thin = element && (empty || g.tornFields(torn) || s.probe.soundHead(f.start, s.probe.view.at(f.start, 1<<10)) < ofStrings) ||
		!ok && s.ownBits(f, sum) < min(headMin, headLeast+math.Log2(float64(f.start-from+1)))
	doubt := s.doubtExpiry(f, from)
	if doubt == DoubtExpiry && !g.thin && s.leaveOpen(f) {
		return ""
	}
	if doubt != "" {
		g.thin = false
		return doubt
	}
	if g.thin {
		return DoubtBeginning
	}
	return ""
}

// insideOther reports whether a record behind a gap begins inside a sound one that is no key, and was read before the gap.
func (g *gap) insideOther(f *record) bool {
	for at := range g.stuck {
		if r := g.s.probe.probe(at); r != nil && !r.damaged && (r.what == isSelect || r.what == isResize) && r.start < f.start && f.start < r.end {
			return !g.putBefore(r, f)
		}
	}
	return false
}

// putBefore reports whether the opcode that selects a database was rather put before a record, the type of which was read as its number, or counts have lost their end: behind that no record
// begins.
func (g *gap) putBefore(r, f *record) bool {
	if r.what == isSelect && r.start+1 != f.start || f.score < tailMin {
		return false
	}
	if r.what == isResize && f.typ == rdb.TypeString && !isText(g.s.keyOf(f)) { // mostly no key expires
		return false
	}
	next := g.s.probe.probe(r.end)
	return next == nil || next.damaged || next.nameless
}

// ownBits is what sum is worth, the evidence for a row so far of which f is the last. That a string's type stands there says less if nothing else stands before it: the same
// byte is an empty string, and two more strings behind it are elements of a collection. Where there are lists of several nodes, a compressed string that ends where a record begins is as
// well the last of these.
func (s *salvager) ownBits(f *record, sum float64) float64 {
	if !f.likeField() || sum != max(0, float64(f.score)) {
		return sum
	}
	if c := s.census; f.verified && c.types[rdb.TypeListQuicklist]+c.types[rdb.TypeListQuicklist2] > 0 {
		sum -= lzfBits
	}
	return sum - emptyElement
}

// plainText reports whether a record is a string of text. No value of another type would read as one.
func (s *salvager) plainText(f *record) bool {
	const least = 3
	v := s.probe.stringOf(f)
	return len(v) >= least && isText(v)
}

// rareName is how many keys there must be for each with control characters, so that one more with little evidence for it is odd.
const rareName = 8

// oddName reports whether a key beside a gap is empty or has control characters as no other has, or few: then it is rather a part of a value.
func (s *salvager) oddName(f *record, g *gap) bool {
	if f.what != isKey {
		return false
	}
	if f.nameless {
		return true
	}
	key := s.keyOf(f)
	if key == nil {
		return false
	}
	if zeros := make([]byte, zeroFew); len(key) > zeroFew && bytes.HasSuffix(key, zeros) && s.probe.view.zerosBefore(f.end, zeroFew) == zeroFew {
		return true
	}
	c := s.census
	others, own := c.binary, f.score
	if f.expires {
		own -= timeBits // which says nothing of the key
	}
	if others > 0 && g.stuck[f.start] && own < startBits {
		others-- // this key is among them, and it would not be believed in a row of its own
	}
	if !hasControl(key) {
		return false
	}
	return !f.verified && c.tested >= oddLeast && (others == 0 || own < solidBits && rareName*others < c.tested) || c.oddControl(key) && s.otherKey(f, true)
}

// fieldsName reports whether a key before the first database has the name of a field: it is one whose opcode is lost.
func (s *salvager) fieldsName(f *record) bool {
	selected := s.selected > 0 || slices.ContainsFunc(s.recent, func(r record) bool { return r.what == isSelect && r.start < f.start })
	return f.likeField() && !selected && knownFields[string(s.keyOf(f))]
}

// gapBefore returns where the gap before a record began: behind the last record known of.
func (s *salvager) gapBefore(f *record, g *gap) int64 {
	from := g.w
	for i := range s.doubts {
		if d := &s.doubts[i]; d.start >= g.w && d.end <= f.start {
			from = max(from, d.end)
		}
	}
	for at := g.w; g.stuck[at] && at < f.start; {
		r := s.probe.probe(at)
		if r == nil || r.end > f.start || r.nameless || r.what == isEnd {
			break
		}
		at = r.end
		from = max(from, at)
	}
	return from
}

// keyOf returns the key of a record, or its beginning, until something else is read.
func (s *salvager) keyOf(f *record) []byte {
	s.probe.x.r.ResumeBytes(s.probe.view.at(f.start, probeAhead), s.probe.position(f.start))
	var h record
	if !s.probe.x.head(&h) || h.what != isKey {
		return nil
	}
	return s.probe.x.key
}
