package repair

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"sort"

	"github.com/kvfsck/kvfsck/rdb"
)

// segment is a run of records of one database without a gap.
type segment struct {
	db       uint64
	selected bool // SELECTDB says so; else it is that of the segment before
	gap      bool // behind a gap, in which SELECTDB may have been lost
	certain  bool // of those behind a gap: the database is proved all the same
	doubted  bool // of one that is selected: the number may be wrong
	pieces   []span
	keys     int64
	expires  int64
	lost     int64 // keys known of and not kept
	torn     int64 // of them, those of which it is not known whether they expired
	gone     int64 // and those that did
	unnamed  int64 // records that are lost, of which nothing is known but where they begin
	sure     int64 // of those lost, those that were keys without doubt
	hinted   bool
	hint     [2]uint64
	start    int64
	unlisted bool   // not all keys that expire were looked at
	expiring []span // the first keys that expire
	odd      []span // and those of them that others of their form do not
}

// guessed reports whether the keys may be of another database.
func (g *segment) guessed() bool { return g.gap && !g.selected && !g.certain || g.doubted }

// cut is a record that is left out of a segment though it is intact.
type cut struct {
	span
	segment int
}

// mark adds a range to the map.
func (s *salvager) mark(start, end int64, kind RegionKind) {
	if start >= end {
		return
	}
	r := s.out.Regions
	if n := len(r); n > 0 && r[n-1].Kind == kind && r[n-1].End == start {
		r[n-1].End = end
		return
	}
	s.out.Regions = append(r, Region{start, end, kind})
}

// seg returns the current segment.
func (s *salvager) seg() *segment { return &s.segs[len(s.segs)-1] }

// segmentsMost is how many segments are kept apart.
const segmentsMost = 1 << 19

// ErrTooManyParts is the error of a file that is damaged, or selects another database, at more places than are kept apart.
var ErrTooManyParts = errors.New("repair: damage, or another database, at too many places")

// begin begins a segment, in the place of the last one if there is nothing in that.
func (s *salvager) begin(g segment) {
	n := len(s.segs)
	last := &s.segs[n-1]
	empty := len(last.pieces) == 0 && last.keys == 0 && !last.hinted && last.lost == 0
	switch {
	case empty && !last.selected:
		g.gap = g.gap || last.gap && !g.selected
		*last = g
	case empty && g.selected && n >= segmentsMost/2: // which servers do not write
		*last = g
		s.selected--
	case n >= segmentsMost:
		s.crowded = true
		return
	default:
		s.segs = append(s.segs, g)
	}
	if g.selected {
		s.selected++
	}
}

// dropSegments takes out all but the first n segments.
func (s *salvager) dropSegments(n int) {
	s.segs = s.segs[:min(n, len(s.segs))]
	gone := func(k cut) bool { return k.segment >= len(s.segs) }
	s.oddTimes, s.bareKeys, s.openKeys = slices.DeleteFunc(s.oddTimes, gone), slices.DeleteFunc(s.bareKeys, gone), slices.DeleteFunc(s.openKeys, gone)
	s.tails = slices.DeleteFunc(s.tails, func(k tail) bool { return gone(k.cut) })
	s.thin = slices.DeleteFunc(s.thin, func(t thinHead) bool { return t.segment >= len(s.segs) })
	s.libs = slices.DeleteFunc(s.libs, func(l library) bool { return gone(l.cut) })
	s.weakKeys = slices.DeleteFunc(s.weakKeys, func(k weakKey) bool { return gone(k.cut) })
	s.forgetParts(len(s.segs))
	if len(s.segs) == 0 {
		s.segs = []segment{{}}
	}
	s.selected, s.hinted, s.sums = 0, 0, segmentSums{}
	for i := range s.segs {
		if s.segs[i].selected {
			s.selected++
		}
		if s.segs[i].hinted {
			s.hinted++
		}
	}
}

// segmentSums are the keys known of in the first segments, and how many the file says that these have.
type segmentSums struct {
	segments int
	keys     int64
	hints    uint64
}

func (t *segmentSums) add(g *segment) {
	t.segments++
	t.keys += g.keys + g.lost
	if g.hinted {
		t.hints += g.hint[0]
	}
}

// sum returns the sums of all segments. Of those before the last one nothing changes any more.
func (s *salvager) sum() segmentSums {
	for s.sums.segments < len(s.segs)-1 {
		s.sums.add(&s.segs[s.sums.segments])
	}
	t := s.sums
	t.add(s.seg())
	return t
}

// commit enters a record in the account; rest begins with it.
func (s *salvager) commit(f *record, rest []record) {
	if f.start > s.done {
		s.lose(s.done, f.start)
	}
	if f.start < s.done {
		return
	}
	s.done = f.end
	if !s.truncate && s.slots.wrong(f, rest) {
		s.mark(f.start, f.end, RegionDoubt)
		s.out.DoubtfulKeys++
		s.seg().lost++
		s.seg().torn++
		s.nameLost(f.start, f.end, LostKey{DB: s.seg().db, Doubt: DoubtSlot})
		return
	}
	switch f.what {
	case isSelect:
		if s.strayed(f, rest) {
			s.mark(f.start, f.end, RegionDoubt)
			return
		}
		s.mark(f.start, f.end, RegionIntact)
		s.begin(segment{db: f.numbers[0], selected: true, start: f.start})
		return
	case isResize:
		s.mark(f.start, f.end, RegionIntact)
		if g := s.seg(); !f.damaged && !g.hinted && g.selected {
			g.hinted, g.hint = true, [2]uint64{f.numbers[0], f.numbers[1]}
			s.hinted++
		}
		return
	case isFunction:
		s.library(f)
	case isModuleAux:
		s.noteModule(f)
	case isKey:
		if !f.damaged && f.nameless && (s.behindDamage() || s.probe.view.zeros(f.start, emptyRecord) == emptyRecord && s.countsMissing()) { // zeros, or the rest of what is lost
			f.damaged, f.doubt = true, DoubtBeginning
		}
		if !f.damaged {
			s.takeSurplus(f)
		}
		s.enterKey(f)
	}
	if f.damaged {
		kind := RegionDamaged
		if f.doubt != "" {
			kind = RegionDoubt
		}
		s.mark(f.start, f.end, kind)
		return
	}
	s.mark(f.start, f.end, RegionIntact)
	s.needsRecord(f)
	g := s.seg()
	if n := len(g.pieces); n > 0 && g.pieces[n-1].end == f.start {
		g.pieces[n-1].end = f.end
	} else {
		g.pieces = append(g.pieces, span{f.start, f.end})
	}
}

// emptyRecord is how many zero bytes are a string without a name and without a value.
const emptyRecord = 3

// countsMissing reports whether a database was selected just before, and nothing has been read of it, not even the counts that servers write there.
func (s *salvager) countsMissing() bool {
	g := s.seg()
	return s.out.Version >= firstHinted && g.selected && !g.hinted && len(g.pieces) == 0 && g.keys+g.lost == 0
}

// strayed reports whether a SELECTDB is none: servers write the counts of the database behind each.
func (s *salvager) strayed(f *record, rest []record) bool {
	switch {
	case s.truncate || s.out.Version < firstHinted:
		return false
	case len(rest) > 1 && rest[1].start == f.end:
		if rest[1].what == isResize {
			return false
		}
		g := s.seg()
		return s.hinted > 0 || g.gap && len(g.pieces) == 0 && s.untimely(f)
	case len(rest) > 1:
		return s.untimely(f) || s.numberZeroed(f)
	}
	b := s.probe.view.at(f.end, 1)
	return len(b) > 0 && b[0] != opResizeDB && (s.untimely(f) || s.numberZeroed(f))
}

// defaultDBs is how many databases servers have that are not configured for more.
const defaultDBs = 16

// untimely reports whether a SELECTDB beside a gap, without counts behind it, is rather a part of what is lost there, in which a byte has become its
// opcode: its database hardly comes next, or the one before has not all of its keys.
func (s *salvager) untimely(f *record) bool {
	db := s.seg().db
	if f.numbers[0] >= defaultDBs && f.numbers[0]/2 > db || s.selected > 0 && f.numbers[0] <= db {
		return true
	}
	t := s.sum()
	missing := int64(min(t.hints, 1<<62)) - t.keys
	if s.out.Gaps > 0 { // in which there were keys too
		missing -= 4*int64(s.out.Gaps) + int64(min(t.hints, 1<<62)/8)
	}
	return s.hinted > 0 && missing > 0
}

// numberZeroed reports whether the number of a SELECTDB is rather the first one of a block of zeros.
func (s *salvager) numberZeroed(f *record) bool {
	return f.numbers[0] == 0 && s.probe.view.zeros(f.end, zeroEdge) == zeroEdge
}

// segmentAt returns the index of the segment that a record at an offset is of.
func (s *salvager) segmentAt(at int64) int {
	return max(0, sort.Search(len(s.segs), func(i int) bool { return s.segs[i].start > at })-1)
}

func (s *salvager) enterKey(f *record) {
	g := s.seg()
	if f.damaged {
		g.lost++
		sure := int64(one(s.surelyKey(f.start, true)))
		g.sure += sure
		k := LostKey{DB: g.db, Code: f.code, Doubt: f.doubt}
		switch {
		case f.doubt != "":
			s.out.DoubtfulKeys++
		default:
			if k.Kept = s.keepPart(f.start, f.end, false); k.Kept > 0 {
				g.lost--
				g.sure -= sure
			} else {
				s.out.DamagedKeys++
			}
		}
		if f.expires && k.Kept == 0 {
			g.gone++
		}
		if k.Kept == 0 {
			s.noteHollow(f.start, f.end)
		}
		s.nameLost(f.start, f.end, k)
		return
	}
	g.keys++
	if !f.expires && (s.behindDamage() || s.weakEnd == f.start) && len(s.bareKeys) < bareMost {
		s.bareKeys = append(s.bareKeys, cut{span{f.start, f.end}, len(s.segs) - 1})
	}
	s.noteOpen(f.start, f.end, len(s.segs)-1)
	if f.expires {
		g.expires++
		s.noteExpiring(span{f.start, f.end}, f.form, f.oddTime, g)
	}
	if f.weak || !f.verified && s.behindDamage() || f.nameless && s.weakEnd == f.start {
		s.noteWeak(f)
	}
	if f.tail && len(s.tails) < openRecords {
		s.tails = append(s.tails, tail{cut{span{f.start, f.end}, len(s.segs) - 1}, f.expires})
	}
	s.noteForm(f)
	s.noteModule(f)
	s.noteShape(f)
	s.entered = *f
	s.keys.add(f.hash, g.db, f.start)
}

// doubt leaves out a record that can be read.
func (s *salvager) doubt(f *record, why Doubt) {
	same := func(d doubtful) bool { return d.start == f.start }
	if f.what != isKey || f.nameless || f.score < solidBits || slices.ContainsFunc(s.doubts, same) { // hardly a key
		return
	}
	s.doubts = append(s.doubts, doubtful{span{f.start, f.end}, why})
}

// lose enters a range in which no record is known.
func (s *salvager) lose(start, end int64) {
	s.out.Gaps++
	s.slots.reset()
	s.skips = slices.DeleteFunc(s.skips, func(k span) bool { return k.end <= s.gapAt }) // nothing goes back behind the gap before
	s.behind, s.gapAt = len(s.segs), start
	g := s.seg()
	s.noteShort(start, end)
	if !s.nameTorn(start, end, g.db) && (s.behindIntact(start) || s.zerosOver(start)) && s.keyMayBegin(start) {
		g.unnamed++
	}
	s.markLost(start, end)
	before := len(s.segs) - 1
	s.begin(segment{db: g.db, gap: true, start: end})
	s.placeThin(start, end, before)
	s.behind = len(s.segs) - 1
}

// zerosOver reports whether zeros were written over the end of a damaged record, at an offset, and over what begins there.
func (s *salvager) zerosOver(at int64) bool {
	r := s.out.Regions
	return len(r) > 0 && r[len(r)-1].Kind == RegionDamaged && r[len(r)-1].End == at && s.probe.view.zerosBefore(at, zeroFew) == zeroFew && s.probe.view.zeros(at, zeroFew) == zeroFew
}

// markLost maps a range of lost bytes, with what is known of parts of it.
func (s *salvager) markLost(start, end int64) {
	at := start
	slices.SortFunc(s.doubts, func(a, b doubtful) int { return cmp.Compare(a.start, b.start) })
	for _, d := range s.doubts {
		if d.start >= at && d.end <= end {
			s.markGap(at, d.start)
			s.countLost(d.start, d.why != DoubtBeginning, d.why != DoubtExpiry)
			s.mark(d.start, d.end, RegionDoubt)
			s.out.DoubtfulKeys++
			s.nameLost(d.start, d.end, LostKey{DB: s.seg().db, Doubt: d.why})
			s.noteHollow(d.start, d.end)
			at = d.end
		}
	}
	s.doubts = slices.DeleteFunc(s.doubts, func(d doubtful) bool { return d.end <= end })
	s.markGap(at, end)
}

// markGap maps a range in which no record is known at all: embedded dumps, blocks of zeros, and the rest.
func (s *salvager) markGap(start, end int64) {
	for _, k := range s.skips {
		if k.start >= start && k.end <= end {
			s.markZeros(start, k.start)
			s.mark(k.start, k.end, RegionForeign)
			start = k.end
		}
	}
	s.markZeros(start, end)
}

func (s *salvager) markZeros(start, end int64) {
	const least = 512
	v := &s.probe.view
	for at := start; at < end; {
		n := int64(v.zeros(at, int(min(end-at, viewSize/2))))
		if n >= least || n > 0 && at == start && n == end-start {
			s.mark(start, at, RegionLost)
			s.mark(at, at+n, RegionPadding)
			start = at + n
		}
		at += n
		b := v.at(at, least)
		if len(b) == 0 {
			break
		}
		for i := 0; at < end && i < len(b) && b[i] != 0; i++ {
			at++
		}
	}
	s.mark(start, end, RegionLost)
}

// nameLost adds a key whose record can be read to the list of those lost.
func (s *salvager) nameLost(start, end int64, k LostKey) {
	if len(s.out.Lost) >= s.opt.MaxNames {
		return
	}
	x := newSmallReader()
	x.r.Resume(io.NewSectionReader(s.src, start, end-start), s.probe.position(start))
	var f record
	if x.head(&f) && f.what == isKey {
		k.Key, k.Type, k.Offset = slices.Clone(x.key), f.typ, start
		s.out.Lost = append(s.out.Lost, k)
	}
}

// nameTorn does the same where a record begins that cannot be read to its end. It reports whether there is one.
func (s *salvager) nameTorn(at, end int64, db uint64) bool {
	if s.probe.view.err != nil {
		return false
	}
	b := s.probe.view.at(at, 1<<10)
	if len(b) < 3 || s.probe.soundHead(at, b) < tailMin || s.probe.x.entry == nil {
		return slices.ContainsFunc(s.doubts, func(d doubtful) bool { return d.start == at })
	}
	for _, d := range s.doubts {
		if d.start == at {
			return true
		}
	}
	k := LostKey{DB: db, Key: slices.Clone(s.probe.x.key), Type: s.probe.x.entry.Type, Offset: at}
	if k.Kept = s.keepPart(at, end, true); k.Kept == 0 {
		s.out.DamagedKeys++
		s.countLost(at, true, true)
	}
	if len(s.out.Lost) < s.opt.MaxNames {
		s.out.Lost = append(s.out.Lost, k)
	}
	return true
}

func newSmallReader() *recordReader {
	x := &recordReader{}
	x.r = rdb.NewReaderOptions(nil, rdb.ReaderOptions{OnFault: x.note, MaxString: longestKey, Window: 4 << 10})
	return x
}

// doubtful is a record that is left out.
type doubtful struct {
	span
	why Doubt
}
