package repair

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/rdb"
)

// An expiry, idle time or access counter before a key can be missing without anything being wrong. So a string whose length grew by just so
// much swallows it unseen, and the next key seems to have none:
//
//	00 str key  len "value" | FC i64le expiry  00 str key ...
//	                    '-- grown ------>'
//
// takeBack gives a key back what the string before it ends with, and takes out that string.
func (s *salvager) takeBack(f *record) {
	n := len(s.recent)
	if n == 0 || f.damaged || s.census.expires+s.census.idle+s.census.freqs == 0 {
		return
	}
	last := &s.recent[n-1]
	if last.typ != rdb.TypeString || last.what != isKey || last.end != f.start || last.damaged || f.expires {
		return
	}
	k := s.swallowed(f)
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
	const most = 12
	b := s.probe.view.at(f.start-most, most)
	if f.start < most || len(b) < most {
		return 0
	}
	c := s.census
	b = b[:most]
	if c.expires > 0 {
		for _, k := range []int{9, 11, 12} {
			at := int64(binary.LittleEndian.Uint64(b[most-k+1:]))
			if b[most-k] == opExpireTimeMS && at > year2000 && at < year10000 && (k == 9 || b[most-k+9] == opIdle || b[most-k+9] == opFreq) {
				return int64(k)
			}
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
	return !f.modified && (s.census.often(s.census.freqs) || s.census.often(s.census.idle))
}
