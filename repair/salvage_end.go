package repair

import (
	"bytes"
	"math"
	"math/bits"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// atEnd decides what an end mark means that the reading came to. Mostly it is the end. But its byte may also be a damaged type, or the end
// of a dump inside a value whose beginning is lost: then reading goes on behind it, and atEnd returns false.
func (s *salvager) atEnd(f *record) (ends bool) {
	e := s.x.other.(*rdb.EOF)
	summed := !e.Partial && e.HasChecksum && e.Stored != 0
	s.out.ChecksumRight, s.sumWrong = summed && e.Valid(), summed && !e.Valid()
	if f.end < s.probe.end && !s.out.ChecksumRight && !s.truncate {
		switch {
		case s.endsForeign(f):
			return false
		case magicAt(s.probe.view.at(f.end, headerSize)):
		case s.goesOnWithin(f), (!s.allKeysSeen() || s.otherDB(f) || s.oddEnd(f, e)) && s.goesOn(f), s.out.Gaps >= manyGaps && s.recordBehind(f):
			return true // reading fails here
		}
	}
	s.settle(0)
	if f.start > s.done {
		s.lose(s.done, f.start)
	}
	s.mark(f.start, f.end, RegionEnd)
	s.done, s.ended, s.out.Complete = f.end, true, true
	if s.done < s.size {
		s.mark(s.done, s.size, RegionForeign)
		s.probe.end = s.done
	}
	return true
}

// begunAnew reports whether the same stands at an offset as at the beginning of the file, where servers write when they saved it. Of files in which they do not, the first keys must be the same,
// and no end mark stand before.
func (s *salvager) begunAnew(at int64) bool {
	const most = 96
	n := int(min(at, most))
	first := bytes.Clone(s.probe.view.at(0, n))
	b := s.probe.view.at(at, n)
	if len(b) < n || len(first) < n || !bytes.Equal(b[:n], first[:n]) {
		return false
	}
	return bytes.Contains(first, []byte("ctime")) || n == most && s.out.Version < firstHinted && !s.probe.endMarkBefore(at)
}

// otherDB reports whether another database is selected behind an end mark, with its counts: then the one before may well be complete.
func (s *salvager) otherDB(f *record) bool {
	const most = 64 << 20 // bytes looked at behind all end marks
	p := &s.probe
	for at := f.end; at < min(p.end, f.end+fillMost) && s.behindEnds < most; at++ {
		s.behindEnds++
		b := p.view.at(at, 64)
		if len(b) < 4 || b[0] != opSelectDB || p.soundHead(at, b) < selectBits+selectResize {
			continue
		}
		if sel, ok := p.x.other.(*rdb.SelectDB); ok && sel.DB > s.lastDB() {
			return true
		}
	}
	return false
}

// lastDB is the database that was selected last.
func (s *salvager) lastDB() uint64 {
	for i := len(s.recent) - 1; i >= 0; i-- {
		if s.recent[i].what == isSelect {
			return s.recent[i].numbers[0]
		}
	}
	return s.seg().db
}

// allKeysSeen reports whether the databases have as many keys as the file says. All are counted: the last one may be that of a dump inside a value.
func (s *salvager) allKeysSeen() bool {
	keys, hints := int64(0), uint64(0)
	for i := range s.recent {
		switch f := &s.recent[i]; f.what {
		case isKey:
			keys++
		case isResize:
			hints += f.numbers[0]
		}
	}
	t := s.sum()
	keys, hints = keys+t.keys, hints+t.hints
	return hints > 0 && uint64(keys) >= hints
}

// goesOn reports whether a trusted chain begins behind an end mark, which is then damage; the walk fails there.
func (s *salvager) goesOn(f *record) bool {
	g := s.newGap(f.start+1, f.start)
	clear(s.probe.known)
	g.search(g.w)
	return g.found
}

// goesOnWithin reports whether a trusted chain begins within the checksum of an end mark, which is then the damaged first byte of something. What is another
// file's begins behind the checksum.
func (s *salvager) goesOnWithin(f *record) bool {
	g := s.newGap(f.start+1, f.start)
	p := &s.probe
	var c chain
	for at := f.start + 1; at < f.end; at++ {
		if r := p.probe(at); r == nil || r.score < solidBits {
			continue
		}
		p.follow(at, &c, func(int64) bool { return false })
		if g.trusted(&c, f.end-f.start) {
			return true
		}
	}
	return false
}

// oddEnd reports whether an end mark stands where servers write none, right behind what selects a database, or with a checksum that is one byte over and over.
func (s *salvager) oddEnd(f *record, e *rdb.EOF) bool {
	if n := len(s.recent); n > 0 && s.recent[n-1].what == isSelect && s.recent[n-1].end == f.start {
		return true
	}
	return e.HasChecksum && e.Stored != 0 && e.Stored == bits.RotateLeft64(e.Stored, 8)
}

// manyGaps is after how many gaps the byte of an end mark is rather a part of one more, whatever the counts say, which may be another's part, and though chains
// of records are hardly to be had.
const manyGaps = 64

// recordBehind reports whether a record begins soon behind an end mark, or within its checksum.
func (s *salvager) recordBehind(f *record) bool {
	const most = 64
	for at := f.start + 1; at < f.end+most; at++ {
		if r := s.probe.probe(at); r != nil && r.what == isKey && !r.damaged && !r.nameless && r.score >= headMin {
			return true
		}
	}
	return false
}

// endsForeign reports whether everything since the last gap belongs to a dump inside a lost value. It is taken out of the account, and
// reading goes on behind it.
func (s *salvager) endsForeign(f *record) bool {
	from, to := s.lastGap()
	if from == to { // there is none
		return false
	}
	at := int64(-1)
	for p := from; p < to; p++ {
		if b := s.probe.view.at(p, headerSize); magicAt(b) && p > 0 {
			at = p
		}
	}
	end, whole := int64(0), false
	if at >= 0 {
		end, whole = s.probe.dumpAt(at)
	}
	if !whole || end != f.end { // it may be the file's own header, or the value is a compressed one
		if at = to; !s.endsDumpTail(f, to) {
			return false
		}
	}
	s.settle(0)
	s.dropSegments(s.behind)
	s.skips = append(s.skips, span{at, f.end})
	s.done, s.pos, s.again = s.gapAt, f.end, true
	r := s.out.Regions
	for len(r) > 0 && r[len(r)-1].Start >= s.gapAt {
		r = r[:len(r)-1]
	}
	if n := len(r); n > 0 && r[n-1].End > s.gapAt {
		r[n-1].End = s.gapAt
	}
	s.out.Regions = r
	s.out.Gaps--
	return true
}

// lastGap returns the last range without records, which may not be settled yet.
func (s *salvager) lastGap() (from, to int64) {
	end := s.pos
	for i := len(s.recent) - 1; i >= 0; i-- {
		if s.recent[i].end != end && i < len(s.recent)-1 {
			return s.recent[i].end, end
		}
		end = s.recent[i].start
	}
	if s.done < end {
		return s.done, end
	}
	for i := len(s.out.Regions) - 1; i >= 0; i-- {
		if r := s.out.Regions[i]; r.Kind == RegionLost || r.Kind == RegionPadding {
			return r.Start, r.End
		}
	}
	return 0, 0
}

// lookInside looks for records inside the record read last, whose value is damaged though its framing seems intact: a length that grew may
// have led, by luck, to the end of some later record.
func (s *salvager) lookInside() {
	s.solve(s.recent[len(s.recent)-1].start, s.pos, 0)
}

// unusual reports whether a key that was read is unlike those before, at a first look and at a second one.
func (s *salvager) unusual(f *record, key []byte) bool {
	c := s.census
	switch {
	case f.nameless:
		return true
	case c.keys < 4 || f.verified:
		return false
	case c.oddControl(key) || len(key) > longOdd && hasControl(key) && rareName*(max(c.binary, 1)-1) < c.tested:
		return true
	case c.usual(f.typ, key[0], 1):
		return false
	}
	s.probe.forgetAll()
	p := s.probe.probe(f.start)
	return p != nil && p.score < unusualBits
}

// longOdd is the size from which a key can have taken one record and the beginning of another; then it has control characters.
const longOdd = 16

// unusualBits is the evidence below which a record may have been read by luck.
const unusualBits = 4

// reconsider looks whether the record before some unusual ones swallowed others, so that these were read by luck.
func (s *salvager) reconsider() {
	i := len(s.recent) - 1
	for i > 0 && s.recent[i].start >= s.weak {
		i--
	}
	s.weak = 0
	f := &s.recent[i]
	if f.verified || f.what != isKey {
		return
	}
	s.solve(f.start, s.recent[len(s.recent)-1].start, calmBits)
}

// hopelessBits is the evidence below which a key is no reason to believe in what stands around it.
const hopelessBits = -18

// solveMost is how many bytes are read anew where nothing failed.
const solveMost = 64 << 20

// solve reads anew what was read from an offset on, up to another. calm is the evidence that there must be for damage beside that for the
// records found.
func (s *salvager) solve(w, end int64, calm float64) {
	if end-w > solveMost {
		return
	}
	g := s.newGap(w, end)
	g.anchor, g.found, g.calm = end, true, calm
	s.probe.forgetAll()
	s.probe.reach = end
	defer func() { s.probe.reach = 0 }()
	least := float32(math.Inf(-1))
	if calm > 0 {
		least = calmLeast
	}
	var behind []record
	for i := len(s.recent) - 1; i >= 0 && s.recent[i].start >= w; i-- {
		if s.recent[i].start < end {
			g.stuck[s.recent[i].start] = true
			s.probe.recall(&s.recent[i], least)
		} else {
			behind = append(behind, s.recent[i])
		}
	}
	p := &s.probe
	passed := p.rest(w)
	for at := w; at < end; at++ {
		for len(passed) > 0 && at > passed[0].start {
			at = max(at, passed[0].end)
			passed = passed[1:]
		}
		b := p.view.at(at, 64)
		switch {
		case len(b) == 0:
			return
		case at > w && b[0] == 0 && p.view.zeros(at, zeroRun) == zeroRun:
			at += zeroRun - 4
		case magicAt(b) && g.embedded(&at):
		default:
			p.probe(at)
		}
	}
	pos, doubts, was := s.pos, len(s.doubts), s.recent[:len(s.recent)-len(behind)]
	path := g.best()
	if !same(path, was, w) {
		path = s.judge(path, g)
	} else if path = s.buried(g); path == nil {
		return
	}
	if calm > 0 && g.gained(path) < calm {
		s.doubts = s.doubts[:doubts]
		return
	}
	s.judgeBefore(path, g)
	s.replace(g, path)
	slices.Reverse(behind)
	s.recent = append(s.recent, behind...)
	s.pos = pos
}

// judgeBefore leaves out the record before those read anew, if nothing begins any more where it ends and that is not where it seems to end.
func (s *salvager) judgeBefore(path []*record, g *gap) {
	i := len(s.recent) - 1
	for i >= 0 && s.recent[i].start >= g.w {
		i--
	}
	if i < 0 || s.recent[i].end != g.w || s.recent[i].damaged || len(path) > 0 && path[0].start == g.w {
		return
	}
	if g.next = g.anchor; len(path) > 0 {
		g.next = path[0].start
	}
	if f := &s.recent[i]; !s.endsThere(f, g) {
		f.damaged, f.doubt = true, DoubtEnd
	}
}

// gained is the evidence for the records of a reading that are not those read before. Where nothing failed they must be one row up to the
// anchor: several lie in what a value holds.
func (g *gap) gained(path []*record) (bits float64) {
	end := g.anchor
	for _, f := range slices.Backward(path) {
		if g.stuck[f.start] {
			break
		}
		if f.end != end {
			return 0
		}
		end = f.start
		if !f.damaged {
			bits += float64(f.score)
		}
	}
	return bits
}

// same reports whether a reading is what was read from an offset on.
func same(path []*record, recent []record, w int64) bool {
	for i := len(recent) - 1; i >= 0 && recent[i].start >= w; i-- {
		n := len(path)
		if n == 0 || path[n-1].start != recent[i].start {
			return false
		}
		path = path[:n-1]
	}
	return len(path) == 0
}
