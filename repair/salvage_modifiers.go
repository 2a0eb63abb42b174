package repair

import "github.com/kvfsck/kvfsck/rdb"

// An expiry, idle time or access counter before a key can be missing without anything being wrong. So a string whose length grew by just so
// much swallows it unseen, and the next key seems to have none:
//
//	00 str key  len "value" | FC i64le expiry  00 str key ...
//	                    '-- grown ------>'
//
// takeBack gives a key back what the string before it ends with, and takes out that string.
func (s *salvager) takeBack(f *record) {
	n := len(s.recent)
	if last := n - 1; n > 0 && f.nameless && s.recent[last].nameless && s.recent[last].end == f.start {
		f.damaged, f.doubt = true, DoubtBeginning // two empty keys in a row are rather zeros
		s.recent[last].damaged, s.recent[last].doubt = true, DoubtBeginning
		if n := int(f.end - s.recent[last].start); s.probe.view.zeros(s.recent[last].start, n) < n { // or the rest of a value
			s.doubtEnd(f)
		}
		return
	}
	if n == 0 || f.damaged {
		return
	}
	if last := s.stringBefore(f); last != nil && s.takeBackSlot(f, last) || s.takeBackDB(f) {
		return
	}
	last := &s.recent[n-1]
	if last.end == f.start && last.nameless && s.behindNameless(f) || s.census.idle+s.census.freqs == 0 && !s.census.expiring() {
		return
	}
	if last.typ != rdb.TypeString && elementSize[last.typ] == nil || last.what != isKey || last.end != f.start || f.expires {
		return
	}
	k := s.swallowed(f)
	if last.typ != rdb.TypeString { // whose last element is not what it was
		if k >= expiryLeast {
			s.giveBack(f, last, k)
		}
		return
	}
	if last.damaged {
		if k >= expiryLeast { // whatever else it took
			s.giveBack(f, last, k)
		}
		return
	}
	if k == 0 && s.zeroOfExpiry(last, f) {
		last.damaged, last.doubt = true, DoubtEnd
		f.damaged, f.doubt = true, DoubtExpiry
		return
	}
	if k == 0 && s.tailOfTime(last, f) {
		f.tail, last.tail = true, true
	}
	if s.giveBack(f, last, k) || !s.bare(f) {
		return
	}
	f.damaged, f.doubt = true, DoubtExpiry
	if v := s.probe.stringOf(last); v != nil && !isText(v) {
		last.damaged, last.doubt = true, DoubtEnd // it may have read on into it
	}
}

// takeBackInRow does that for a key of a reading, behind the one that was read last.
func (s *salvager) takeBackInRow(f *record) {
	n := len(s.recent)
	if n == 0 || f.what != isKey || f.damaged || f.expires {
		return
	}
	last := &s.recent[n-1]
	if last.what == isKey && last.typ == rdb.TypeString && !last.damaged && last.end == f.start {
		s.giveBack(f, last, s.swallowed(f))
	}
}

// expiryLeast is how many bytes an expiry takes.
const expiryLeast = 9

// giveBack gives a key the k bytes before it that the string has with which last ends, and takes out that one.
func (s *salvager) giveBack(f, last *record, k int64) bool {
	const head = 4 // bytes at least
	if k == 0 || f.start-k < last.start+head {
		return false
	}
	f.start -= k
	f.modified, f.expires = true, k >= expiryLeast
	f.extra, f.lone = 0, 0
	last.end = f.start
	last.damaged, last.doubt = true, DoubtEnd
	s.census.expires++
	if last == &s.recent[len(s.recent)-1] {
		s.freeInside()
	}
	return true
}

// takeBackSelect does the same for the SELECTDB that servers write before the counts of a database.
func (s *salvager) takeBackSelect(f *record) {
	const size, head = 2, 4 // bytes of it, and at least of the record that took it
	n := len(s.recent)
	if n == 0 || f.damaged {
		return
	}
	last := &s.recent[n-1]
	at := f.start - size
	b := s.probe.view.at(max(0, at), size)
	if last.what != isKey || last.typ != rdb.TypeString || last.damaged || last.end != f.start || at < last.start+head || b[0] != opSelectDB || b[1] >= 1<<6 {
		return
	}
	last.end = at
	last.damaged, last.doubt = true, DoubtEnd
	s.recent = append(s.recent, record{start: at, end: f.start, what: isSelect, numbers: [3]uint64{uint64(b[1])}})
}

// takeBackDB gives a database back what selects it and tells its counts, if the string before a key ends with that and is the last key of the database before: there are as many
// as were told.
func (s *salvager) takeBackDB(f *record) bool {
	const longest, head = beforeType, 4 // bytes of it, and at least of the record that took it
	n := len(s.recent)
	if n == 0 || f.damaged || s.out.Version < firstHinted || s.out.Gaps > 0 {
		return false
	}
	last := &s.recent[n-1]
	if last.what != isKey || last.typ != rdb.TypeString || last.end != f.start || f.start-last.start <= head {
		return false
	}
	from := max(last.start+head, f.start-longest)
	b := s.probe.view.at(from, int(f.start-from))
	if int64(len(b)) < f.start-from {
		return false
	}
	var before [longest]byte // probing moves the view
	for i, c := range before[:copy(before[:], b[:f.start-from])] {
		if c != opSelectDB {
			continue
		}
		at := from + int64(i)
		db := s.probe.probe(at)
		if db == nil || db.what != isSelect || db.numbers[0] <= s.lastDB() || db.numbers[0] >= 1<<6 {
			continue
		}
		counts := s.probe.probe(db.end)
		if counts == nil || counts.what != isResize || counts.end != f.start || counts.numbers[0] < max(1, counts.numbers[1]) || !s.fullDB() {
			continue
		}
		last.end = at
		last.damaged, last.doubt = true, DoubtEnd
		s.recent = append(s.recent, *db, *counts)
		return true
	}
	return false
}

// fullDB reports whether the database that was selected last has just as many keys as the file says, all of which were read.
func (s *salvager) fullDB() bool {
	keys, hint, hinted := uint64(0), uint64(0), false
	for i := len(s.recent) - 1; i >= 0; i-- {
		switch f := &s.recent[i]; f.what {
		case isKey:
			keys++
		case isResize:
			hint, hinted = f.numbers[0], true
		case isSelect:
			return hinted && keys == hint
		}
	}
	g := s.seg()
	if !hinted {
		hint, hinted = g.hint[0], g.hinted
		keys += uint64(g.keys + g.lost)
	}
	return hinted && keys == hint
}

// behindNameless judges a key behind an empty one, which is rather made of zeros with which the key's expiry ends. It reports whether there is more to say.
func (s *salvager) behindNameless(f *record) bool {
	n := len(s.recent)
	last := &s.recent[n-1]
	always := s.census.othersExpire(s.x.key)
	switch {
	case f.expires:
		return false
	case !last.damaged && always && last.typ == rdb.TypeString && s.probe.view.zerosBefore(f.start, 3) == 3:
		last.damaged, last.doubt = true, DoubtBeginning
		f.damaged, f.doubt = true, DoubtExpiry
		return true
	case !last.damaged || !s.probe.timeEnds(f.start):
		return false
	case n > 1 && s.recent[n-2].end == last.start && s.recent[n-2].what == isKey && s.recent[n-2].typ == rdb.TypeString && s.giveBack(f, &s.recent[n-2], s.swallowed(f)):
		s.recent = s.recent[:n-1]
	case s.census.expiring():
		f.damaged, f.doubt = true, DoubtExpiry
	default: // nothing is known yet
		f.tail = true
	}
	return true
}

// swallowed returns how many bytes before a key look like what should stand before its type.
func (s *salvager) swallowed(f *record) int64 {
	const most = beforeType
	b := s.probe.view.at(f.start-most, most)
	if f.start < most || len(b) < most {
		return 0
	}
	c := s.census
	b = b[:most]
	if c.expires > 0 {
		if k := swallowedTime(b); k > 0 {
			return k
		}
	}
	switch {
	case f.modified:
		return 0
	case (c.freqFirst || c.others(c.freqs)) && b[most-2] == opFreq:
		return 2
	case c.idleFirst || c.others(c.idle):
		for _, k := range []int{2, 3, 6} {
			if _, n, enc, shortest := lengthForm(b[most-k+1:]); b[most-k] == opIdle && n == k-1 && !enc && shortest {
				return int64(k)
			}
		}
	}
	return 0
}

// often reports whether nearly all keys have what so many have.
func (c *census) often(n uint32) bool {
	return c.keys >= oftenKeys && float64(n) > mostly*float64(c.keys)
}

// oftenKeys is how many keys there must be for that.
const oftenKeys = 16

// usually reports whether nearly all of some first keys have what so many have; of few it must be all but one, which may have lost it.
func (c *census) usually(n uint32) bool { return c.often(n) || c.keys >= oddLeast && n+1 >= c.keys }

// mayIdle reports whether keys have idle times or counters. Servers write them for all keys or for none; few of many were read by luck.
func (c *census) mayIdle() bool {
	n := uint64(c.idle) + uint64(c.freqs)
	return n > 0 && (c.keys < oftenKeys || 4*n > uint64(c.keys))
}

// others reports whether all keys before the one that was counted last have what so many have.
func (c *census) others(n uint32) bool { return c.often(n) || c.keys > anchorCount && n+1 == c.keys }

// bare reports whether a key is without what nearly all others have.
func (s *salvager) bare(f *record) bool {
	return !f.modified && s.census.idling()
}

// idlesLost reports whether a key behind a gap is without the idle time or the counter that all others have, be they few: those read before it, and those that follow it. Servers
// write them for all keys or for none.
func (s *salvager) idlesLost(f *record) bool {
	const row = 2
	c := s.census
	if f.modified || c.idle+c.freqs != c.keys {
		return false
	}
	n := uint32(0)
	for at := f.end; n < row; n++ {
		r := s.probe.probe(at)
		if r == nil || r.what != isKey || r.damaged {
			break
		}
		if !s.probe.idles(at) {
			return false
		}
		at = r.end
	}
	return n+c.keys >= row && n > 0 || c.keys >= row
}

// idles reports whether an idle time or a counter stands before the type of the key that begins at an offset.
func (p *prober) idles(at int64) bool {
	b := p.view.at(at, beforeType)
	if len(b) > 9 && b[0] == opExpireTimeMS {
		b = b[9:]
	}
	return len(b) > 0 && (b[0] == opIdle || b[0] == opFreq)
}

// idling reports whether nearly all keys have an idle time, or a counter.
func (c *census) idling() bool {
	return c.often(c.freqs) || c.often(c.idle) || c.keys < oftenKeys && (c.idleFirst || c.freqFirst)
}

// tailOfTime reports whether the text of the string before a key ends with what is rather the end of that key's expiry: other bytes took the place of its
// beginning.
func (s *salvager) tailOfTime(last, f *record) bool {
	const fewest, most = 3, 8 // bytes of the end
	if !s.census.expiring() || !s.probe.timeEnds(f.start) {
		return false
	}
	v := s.probe.stringOf(last)
	text := 0
	for text < len(v) && printable(v[text]) {
		text++
	}
	return text > 0 && len(v)-text >= fewest && len(v)-text <= most
}

// zeroOfExpiry reports whether an empty string before a key, of whose form all others expire, rather ends with the last byte of that key's expiry.
func (s *salvager) zeroOfExpiry(last, f *record) bool {
	if s.probe.view.zerosBefore(f.start, 1) == 0 {
		return false
	}
	if !s.census.othersExpire(s.x.key) {
		return false
	}
	v := s.probe.stringOf(last)
	return v != nil && len(v) == 0
}

// timeEnds reports whether the bytes before an offset are the last ones of a time of these years, in milliseconds.
func (p *prober) timeEnds(at int64) bool {
	const n = 3
	b := p.view.at(at-n, n)
	return at >= n && len(b) >= n && endsOfTime(b)
}

// expiring reports whether keys of the file are known to expire.
func (c *census) expiring() bool { return c.expires > 0 || c.willExpire }
