package repair

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

// maxDuplicates is how many duplicate keys are told apart.
const maxDuplicates = 1 << 21

// ErrDuplicates is the error of a file with more duplicate keys than are told apart.
var ErrDuplicates = errors.New("repair: too many duplicate keys")

// finish completes the account when all of the file has been read.
func (s *salvager) finish() (*Salvaged, error) {
	s.settleVersion()
	if s.placeDBs() {
		s.again = true
	}
	if s.again {
		if err := s.countAgain(); err != nil {
			return nil, err
		}
	}
	if err := s.cutDuplicates(); err != nil {
		return nil, err
	}
	s.cutSurplus()
	s.applyCuts()
	out := &s.out
	s.sumUp()
	for _, r := range out.Regions {
		switch r.Kind {
		case RegionLost, RegionDamaged, RegionDoubt, RegionPadding:
			out.LostBytes += r.End - r.Start
		case RegionForeign:
			out.ForeignBytes += r.End - r.Start
		}
	}
	out.out = s.segs
	return out, nil
}

// placeDBs decides the databases of the keys behind gaps: SELECTDB may have been lost. A save writes the databases in ascending order, each
// once, so they lie between that before the gap and the next one that is selected; counts can rule out the first. It reports whether
// any key was moved.
func (s *salvager) placeDBs() (moved bool) {
	for i := range s.segs {
		g := &s.segs[i]
		if !g.gap || g.selected || i == 0 {
			continue
		}
		before := g.db
		g.low, g.top = s.segs[i-1].db, s.nextDB(i)
		g.db = g.low
		if s.full(i) && g.low < g.top {
			g.low++
			g.db = g.low
		}
		if g.low >= g.top {
			g.certain = true
		} else if s.opt.LostDB != nil {
			g.db = *s.opt.LostDB
		}
		moved = moved || g.db != before && g.keys > 0
	}
	return moved
}

// anyDB is the top of what a database may be where nothing bounds it.
const anyDB = 1<<64 - 1

// nextDB returns the highest database that segment i can be of.
func (s *salvager) nextDB(i int) uint64 {
	for j := i + 1; j < len(s.segs); j++ {
		if g := &s.segs[j]; g.selected {
			if g.db > s.segs[i-1].db {
				return g.db - 1
			}
			return s.segs[i-1].db
		}
	}
	if !s.manyDBs() && !s.full(i) {
		return s.segs[i-1].db
	}
	return anyDB
}

// manyDBs reports whether the file has more than one database, or the only one known is not the first.
func (s *salvager) manyDBs() bool {
	selected := 0
	for i := range s.segs {
		if s.segs[i].selected {
			selected++
		}
	}
	return selected != 1 || s.segs[0].selected && s.segs[0].db > 0
}

// full reports whether the database before segment i has no room for most of the keys of it; a few too many may stand there twice.
func (s *salvager) full(i int) bool {
	db := s.segs[i-1].db
	keys := s.segs[i].keys
	for j := i - 1; j >= 0; j-- {
		g := &s.segs[j]
		if g.db != db {
			break
		}
		keys += g.keys
		if g.hinted {
			return uint64(keys) > g.hint[0] && 2*(uint64(keys)-g.hint[0]) > uint64(s.segs[i].keys)
		}
	}
	return false
}

// countAgain looks for duplicates anew, over what is in the output, in the databases that were decided.
func (s *salvager) countAgain() error {
	s.keys.close()
	s.keys = newKeySet(s.opt)
	x := newRecordReader(s.opt)
	defer x.r.Close()
	var f record
	for i := range s.segs {
		for _, p := range s.segs[i].pieces {
			if err := s.tick(p.start); err != nil {
				return err
			}
			x.r.Resume(io.NewSectionReader(s.src, p.start, p.end-p.start), s.probe.position(p.start))
			for x.head(&f) {
				if f.what == isKey {
					s.keys.add(inDB(f.sum, s.segs[i].db), f.start)
				}
			}
		}
	}
	for _, p := range s.out.partials {
		x.r.Resume(io.NewSectionReader(s.src, p.start, p.end-p.start), s.probe.position(p.start))
		if x.head(&f) {
			s.keys.add(inDB(f.sum, s.segs[p.segment].db), p.start)
		}
	}
	return nil
}

// cutDuplicates leaves out all but the last of keys with one name.
func (s *salvager) cutDuplicates() error {
	dups, seen, err := s.keys.finish()
	if err != nil {
		return fmt.Errorf("looking for duplicate keys: %w", err)
	}
	if seen > int64(len(dups)) {
		return fmt.Errorf("%w: %d", ErrDuplicates, seen)
	}
	s.keys.close()
	slices.SortFunc(dups, func(a, b dupset.Dup) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Second, b.Second))
	})
	s.cuts = slices.Grow(s.cuts, len(dups))
	x := newSmallReader()
	defer x.r.Close()
	for len(dups) > 0 {
		n := 1
		for n < len(dups) && dups[n].First == dups[0].First {
			n++
		}
		s.keepOne(dups[:n], x)
		dups = dups[n:]
	}
	return nil
}

// keepOne leaves out all keys but the last of those that share a name: the first one, and dups of it in file order. One that is whole is
// preferred to one that is kept in part.
func (s *salvager) keepOne(dups []dupset.Dup, x *recordReader) {
	at := func(i int) int64 { // where the record of the i-th of them begins
		if i == 0 {
			return dups[0].First
		}
		return dups[i-1].Second
	}
	keep := len(dups)
	for i := len(dups); i >= 0; i-- {
		if s.partialAt(at(i)) < 0 {
			keep = i
			break
		}
	}
	for i := range len(dups) + 1 {
		if i != keep {
			s.cutKey(at(i), x)
			s.out.DuplicateKeys++
		}
	}
}

// partialAt returns the index of the key kept in part whose record begins at an offset, -1 if there is none.
func (s *salvager) partialAt(at int64) int {
	i, found := slices.BinarySearchFunc(s.out.partials, at, func(p partial, at int64) int { return cmp.Compare(p.start, at) })
	if !found {
		return -1
	}
	return i
}

// cutKey leaves out the key whose record begins at an offset; x is to read it.
func (s *salvager) cutKey(at int64, x *recordReader) {
	if k := s.partialAt(at); k >= 0 {
		p := s.out.partials[k]
		s.out.partials = slices.Delete(s.out.partials, k, k+1)
		s.out.PartialKeys--
		s.segs[p.segment].keys--
		if p.expires {
			s.segs[p.segment].expires--
		}
		return
	}
	i := s.segmentAt(at)
	x.r.Resume(io.NewSectionReader(s.src, at, s.size-at), s.probe.position(at))
	var f record
	if !x.head(&f) {
		return
	}
	if err := x.value(&f); err != nil {
		return
	}
	s.cuts = append(s.cuts, cut{span{at, f.end}, i})
	g := &s.segs[i]
	g.keys--
	if f.expires {
		g.expires--
	}
}

// applyCuts takes the cuts out of the pieces.
func (s *salvager) applyCuts() {
	slices.SortFunc(s.cuts, func(a, b cut) int { return cmp.Compare(a.start, b.start) })
	if len(s.cuts) == 0 {
		return
	}
	k := 0
	for i := range s.segs {
		g := &s.segs[i]
		n := len(g.pieces) // at most, when all is cut
		for _, c := range s.cuts[k:] {
			if n == 0 || c.start >= g.pieces[len(g.pieces)-1].end {
				break
			}
			n++
		}
		pieces := make([]span, 0, n)
		for _, p := range g.pieces {
			for k < len(s.cuts) && s.cuts[k].start < p.end {
				if c := s.cuts[k]; c.start >= p.start {
					if c.start > p.start {
						pieces = append(pieces, span{p.start, c.start})
					}
					p.start = c.end
				}
				k++
			}
			if p.start < p.end {
				pieces = append(pieces, p)
			}
		}
		g.pieces = pieces
	}
}

// sumUp adds up what became of each database.
func (s *salvager) sumUp() {
	at := map[uint64]int{}
	for i := range s.segs {
		g := &s.segs[i]
		if len(g.pieces) == 0 && !g.hinted && g.keys == 0 {
			continue
		}
		k, known := at[g.db]
		if !known {
			k = len(s.out.DBs)
			at[g.db] = k
			s.out.DBs = append(s.out.DBs, DBAccount{DB: g.db})
		}
		d := &s.out.DBs[k]
		d.Kept += g.keys
		d.Expires += g.expires
		if g.gap && !g.selected && !g.certain {
			d.Guessed += g.keys
		}
		if g.hinted {
			d.Hinted, d.Expected = true, d.Expected+g.hint[0]
		}
		s.out.Keys += g.keys
		s.out.Expires += g.expires
	}
	slices.SortFunc(s.out.DBs, func(a, b DBAccount) int { return cmp.Compare(a.DB, b.DB) })
}
