package repair

import (
	"bytes"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// A key behind a gap may have lost what stands before its type: an expiry, an idle time or a counter. What the bytes of the gap look like says so, and what
// other keys have.
const (
	expiryLongest = 16 // bytes of an expiry with what can follow it, one of them damaged
	expiryMoved   = 12 // the same of an expiry behind which nothing can follow
)

// doubtExpiry says what is to be said against the first record behind a gap that begins at from because of what may have stood before its type, or of its
// type itself.
func (s *salvager) doubtExpiry(f *record, from int64) Doubt {
	if f.expires {
		return ""
	}
	if s.census.expiring() && s.endsExpiry(f.start, from) {
		return DoubtExpiry
	}
	if from == f.start {
		return ""
	}
	zeros := int64(s.probe.view.zerosBefore(f.start, 2*viewSize/1024))
	zeros = min(zeros, f.start-from)
	if zeros >= zeroEdge && !s.behindZeroBlock(f.start) && f.typ == rdb.TypeString && !s.plainText(f) {
		return DoubtBeginning
	}
	if s.modifiersLost(f, from, zeros >= zeroEdge) {
		return DoubtExpiry
	}
	return ""
}

// endsExpiry reports whether what stands before an offset, of which the record before the gap that begins at from may have taken a part, ends like an
// expiry of this time: a damaged value can have swallowed its beginning. If there is doubt only about the beginning of that record it must be a whole one.
func (s *salvager) endsExpiry(at, from int64) bool {
	i := slices.IndexFunc(s.doubts, func(d doubtful) bool { return d.end == from })
	if i < 0 || !s.probe.timeEnds(at) {
		return false
	}
	b := s.probe.view.at(at-expiryLeast, expiryLeast)
	return s.doubts[i].why == DoubtEnd || len(b) >= expiryLeast && b[0] == opExpireTimeMS
}

// modifiersLost reports whether something stood before a record's type.
func (s *salvager) modifiersLost(f *record, from int64, zeros bool) bool {
	c := s.census
	keys := float64(c.keys) + 1
	expires, idle, freqs := float64(c.expires)/keys, float64(c.idle)/keys, float64(c.freqs)/keys
	if f.modified {
		idle, freqs = 0, 0 // it has what it can have
	}
	if expires > mostly || idle > mostly || freqs > mostly || s.bare(f) || s.idlesLost(f) {
		return true
	}
	always, never := c.expiryOf(s.keyOf(f))
	if always {
		return true
	}
	if n := f.start - from; n > 0 && n <= expiryLongest && f.typ != rdb.TypeModule2 { // whatever other keys of its form do
		if b := s.probe.view.at(from, 1); len(b) > 0 && b[0] == opExpireTimeMS && (!f.modified || n <= expiryMoved) || n >= 3 && c.expiring() && s.probe.timeEnds(f.start) {
			return true
		}
	}
	if s.behindExpiry(f.start, from) || s.behindTime(f.start, from) {
		return true
	}
	if never && idle+freqs == 0 {
		return false
	}
	if zeros {
		return max(expires, idle, freqs) > sometimes
	}
	return s.likeExpiry(s.probe.view.at(from, int(f.start-from)), f.start-from, f.modified)
}

// behindExpiry reports whether what stands before an offset, in a gap, begins as an expiry does, be its time damaged.
func (s *salvager) behindExpiry(at, from int64) bool {
	b := s.probe.view.at(at-expiryLeast, 1)
	return at-expiryLeast >= from && s.census.expiring() && len(b) > 0 && b[0] == opExpireTimeMS
}

// behindTime reports whether a gap ends with a time of these years, of whose expiry the opcode is lost. A hash of Valkey whose fields expire ends with one itself, and a small stream with
// numbers that read as one: the end of its last node, its length, the two of its last id, and no groups. But these take more bytes.
func (s *salvager) behindTime(at, from int64) bool {
	const size, short, nodeEnd = 8, 96, 5
	b := s.probe.view.at(at-size, size)
	if at-from < size || len(b) < size || !plausibleTime(b) || !endsOfTime(b[size-3:]) {
		return false
	}
	return at-from <= short || s.census.table[rdb.TypeHash2] != current && b[size-nodeEnd] != 0xFF
}

// likeExpiry reports whether the n bytes that begin b, before a record, may be what is left of its expiry, which begins or ends them. What
// is far from both ends is no part of it: damage that wide leaves nothing of the record either. modified says that an idle time or counter follows.
func (s *salvager) likeExpiry(b []byte, n int64, modified bool) bool {
	const longest = expiryLongest
	if int64(len(b)) < n || n == 0 {
		return n != 0
	}
	b = b[:n]
	tail := b[max(0, n-8):]
	if n >= 9 && n <= 2*longest && b[0] == opExpireTimeMS && (!modified || n <= expiryMoved) {
		if plausibleTime(b[1:]) {
			return true
		}
	}
	known := s.census.expires > 0 || s.census.willExpire && (n <= 2*longest || len(tail) == 8 && [4]byte(tail) == [4]byte{})
	if len(tail) == 8 && (known || n <= 9 || zerosThen(b)) {
		if plausibleTime(tail) {
			return true
		}
	}
	switch {
	case s.census.expires+s.census.idle+s.census.freqs == 0 && !(s.census.willExpire && s.census.keys == 0):
		return false
	case n == 9 || b[0] == opExpireTimeMS && n <= longest && (!modified || n <= expiryMoved):
		return true
	case !modified && s.census.mayIdle() && (n == 2 || n == 3 || n == 6 || n == 11 || n == 12):
		return true
	}
	k := len(tail)
	return s.census.expiring() && !endsStream(b) && k >= 3 && tail[k-1] == 0 && tail[k-2] == 0 && tail[k-3] > 0 && (tail[k-3] < 0x10 || tail[k-3] > 0xE0)
}

// endsStream reports whether b ends as a stream does whose last group has no consumers and has read an unknown number of entries, which servers write as -1.
func endsStream(b []byte) bool {
	return bytes.HasSuffix(b, []byte(groupUnknown))
}

// zerosThen reports whether b ends with a block of zero bytes and less than an expiry behind it: the gap is as good as those few bytes.
func zerosThen(b []byte) bool {
	for k := 1; k < 8 && k+zeroRun <= len(b); k++ {
		if at := len(b) - k; b[at] != 0 && [zeroRun]byte(b[at-zeroRun:at]) == [zeroRun]byte{} {
			return true
		}
	}
	return false
}
