package repair

import (
	"cmp"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// The first record behind a gap can be a piece of the value that was lost there: a field and its value look like a key and its string. Mostly the evidence
// tells; where it says little the number of keys that the file says a database has can tell more. If there are more, with those that are known to be lost,
// the ones that have least for them are none.

const (
	weakMost = 64 // keys noted
	weakBits = textMost
)

// weakKey is a key that has little evidence for it.
type weakKey struct {
	cut
	score   float32
	expires bool
}

// markWeak marks the first records of a row behind damage, up to one that has evidence enough.
func markWeak(row []*record) {
	for _, f := range row {
		if f.what != isKey || f.damaged || f.verified || f.score >= weakBits {
			return
		}
		f.weak = true
	}
}

// noteWeak notes a key that was entered.
func (s *salvager) noteWeak(f *record) {
	k := weakKey{cut{span{f.start, f.end}, len(s.segs) - 1}, f.score, f.expires}
	if !f.weak && k.score == 0 { // of one that was read in a row
		k.score = float32(s.probe.soundHead(f.start, s.probe.view.at(f.start, 1<<10)))
	}
	if k.score < weakBits && len(s.weakKeys) < weakMost {
		s.weakKeys, s.weakEnd = append(s.weakKeys, k), f.end
	}
}

// surelyKey reports whether what is lost at an offset was a key, so that it counts among those that the file says a database has: it begins like one, or
// where the record before it ended.
func (s *salvager) surelyKey(at int64, like bool) bool {
	b := s.probe.view.at(at, 1<<10)
	if s.behindIntact(at) {
		typ := afterModifiers(b)
		return typ >= 0 && b[typ] < opMeta && s.census.table[b[typ]] == current
	}
	return like && s.probe.soundHead(at, b) >= headMin && s.probe.x.entry != nil
}

// keyMayBegin reports whether no other record than a key begins at an offset, though its type may be damaged.
func (s *salvager) keyMayBegin(at int64) bool {
	b := s.probe.view.at(at, 1)
	return len(b) > 0 && (b[0] < opMeta || isExpiry(b[0]) || b[0] == opIdle || b[0] == opFreq)
}

// countLost counts a key that is lost at an offset. like says that it begins like one, whole that it is known whether it expired if it begins where the
// record before it ended.
func (s *salvager) countLost(at int64, like, whole bool) {
	g := s.seg()
	g.lost++
	if !s.surelyKey(at, like) {
		g.torn++
		return
	}
	g.sure++
	switch {
	case !whole || !s.behindIntact(at) || s.probe.soundHead(at, s.probe.view.at(at, 1<<10)) < tailMin || s.probe.x.entry == nil:
		g.torn++
	case s.probe.x.entry.ExpireAt != rdb.NoExpire:
		g.gone++
	}
}

// behindIntact reports whether a record that is kept ends at an offset.
func (s *salvager) behindIntact(at int64) bool {
	r := s.out.Regions
	return len(r) > 0 && r[len(r)-1].Kind == RegionIntact && r[len(r)-1].End == at
}

// cutWeak leaves out keys with little evidence where there are too many.
func (s *salvager) cutWeak() {
	if len(s.weakKeys) == 0 || len(s.weakKeys) == weakMost {
		return
	}
	accounts := s.accounts()
	all := total(accounts)
	slices.SortStableFunc(s.weakKeys, func(a, b weakKey) int { return cmp.Compare(a.score, b.score) })
	of := func(k *weakKey) *bareAccount {
		if a := accounts[s.segs[k.segment].db]; a != nil && a.hinted && !a.uncertain {
			return a
		}
		return all
	}
	may := int64(0) // of those of which it is not certain of which database they are
	for i := range s.weakKeys {
		may += int64(one(of(&s.weakKeys[i]) == all))
	}
	another := all.sure-all.keys > may // one was lost with what selected it and said how many keys it has
	for i := range s.weakKeys {
		k := &s.weakKeys[i]
		a := of(k)
		if a == all && another {
			continue
		}
		if !a.hinted || a.sure <= a.keys {
			continue
		}
		if s.cutDoubtful(k.cut, k.expires, DoubtBeginning) {
			if a.sure--; a != all {
				all.sure--
			}
		}
	}
}
