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
	if s.freeSwallowed() {
		s.again = true
	}
	if s.placeDBs() {
		s.again = true
		for i := range s.out.Lost {
			l := &s.out.Lost[i]
			l.DB = s.segs[s.segmentAt(l.Offset)].db
		}
	}
	if s.freeHollow() {
		s.again = true
	}
	if s.freeBlocks() {
		s.again = true
	}
	if s.freeFirstBlock() {
		s.again = true
	}
	if s.confirmThin() {
		s.again = true
	}
	if s.freeMoved() {
		s.again = true
	}
	if s.again {
		if err := s.countAgain(nil); err != nil {
			return nil, err
		}
	}
	if err := s.cutDuplicates(); err != nil {
		return nil, err
	}
	s.cutLibraries()
	slices.SortFunc(s.cuts, compareCuts) // what is in them is not left out twice
	if !s.truncate {
		s.cutWeak()
		s.cutForms()
		s.cutModules()
		s.cutShort()
		if s.unlisted() {
			return nil, errUnlisted
		}
		s.cutSurplus()
		s.cutOpen()
		s.cutBare()
	}
	s.remark(s.cuts, RegionDuplicate)
	s.enterSurplusCuts()
	s.applyCuts()
	s.settleVersion()
	out := &s.out
	s.sumUp()
	for _, r := range out.Regions {
		switch r.Kind {
		case RegionDuplicate:
			out.DuplicateBytes += r.End - r.Start
			out.LostBytes += r.End - r.Start
		case RegionLost, RegionDamaged, RegionDoubt, RegionPadding:
			out.LostBytes += r.End - r.Start
		case RegionForeign:
			out.ForeignBytes += r.End - r.Start
		}
	}
	out.out, out.sumWrong, out.damaged = s.segs, s.sumWrong, s.damaged()
	return out, nil
}

// countAgain looks for duplicates anew, over what is in the output, in the databases that were decided: among all keys, or some suspects.
func (s *salvager) countAgain(suspects *dupset.Suspects) error {
	s.keys.close()
	s.keys = newExactKeySet(s.opt, suspects)
	s.needed = [len(s.needed)]versionUse{}
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
				if s.needsRecord(&f); f.what != isKey {
					continue
				}
				if err := s.keys.addExact(x.key, s.segs[i].db, f.start); err != nil {
					return fmt.Errorf("looking for duplicate keys: %w", err)
				}
			}
		}
	}
	if err := s.addLost(); err != nil {
		return err
	}
	for _, p := range s.out.partials {
		x.r.Resume(io.NewSectionReader(s.src, p.start, p.end-p.start), s.probe.position(p.start))
		if x.head(&f) {
			s.needsRecord(&f)
			if err := s.keys.addExact(x.key, s.segs[p.segment].db, p.start); err != nil {
				return fmt.Errorf("looking for duplicate keys: %w", err)
			}
		}
	}
	return nil
}

// cutDuplicates leaves out all but the last of keys with one name.
func (s *salvager) cutDuplicates() error {
	if !s.again {
		if err := s.addLost(); err != nil {
			return err
		}
	}
	dups, seen, suspects, err := s.keys.finish()
	if err == nil && suspects != nil {
		if err := s.countAgain(suspects); err != nil {
			return err
		}
		dups, seen, _, err = s.keys.finish()
	}
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
	lost := s.lostPlaces()
	for len(dups) > 0 {
		n := 1
		for n < len(dups) && dups[n].First == dups[0].First {
			n++
		}
		if group := lost.without(dups[:n]); len(group) > 0 {
			s.keepOne(group, x)
		}
		dups = dups[n:]
	}
	s.forgetCopied(lost)
	return nil
}

// keepOne leaves out all keys but the last of those that share a name: the first one, and dups of it in file order. One that is whole is
// preferred to one that is kept in part, and among these one whose database is certain to one that may be of another.
func (s *salvager) keepOne(dups []dupset.Dup, x *recordReader) {
	at := func(i int) int64 { // where the record of the i-th of them begins
		if i == 0 {
			return dups[0].First
		}
		return dups[i-1].Second
	}
	keep, best := len(dups), -1
	for i := len(dups); i >= 0; i-- {
		worth := 0
		if s.partialAt(at(i)) < 0 {
			worth += 2
		}
		if !s.segs[s.segmentAt(at(i))].guessed() {
			worth++
		}
		if worth > best {
			keep, best = i, worth
		}
	}
	for i := range len(dups) + 1 {
		if i != keep {
			s.cutKey(at(i), at(keep), x)
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

// cutKey leaves out the key whose record begins at an offset, for another one that is kept; x is to read it.
func (s *salvager) cutKey(at, kept int64, x *recordReader) {
	x.r.Resume(io.NewSectionReader(s.src, at, s.size-at), s.probe.position(at))
	var f record
	if !x.head(&f) {
		return
	}
	if k := s.partialAt(at); k >= 0 {
		s.nameDuplicate(at, kept, s.segs[s.out.partials[k].segment].db, x)
		s.dropPart(k)
		return
	}
	i := s.segmentAt(at)
	s.nameDuplicate(at, kept, s.segs[i].db, x)
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
	slices.SortFunc(s.cuts, compareCuts)
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
		if g.guessed() {
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
