package repair

import "slices"

// A SELECTDB can get lost, and the keys behind it then seem to be of the database before. A save writes the databases in ascending order, each once, and before
// the keys of each how many there are:
//
//	SELECTDB 0 | RESIZEDB 3 | key | key | key | ~~~ gap ~~~ | key | key | ... | SELECTDB 9
//	                                                          └ of 1 to 8, as 0 is full
//
// So what stands behind a gap lies between the database before and the next one that is selected, and counts can rule out the first. But where blocks of the file
// were exchanged, or one is an older one, the databases are not in order, and nothing bounds them. Then counts alone say where there is room.

// placer decides the databases of the keys behind gaps.
type placer struct {
	s      *salvager
	next   []int32 // for each segment the next one behind it that is selected, 0 for none
	rooms  map[uint64]*dbRoom
	known  []uint64 // the databases that occur, in ascending order
	limit  uint64   // the highest database that one which does not occur can be
	mixed  bool     // the databases are not in order
	now    uint64   // of the segment before
	proved bool     // that is certain
	run    int      // the first segment since the last one that is selected
	since  region   // that, up to the segment before
}

// dbRoom is what is known of the room in a database.
type dbRoom struct {
	hinted bool
	hint   uint64 // keys that it has, as the file says
	keys   int64  // that there are
	region region // from where it is selected up to where the next one is
}

// region is what is known of a part of the file.
type region struct {
	keys, bytes int64 // records of keys that are kept or lost, and the bytes of all that are kept
	gaps        int64 // bytes of no known record
	end         int64 // of what is kept
}

// add takes note of a segment.
func (r *region) add(g *segment) {
	r.keys += g.keys + g.lost
	r.end = g.start
	for _, piece := range g.pieces {
		r.bytes += piece.end - piece.start
		r.end = piece.end
	}
}

// canHold reports whether so many keys can have been lost in the gaps.
func (r *region) canHold(missing int64) bool {
	const few = 4 // times shorter than those that are kept
	return missing <= r.gaps/max(leastRecord, r.bytes/max(1, r.keys)/few)
}

// short reports whether keys of the database must stand elsewhere: more are missing than can have been lost.
func (r *dbRoom) short() bool {
	return r.hinted && !r.region.canHold(int64(min(r.hint, 1<<62))-r.region.keys)
}

// full reports whether there is no room for most of some more keys; a few too many may stand there twice.
func (r *dbRoom) full(keys int64) bool {
	if r == nil {
		return false
	}
	n := uint64(r.keys + keys)
	return r.hinted && n > r.hint && 2*(n-r.hint) > uint64(keys)
}

// roomsMost is how many databases are looked at for room.
const roomsMost = 64

// placeDBs decides the databases of the keys behind gaps. It reports whether any key was moved.
func (s *salvager) placeDBs() (moved bool) {
	if !s.truncate {
		moved = s.doubtSelected()
		moved = s.doubtOrder() || moved
	}
	p := s.newPlacer()
	for i := range s.segs {
		g := &s.segs[i]
		if !g.gap || g.selected || i == 0 {
			p.now, p.proved, p.run = g.db, g.selected || !g.gap, i+1
			p.since = region{}
			p.since.add(g)
			continue
		}
		p.since.gaps += g.start - p.since.end
		before := g.db
		g.db, g.certain = p.place(i)
		p.room(g.db).keys += g.keys
		if g.db != p.now {
			p.since = region{}
		}
		p.since.add(g)
		p.now, p.proved = g.db, g.certain
		if !g.certain && s.opt.LostDB != nil {
			g.db = *s.opt.LostDB
		}
		moved = moved || g.db != before && g.keys > 0
	}
	if p.mixed {
		for i := range s.segs {
			s.segs[i].certain = false
		}
	}
	return moved
}

// doubtSelected corrects a selected database that the server does not have, where the next one is lower: no save writes them so; or where it is known that the server has no more, and that the
// file is damaged. If one bit of another number makes it that and there is only one such between its neighbours, it was that; else the selection counts as lost. It reports whether there was any.
func (s *salvager) doubtSelected() (any bool) {
	if s.opt.databases == 0 {
		return false
	}
	noMore := s.opt.noMore && s.damaged()
	next := s.nextSelected()
	low := uint64(0) // what the next one selected is at least
	for i := range s.segs {
		g := &s.segs[i]
		if !g.selected {
			continue
		}
		beyond := s.opt.databases // what it was is below
		if next[i] > 0 {
			beyond = min(beyond, s.segs[next[i]].db)
		}
		if g.db < s.opt.databases || !noMore && (next[i] == 0 || s.segs[next[i]].db >= g.db) {
			low = g.db + 1
			continue
		}
		any = true
		var fitting []uint64
		for bit := range 6 { // of a length of one byte
			if db := g.db ^ 1<<bit; db >= low && db < beyond {
				fitting = append(fitting, db)
			}
		}
		if len(fitting) == 1 {
			g.db, g.doubted = fitting[0], g.doubted || noMore && beyond > low+1 // more than a bit may be wrong
			low = g.db + 1
			continue
		}
		g.selected, g.gap = false, true
		if i == 0 {
			g.db = 0
		}
	}
	return any
}

// damaged reports whether the file is known to be damaged.
func (s *salvager) damaged() bool {
	return !s.out.ChecksumRight && (s.sumWrong || s.out.Gaps > 0 || s.out.DamagedKeys > 0 || !s.out.Complete)
}

func (s *salvager) newPlacer() *placer {
	if g := &s.segs[0]; s.out.HeaderDamaged && !g.selected { // what selects the database may have stood before it
		g.gap = true
	}
	p := &placer{s: s, next: s.nextSelected(), rooms: map[uint64]*dbRoom{}, proved: true}
	last, any, of := uint64(0), false, &region{}
	for i := range s.segs {
		g := &s.segs[i]
		if i > 0 {
			of.gaps += g.start - of.end
		}
		if g.selected {
			of = &p.room(g.db).region
		}
		of.add(g)
		if i > 0 && !g.selected {
			continue
		}
		r := p.room(g.db)
		if r.keys += g.keys; g.hinted {
			r.hinted, r.hint = true, max(r.hint, g.hint[0])
		}
		if g.selected {
			p.mixed = p.mixed || any && g.db <= last
			last, any = g.db, true
		}
		if g.selected || g.keys > 0 {
			p.known = append(p.known, g.db)
		}
	}
	slices.Sort(p.known)
	p.known = slices.Compact(p.known)
	if p.limit = defaultDBs - 1; s.opt.databases > 0 {
		p.limit = s.opt.databases - 1
	}
	if n := len(p.known); n > 0 && s.opt.databases == 0 {
		p.limit = max(p.limit, p.known[n-1])
	}
	return p
}

func (p *placer) room(db uint64) *dbRoom {
	r := p.rooms[db]
	if r == nil {
		r = &dbRoom{}
		p.rooms[db] = r
	}
	return r
}

// nextSelected returns for each segment the index of the next one behind it that is selected, 0 for none.
func (s *salvager) nextSelected() []int32 {
	next := make([]int32, len(s.segs))
	at := int32(0)
	for i := len(s.segs) - 1; i >= 0; i-- {
		if next[i] = at; s.segs[i].selected {
			at = int32(i)
		}
	}
	return next
}

// place returns the database of a segment behind a gap, and whether that is certain.
func (p *placer) place(i int) (db uint64, certain bool) {
	g := &p.s.segs[i]
	full, sure := p.rooms[p.now].full(g.keys), p.proved && !p.mixed
	top := max(p.now, p.limit) // the highest database that it can be
	switch next := p.next[i]; {
	case next > 0 && p.s.segs[next].db <= p.now: // out of order: it is rather of one before the next
		if db, ok := p.below(p.s.segs[next].db, g.keys); ok {
			return db, false
		}
		top, sure = p.now, false
	case next > 0:
		top = p.s.segs[next].db - 1
	case !p.s.manyDBs() && !full && p.proved:
		top = p.now
	default: // what bounds it is no part of the file
		sure = false
	}
	switch {
	case !full:
		return p.now, sure && top == p.now
	case p.next[i] > 0 && top == p.now+1:
		return top, sure && p.countPossible(g)
	}
	p.doubtRun(i)
	if db, ok := p.roomy(g.keys); ok && (p.mixed || p.next[i] == 0 || top == p.now || p.rooms[db].short()) { // else there must be one between
		p.mixed = p.mixed || top == p.now
		return db, false
	}
	return min(p.now+1, top), false
}

// countPossible reports whether the keys that are missing in the database of the segment before, as the file says, can have been lost in the gaps up to another segment. If not the count is
// another file's, or bytes are missing.
func (p *placer) countPossible(g *segment) bool {
	missing, r := int64(min(p.rooms[p.now].hint, 1<<62))-p.since.keys, p.since
	r.add(g)
	return r.canHold(missing)
}

// doubtRun makes uncertain what was placed since the last SELECTDB: another one has been lost there, and it is not known where.
func (p *placer) doubtRun(i int) {
	for k := i - 1; k >= p.run; k-- {
		p.s.segs[k].certain = false
	}
	p.run = i
}

// below returns the highest database that occurs, is less than another one, and has room for some keys.
func (p *placer) below(next uint64, keys int64) (db uint64, ok bool) {
	n, _ := slices.BinarySearch(p.known, next)
	for i := n - 1; i >= max(0, n-roomsMost); i-- {
		if db = p.known[i]; !p.rooms[db].full(keys) {
			return db, true
		}
	}
	return 0, false
}

// roomy returns the database that occurs and has room for some keys, as the file says: the next one behind that of the segment before, else the last one before it.
func (p *placer) roomy(keys int64) (db uint64, ok bool) {
	has := func(db uint64) bool { r := p.rooms[db]; return r.hinted && db != p.now && !r.full(keys) }
	n, _ := slices.BinarySearch(p.known, p.now)
	for _, db = range p.known[n:min(n+roomsMost, len(p.known))] {
		if has(db) {
			return db, true
		}
	}
	for i := n - 1; i >= max(0, n-roomsMost); i-- {
		if has(p.known[i]) {
			return p.known[i], true
		}
	}
	return 0, false
}

// manyDBs reports whether the file has more than one database, or the only one known is not the first.
func (s *salvager) manyDBs() bool {
	return s.selected != 1 || s.segs[0].selected && s.segs[0].db > 0
}
