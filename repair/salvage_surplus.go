package repair

import (
	"cmp"
	"errors"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// Before a key's type servers write at most one expiry, and behind that at most one idle time or access counter. These they write for all keys or
// for none, as the eviction policy says. What stands there beside that does not belong to the key: it was put there, or is what damage left of
// another. A server reads it all and lets the last one count; here the key is kept without it.

// surplus finds out how much of what stands before the type of a key is not its own. carried tells of a key to which a server would give what stands
// before the record before it.
func (s *salvager) surplus(f *record, carried bool) {
	const most = 64 // bytes before a type
	b := s.probe.view.at(f.start, most)
	n := afterModifiers(b)
	if n < 0 || s.x.entry.Meta != nil {
		f.damaged = f.damaged || carried
		return
	}
	var at []int // where the modifiers begin
	for i := 0; i < n; i += modifierSize(b[i:]) {
		at = append(at, i)
	}
	own, expires := len(at), false
	if own > 0 && !isExpiry(b[at[own-1]]) {
		own--
	}
	if own > 0 && isExpiry(b[at[own-1]]) {
		own--
		expires = true
	}
	for _, i := range at[:own] {
		if isExpiry(b[i]) && !expires { // which may be its own all the same
			f.damaged, f.doubt = true, DoubtExpiry
			return
		}
	}
	switch {
	case own < len(at):
		f.extra = uint8(at[own])
	case own > 0:
		f.extra = uint8(n)
	}
	f.expires, f.modified = expires && s.x.entry.ExpireAt != rdb.NoExpire, own < len(at)
	if expires {
		f.form = shape(s.x.key)
		f.oddTime = textTime(s.x.entry.ExpireAt) || s.tooLong(s.x.entry)
	}
	if len(at) == 1 && !expires {
		f.lone = uint8(n)
	}
}

// keepSurplus takes over what was found out of a record when it was read in a row.
func (f *record) keepSurplus(was *record) {
	f.extra, f.lone, f.form, f.oddTime, f.expires = was.extra, was.lone, was.form, was.oddTime, was.expires
	f.tail, f.weak = was.tail, was.weak
	if was.damaged && was.doubt != "" && !f.damaged {
		f.damaged, f.doubt = true, was.doubt
	}
}

// modifierSize returns how many bytes an expiry, idle time or counter takes that begins b.
func modifierSize(b []byte) int {
	switch b[0] {
	case opExpireTimeMS:
		return 9
	case opExpireTime:
		return 5
	case opFreq:
		return 2
	}
	_, n, _, _ := lengthForm(b[1:])
	return 1 + n
}

func isExpiry(op byte) bool { return op == opExpireTimeMS || op == opExpireTime }

// takeSurplus takes from a key what is not its own.
func (s *salvager) takeSurplus(f *record) {
	const rare = 64
	if c := s.census; f.lone > 0 && rare*(uint64(c.idle+c.freqs)-1)+oddLeast < uint64(c.keys) {
		f.extra = f.lone
	}
	at := f.start + int64(f.extra)
	s.mark(f.start, at, RegionDoubt)
	f.start = at
}

// expiringMost is how many keys that expire are noted.
const expiringMost = 4

// oddTimesMost is how many expiries that are text are rather damaged ones; in a file with more of them they are meant.
const oddTimesMost = 2

// textTime reports whether an expiry of an odd time is rather a piece of text.
func textTime(at int64) bool {
	const most = 6 // of the eight bytes
	if !oddTime(at) {
		return false
	}
	n := 0
	for i := range 8 {
		if printable(byte(at >> (8 * i))) {
			n++
		}
	}
	return n >= most
}

// tooLong reports whether an expiry of an odd time has rather taken a part of the idle time or counter behind it, which most keys have.
func (s *salvager) tooLong(e *rdb.Entry) bool {
	c := s.census
	return oddTime(e.ExpireAt) && e.Idle < 0 && e.Freq < 0 && 2*uint64(c.idle+c.freqs) > uint64(c.keys)
}

// oddTime reports whether an expiry is of a time that nobody means.
func oddTime(at int64) bool { return at <= 0 || at > year11476 }

// noteExpiring notes keys that expire: the first ones, and those of whose form no other does.
func (s *salvager) noteExpiring(k span, form uint32, oddTime bool, g *segment) {
	const many = 8
	if oddTime && len(s.oddTimes) <= oddTimesMost {
		s.oddTimes = append(s.oddTimes, cut{k, len(s.segs) - 1})
	}
	if !g.hinted {
		return
	}
	if len(g.expiring) <= expiringMost {
		g.expiring = append(g.expiring, k)
	}
	if len(g.odd) > expiringMost {
		return
	}
	if u := s.census.shapes[form]; u.keys >= many && u.expires <= 1 {
		g.odd = append(g.odd, k)
	}
}

// errUnlisted ends a salvage that would have to know the keys that expire in runs that it passed in one step.
var errUnlisted = errors.New("keys that expire are not listed")

// unlisted reports whether more keys expire than the file says where not all of these were looked at.
func (s *salvager) unlisted() bool {
	return slices.ContainsFunc(s.segs, func(g segment) bool { return g.unlisted && g.hinted && g.expires > int64(g.hint[1]) })
}

// cutSurplus leaves out keys that expire where the file says that fewer do: those unlike others of their form, or else all if they are few. An expiry
// may have been put before a key, or be that of a key that was lost.
func (s *salvager) cutSurplus() {
	const few = 64
	if s.out.Gaps > 0 && len(s.oddTimes) <= oddTimesMost {
		for _, k := range s.oddTimes {
			s.cutExpiring(k.segment, []span{k.span})
		}
	}
	s.cutTails()
	for i := range s.segs {
		g := &s.segs[i]
		surplus := g.expires - int64(g.hint[1])
		none := g.hint[1] == 0
		switch {
		case !g.hinted || surplus <= 0 || !none && uint64(g.keys) != g.hint[0]:
		case len(g.odd) > 0 && int64(len(g.odd)) <= surplus && !none:
			s.cutExpiring(i, g.odd)
		case surplus == 1 && g.expires <= expiringMost || none && g.expires <= expiringMost && few*g.expires <= g.keys:
			s.cutExpiring(i, g.expiring)
		}
	}
}

// cutExpiring leaves out keys of a segment that should not expire.
func (s *salvager) cutExpiring(segment int, keys []span) {
	for _, k := range keys {
		s.cutDoubtful(cut{k, segment}, true, DoubtExpiry)
	}
}

// cutDoubtful leaves out a key of whose expiry there is doubt. It reports whether it was not left out yet.
func (s *salvager) cutDoubtful(k cut, expires bool, why Doubt) bool {
	if _, found := slices.BinarySearchFunc(s.cuts, k, compareCuts); found || s.expiryCuts[k.start] {
		return false
	}
	if s.expiryCuts == nil {
		s.expiryCuts = map[int64]bool{}
	}
	s.expiryCuts[k.start] = true
	g := &s.segs[k.segment]
	s.surplusCuts = append(s.surplusCuts, k)
	g.keys--
	if expires {
		g.expires--
	}
	s.out.DoubtfulKeys++
	s.nameLost(k.start, k.end, LostKey{DB: g.db, Doubt: why})
	return true
}

// tail is a key that may have lost its expiry, or whose value may end with that of the next one.
type tail struct {
	cut
	expires bool
}

// cutTails leaves out keys that seem to have lost their expiry to the value before, and the keys of these values, if the file is known to be damaged:
// values may end like that.
func (s *salvager) cutTails() {
	for _, k := range s.tails {
		g := &s.segs[k.segment]
		if s.out.Gaps == 0 && (!g.hinted || g.expires >= int64(g.hint[1])) {
			continue
		}
		s.cutDoubtful(k.cut, k.expires, DoubtExpiry)
	}
}

// enterSurplusCuts has the keys of whose expiries there is doubt left out, and changes the map where they lie.
func (s *salvager) enterSurplusCuts() {
	slices.SortFunc(s.surplusCuts, compareCuts)
	s.remark(s.surplusCuts, RegionDoubt)
	s.cuts = append(s.cuts, s.surplusCuts...)
}

// remark says in the map what records are that are left out, in file order.
func (s *salvager) remark(left []cut, kind RegionKind) {
	if len(left) == 0 {
		return
	}
	regions := make([]Region, 0, len(s.out.Regions)+2*len(left))
	for _, r := range s.out.Regions {
		for ; len(left) > 0 && left[0].start < r.End; left = left[1:] {
			c := left[0]
			if c.start < r.Start || c.end > r.End {
				continue
			}
			if r.Start < c.start {
				regions = append(regions, Region{r.Start, c.start, r.Kind})
			}
			regions = append(regions, Region{c.start, c.end, kind})
			r.Start = c.end
		}
		if r.Start < r.End {
			regions = append(regions, r)
		}
	}
	s.out.Regions = regions
}

// compareCuts orders cuts as they lie in the file.
func compareCuts(a, b cut) int { return cmp.Compare(a.start, b.start) }
