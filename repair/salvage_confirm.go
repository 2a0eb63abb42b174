package repair

import (
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// The first record behind a gap that has too little evidence may be a key all the same. Where the file says how many keys a database has, and all that are
// kept and all that are known to be lost are as many fewer as there are such records, these are the rest.
//
//	key | key, torn ~~~~~~ | too little | key | key ...      RESIZEDB: 5
//
// A piece of the value that was lost is none of the keys that the file counts, so there would be none missing. But damage that reaches over the end of one
// value into the next key leaves a piece of that one's value, and as many are missing then. So some evidence there must be all the same.

const (
	thinMost  = 64 // records noted
	thinBits  = 2  // evidence that there must be for one
	aloneBits = 2  // by how much more there must be than for another that ends where it does

	soughtMost = 1 << 25 // records looked at for those that end before a row
)

// thinHead is a record behind a gap of which nothing else is to be said than that there is little evidence.
type thinHead struct {
	span
	segment, before int // behind the gap, once that is entered, and before it
	expires         bool
}

// mayBeThin reports whether there is some evidence for a record: more where it may be a field of a hash, or its key is short or has control characters. A key that is written as an integer,
// of which any bytes are one, is none.
func (s *salvager) mayBeThin(f *record) bool {
	if f.score < thinBits || s.probe.integerKey(f) || f.likeField() && s.probe.integerThrough(f.start) || s.fieldsPossible() && f.likeField() && (f.score < solidBits || s.probe.fieldBefore(f.start)) {
		return false
	}
	key := s.keyOf(f)
	return f.score >= solidBits || len(key) >= alikeKey && !hasControl(key)
}

// noteThin notes the record that was judged last, if there is some evidence for it.
func (s *salvager) noteThin(f *record) {
	if s.mayBeThin(f) && len(s.thin) < thinMost && !slices.ContainsFunc(s.thin, func(t thinHead) bool { return t.start == f.start }) {
		s.thin = append(s.thin, thinHead{span: span{f.start, f.end}, segment: -1, expires: f.expires})
	}
}

// placeThin says where those belong that end with a gap, before a segment.
func (s *salvager) placeThin(start, end int64, before int) {
	for i := len(s.thin) - 1; i >= 0; i-- {
		if t := &s.thin[i]; t.segment < 0 && t.start >= start && t.end == end {
			t.segment, t.before = len(s.segs)-1, before
			end = t.start
			i = len(s.thin)
		}
	}
}

// confirmThin keeps the records with little evidence that must be keys. It reports whether there are any.
func (s *salvager) confirmThin() (any bool) {
	s.thin = slices.DeleteFunc(s.thin, func(t thinHead) bool { return t.segment < 0 || t.segment >= len(s.segs) })
	if len(s.thin) == 0 || len(s.thin) == thinMost {
		return false
	}
	accounts, count := s.accounts(), map[uint64]int64{}
	for i := range s.thin {
		t := &s.thin[i]
		if s.segs[t.segment].selected { // which follows it
			t.segment = t.before
		}
		count[s.segs[t.segment].db]++
	}
	slices.SortFunc(s.thin, func(a, b thinHead) int { return int(b.start - a.start) })
	for _, t := range s.thin {
		db := s.segs[t.segment].db
		if a := accounts[db]; a == nil || !a.hinted || a.uncertain && count[db] > 1 || a.keys-a.sure-a.unnamed != count[db] {
			continue
		}
		any = s.confirm(t) || any
	}
	return any
}

// confirm keeps a record with little evidence.
func (s *salvager) confirm(t thinHead) bool {
	g := &s.segs[t.segment]
	switch n := len(g.pieces); {
	case t.segment == t.before && n > 0 && g.pieces[n-1].end > t.start || t.segment != t.before && g.start != t.end:
		return false
	case t.segment == t.before:
		g.pieces = append(g.pieces, t.span)
	case n > 0 && g.pieces[0].start == t.end:
		g.start, g.pieces[0].start = t.start, t.start
	default:
		g.start, g.pieces = t.start, slices.Insert(g.pieces, 0, t.span)
	}
	g.keys++
	if t.expires {
		g.expires++
	}
	s.noteOpen(t.start, t.end, t.segment)
	doubted := func(r Region) bool { return r.Kind == RegionDoubt && r.Start <= t.start && t.end <= r.End }
	if slices.ContainsFunc(s.out.Regions, doubted) {
		named := func(k LostKey) bool { return k.Offset == t.start && k.Doubt == DoubtBeginning }
		s.out.Lost = slices.DeleteFunc(s.out.Lost, named)
		s.out.DoubtfulKeys--
		before := &s.segs[t.before]
		before.lost--
		before.torn--
	}
	s.out.Regions = remap(s.out.Regions, t.span, RegionIntact)
	return true
}

// remap changes what a range is in a map of regions.
func remap(old []Region, at span, kind RegionKind) (regions []Region) {
	add := func(start, end int64, kind RegionKind) {
		if start >= end {
			return
		}
		if n := len(regions); n > 0 && regions[n-1].Kind == kind && regions[n-1].End == start {
			regions[n-1].End = end
			return
		}
		regions = append(regions, Region{start, end, kind})
	}
	regions = make([]Region, 0, len(old)+2)
	for _, r := range old {
		add(r.Start, min(r.End, at.start), r.Kind)
		add(max(r.Start, at.start), min(r.End, at.end), kind)
		add(max(r.Start, at.end), r.End, r.Kind)
	}
	return regions
}

// likeliestHead returns the record with most evidence that ends where a row begins behind a gap, nil if there is none or not one alone: there was too
// little evidence to make it a part of the reading.
func (g *gap) likeliestHead(from, end int64) (best *record) {
	if g.s.sought += len(g.s.probe.known); g.s.sought > soughtMost {
		return nil
	}
	second := float32(0)
	for _, f := range g.s.probe.known {
		if f.end != end || f.start < from || f.what != isKey || f.damaged || f.nameless || g.stuck[f.start] || f.typ == rdb.TypeModule2 || !g.s.mayBeThin(f) {
			continue
		}
		switch {
		case best == nil || f.score > best.score || f.score == best.score && f.start < best.start:
			if best != nil {
				second = max(second, best.score)
			}
			best = f
		default:
			second = max(second, f.score)
		}
	}
	if best != nil && best.score < second+aloneBits {
		return nil
	}
	return best
}
