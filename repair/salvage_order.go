package repair

import "bytes"

// Saves select databases in ascending order, each once. If a number is wrong that mostly shows:
//
//	SELECTDB 0 │ 60 of 60 keys │ SELECTDB 3 │ 60 of 60 keys │ SELECTDB 3 │ 60 of 60 keys │ SELECTDB 9 │ ...
//
// One of both is wrong. But blocks of the file can be in other places, or stand twice. Then there are not as many keys behind each as its counts say, or the same ones.

// doubtOrder looks for the one database that was selected out of order, and has all of its keys. If it can be one alone its selection counts as lost; if it can be either of two, both are
// doubted. It reports whether any key may have to be placed anew.
func (s *salvager) doubtOrder() (any bool) {
	if s.out.ChecksumRight || !s.sumWrong && s.out.Gaps == 0 && s.out.Complete { // nothing says that it is damaged, and other programs can write databases in any order
		return false
	}
	var at []int // segments that are selected
	falls := 0   // how often it is not a higher one that follows
	for i := range s.segs {
		if !s.segs[i].selected {
			continue
		}
		if n := len(at); n > 0 && s.segs[at[n-1]].db >= s.segs[i].db {
			falls++
		}
		at = append(at, i)
	}
	for k := 1; k < len(at) && falls <= 2; k++ {
		if s.segs[at[k-1]].db < s.segs[at[k]].db {
			continue
		}
		first, second := s.ascends(at, k-1), s.ascends(at, k)
		same := s.segs[at[k-1]].db == s.segs[at[k]].db // which other files, or parts in other places, hardly make it
		switch {
		case !first && !second || !s.complete(at, k-1, same) || !s.complete(at, k, same) || s.sameKeys(at[k-1], at[k]):
			return false
		case first && second:
			a, b := &s.segs[at[k-1]], &s.segs[at[k]]
			a.doubted, b.doubted = true, true
			if !same {
				return false // which has the keys of neither in another one's place
			}
			if low, high := s.between(at, k-1), s.between(at, k); low > 0 {
				s.selectionLost(at, k-1)
				b.doubted = high > 0
			} else if high > 0 {
				s.selectionLost(at, k)
				a.doubted = false
			}
		case first:
			s.selectionLost(at, k-1)
		default:
			s.selectionLost(at, k)
		}
		return true
	}
	return false
}

// selectionLost makes the selected segment k one of which the selection is lost, and doubts all up to the next one.
func (s *salvager) selectionLost(at []int, k int) {
	g := &s.segs[at[k]]
	if g.selected, g.gap = false, true; at[k] == 0 { // nothing before says more
		g.db = 0
	}
	for i := at[k]; i < s.endOf(at, k); i++ {
		s.segs[i].doubted = true
	}
}

// endOf returns the segment behind those of the selected segment k.
func (s *salvager) endOf(at []int, k int) int {
	if k+1 < len(at) {
		return at[k+1]
	}
	return len(s.segs)
}

// ascends reports whether the databases are in order without that of the selected segment k.
func (s *salvager) ascends(at []int, k int) bool {
	last := -1
	for i := range at {
		if i == k {
			continue
		}
		if last >= 0 && s.segs[at[last]].db >= s.segs[at[i]].db {
			return false
		}
		last = i
	}
	return true
}

// between returns how many databases there can be in the place of the selected segment k of two with the same number.
func (s *salvager) between(at []int, k int) uint64 {
	low, high := uint64(0), max(s.opt.databases, defaultDBs)
	if k > 0 {
		low = s.segs[at[k-1]].db + 1
	}
	if k+1 < len(at) {
		high = s.segs[at[k+1]].db
	}
	if high <= low {
		return 0
	}
	return high - low
}

// complete reports whether there are as many keys from a selected segment up to the next one as the file says, beside those, if lost says so, that can have been lost in gaps.
func (s *salvager) complete(at []int, k int, lost bool) bool {
	g, r := &s.segs[at[k]], region{}
	for i := at[k]; i < s.endOf(at, k); i++ {
		if i > at[k] {
			r.gaps += s.segs[i].start - r.end
		}
		r.add(&s.segs[i])
	}
	missing := int64(min(g.hint[0], 1<<62)) - r.keys
	return g.hinted && (missing == 0 || lost && missing > 0 && r.canHold(missing))
}

// sameKeys reports whether two segments begin with the same bytes behind their selections: one is a copy.
func (s *salvager) sameKeys(i, k int) bool {
	const most = 32
	first := bytes.Clone(s.probe.view.at(s.segs[i].start+2, most))
	b := s.probe.view.at(s.segs[k].start+2, most)
	return len(first) >= most && len(b) >= most && bytes.Equal(first[:most], b[:most])
}
