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
		return
	}
	if n == 0 || f.damaged || s.census.idle+s.census.freqs == 0 && !s.census.expiring() {
		return
	}
	last := &s.recent[n-1]
	if last.damaged && last.nameless && last.end == f.start && !f.expires && s.census.expiring() && s.probe.timeEnds(f.start) {
		f.damaged, f.doubt = true, DoubtExpiry
		return
	}
	if last.typ != rdb.TypeString || last.what != isKey || last.end != f.start || last.damaged || f.expires {
		return
	}
	k := s.swallowed(f)
	if k == 0 && s.tailOfTime(last, f) {
		f.tail, last.tail = true, true
	}
	if k == 0 || f.start-k < last.start+4 {
		if s.bare(f) {
			f.damaged, f.doubt = true, DoubtExpiry
		}
		return
	}
	f.start -= k
	f.modified, f.expires = true, k >= 9
	f.extra, f.lone = 0, 0
	last.end = f.start
	last.damaged, last.doubt = true, DoubtEnd
	s.census.expires++
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
	case c.often(c.freqs) && b[most-2] == opFreq:
		return 2
	case c.often(c.idle):
		for _, k := range []int{2, 3, 6} {
			if _, n, enc, shortest := lengthForm(b[most-k+1:]); b[most-k] == opIdle && n == k-1 && !enc && shortest {
				return int64(k)
			}
		}
	}
	return 0
}

// often reports whether nearly all keys have what so many have.
func (c *census) often(n uint32) bool { return c.keys >= 16 && float64(n) > mostly*float64(c.keys) }

// bare reports whether a key is without what nearly all others have.
func (s *salvager) bare(f *record) bool {
	return !f.modified && s.census.idling()
}

// idling reports whether nearly all keys have an idle time, or a counter.
func (c *census) idling() bool { return c.often(c.freqs) || c.often(c.idle) }

// tailOfTime reports whether the text of the string before a key ends with what is rather the end of that key's expiry: other bytes took the place of its
// beginning.
func (s *salvager) tailOfTime(last, f *record) bool {
	const fewest, most = 3, 8 // bytes of the end
	if !s.census.expiring() || !s.probe.timeEnds(f.start) {
		return false
	}
	v := s.probe.plainString(last, s.probe.view.at(last.start, int(min(last.end-last.start, viewSize))))
	text := 0
	for text < len(v) && printable(v[text]) {
		text++
	}
	return text > 0 && len(v)-text >= fewest && len(v)-text <= most
}

// timeEnds reports whether the bytes before an offset are the last ones of a time of these years, in milliseconds.
func (p *prober) timeEnds(at int64) bool {
	const n = 3
	b := p.view.at(at-n, n)
	return at >= n && len(b) >= n && endsOfTime(b)
}

// expiring reports whether keys of the file are known to expire.
func (c *census) expiring() bool { return c.expires > 0 || c.willExpire }
