package repair

// A key behind damage may have lost its expiry to it, and nothing there shows that. But the file says how many keys of a database expire: where there are
// fewer among those that are kept, and those that are lost do not account for it, some of the kept ones have lost theirs. Where there are as many, none has, whatever it looks like.

// bareMost is how many keys are noted that may be bare, and how many that seem to be.
const bareMost = 64

// behindDamage reports whether what was entered in the map last is damage.
func (s *salvager) behindDamage() bool {
	r := s.out.Regions
	if len(r) == 0 {
		return false
	}
	switch r[len(r)-1].Kind {
	case RegionDamaged, RegionDoubt, RegionLost, RegionPadding:
		return true
	}
	return false
}

// bareAccount is what is known of the keys of a database.
type bareAccount struct {
	hinted         bool
	keys, expiring int64 // as the file says
	kept           int64
	accounted      int64 // keys that are kept or known to be lost
	sure           int64 // those of them that were keys without doubt
	unnamed        int64 // records beside those that were keys too
	known          int64 // those of them that expire
	expires        int64 // those of these that are kept
	torn           int64 // those that may
	uncertain      bool  // of some it is not certain that they are of this database
}

// accounts returns what is known of the keys of each database; nil if there are too many of them.
func (s *salvager) accounts() map[uint64]*bareAccount {
	accounts := map[uint64]*bareAccount{}
	for i := range s.segs {
		g := &s.segs[i]
		a := accounts[g.db]
		if a == nil {
			if len(accounts) == segmentsMost/8 {
				return nil
			}
			a = &bareAccount{}
			accounts[g.db] = a
		}
		a.kept += g.keys
		a.accounted += g.keys + g.lost
		a.sure += g.keys + g.sure
		a.unnamed += g.unnamed
		a.known += g.expires + g.gone
		a.expires += g.expires
		a.torn += g.torn
		a.uncertain = a.uncertain || g.guessed() && i > 0
		if g.hinted {
			a.hinted = true
			a.keys += int64(min(g.hint[0], 1<<62))
			a.expiring += int64(min(g.hint[1], 1<<62))
		}
	}
	for _, a := range accounts {
		if !a.hinted || a.kept != a.keys {
			return accounts
		}
	}
	for _, a := range accounts { // each has its keys, so none is another's
		a.uncertain = false
	}
	return accounts
}

// full reports whether all keys of the database are kept.
func (a *bareAccount) full() bool { return a != nil && a.hinted && !a.uncertain && a.kept >= a.keys }

// total is what is known of all databases together: in which of them keys behind a gap belong does not matter for that.
func total(accounts map[uint64]*bareAccount) *bareAccount {
	t := &bareAccount{hinted: len(accounts) > 0}
	for _, a := range accounts {
		t.hinted = t.hinted && (a.hinted || a.accounted == 0)
		t.keys += a.keys
		t.kept += a.kept
		t.accounted += a.accounted
		t.sure += a.sure
	}
	return t
}

// missing is how many keys that are kept must have lost their expiry.
func (a *bareAccount) missing() int64 {
	if a == nil || !a.hinted || a.uncertain {
		return 0
	}
	surplus := a.accounted - a.keys // which were none of its keys, or stand twice
	return a.expiring - a.known - max(0, a.torn-surplus)
}

// cutBare leaves out keys that must have lost their expiry, if there are few that may.
func (s *salvager) cutBare() {
	const few = 4
	if len(s.bareKeys) == 0 || len(s.bareKeys) == bareMost {
		return
	}
	accounts := s.accounts()
	may := map[uint64]int64{}
	for _, k := range s.bareKeys {
		may[s.segs[k.segment].db]++
	}
	for _, k := range s.bareKeys {
		db := s.segs[k.segment].db
		if n := accounts[db].missing(); n > 0 && may[db] <= max(few, n) {
			s.cutDoubtful(k, false, DoubtExpiry)
		}
	}
}

// leaveOpen has a key that seems to have lost its expiry kept until all keys of its database that expire were counted, and reports whether that can tell: of what else may have been lost
// before it, an idle time or a counter, no counts do.
func (s *salvager) leaveOpen(f *record) bool {
	if !s.census.hinted || len(s.open) >= bareMost || !f.modified && s.census.idle+s.census.freqs > 0 {
		return false
	}
	if s.open == nil {
		s.open = map[int64]bool{}
	}
	s.open[f.start] = true
	return true
}

// noteOpen notes such a key, which is kept, with its segment.
func (s *salvager) noteOpen(start, end int64, segment int) {
	if s.open[start] {
		s.openKeys = append(s.openKeys, cut{span{start, end}, segment})
	}
}

// complete reports whether all keys of the database that expire are kept, or known to be lost where all of its keys are either: else one that is lost could be the beginning of one that
// is kept.
func (a *bareAccount) complete() bool {
	if a == nil || !a.hinted || a.uncertain || a.kept > a.keys {
		return false
	}
	return a.expires == a.expiring || a.known == a.expiring && a.torn == 0 && a.sure == a.keys && a.accounted == a.keys
}

// cutOpen leaves out keys that seem to have lost their expiry, but where all keys that expire have theirs.
func (s *salvager) cutOpen() {
	if len(s.openKeys) == 0 {
		return
	}
	accounts := s.accounts()
	for _, k := range s.openKeys {
		if !accounts[s.segs[k.segment].db].complete() {
			s.cutDoubtful(k, false, DoubtExpiry)
		}
	}
}
