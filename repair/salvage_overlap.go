package repair

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// What a damaged record was read from shows in what it reached into. Behind it there is a gap, up to the next record that is known:
//
//	| the record, too long ----------- | gap ------ | next
//	                  | another one --------------- |
//
// Where a sound record begins inside it and ends just before another one, that one is whole, and the first one read on into it. Of the values that are
// verified only integers that are sorted, and not compressed, are so by little: what follows them goes on well enough by luck.

// overlapMost is how many bytes before the end of a record are looked at. Up to overlapFew of them are few.
const (
	overlapMost = 4 << 10
	overlapFew  = 32
)

// overlapping returns the record that begins inside another one and ends where a record begins, nil if there is none.
func (g *gap) overlapping(f *record) (inside *record) {
	if f.what != isKey || f.damaged || f.verified && f.typ != rdb.TypeString && (f.typ != rdb.TypeSetIntset || g.s.probe.compressed(f)) {
		return nil
	}
	p, from, least := &g.s.probe, max(f.start+1, f.end-overlapMost), float32(tailMin)
	if f.supposed && g.next > f.end && !p.opcodesSpoiled(f.end, g.next) { // the less the fewer places there are for one that ends just there by luck
		least = min(least, 2*thinBits+float32(bits.Len64(uint64(f.end-from)/overlapFew)))
	}
	last := g.lastElement(f)
	for at := from; at < f.end; at++ {
		r := p.probe(at)
		if r != nil && at == last && r.end == g.next && r.what == isKey && !r.damaged {
			return r
		}
		if r == nil || r.end <= f.end || r.what != isKey && r.what != isAux && r.what != isSlotField || r.damaged || r.nameless {
			continue
		}
		if r.score < least || r.score < tailMin && r.end != g.next {
			continue
		}
		if g.s.oddName(r, g) {
			continue
		}
		if r.end == g.next || p.soundHead(r.end, p.view.at(r.end, 1<<10)) >= headMin {
			return r
		}
	}
	return nil
}

// lastElement returns where the last element of a collection begins, 0 if that is not known. Had its count grown by one, a record would begin there, and end where the next one begins.
func (g *gap) lastElement(f *record) int64 {
	size := elementSize[f.typ]
	if size == nil {
		return 0
	}
	b := g.upToNext(f)
	at := afterModifiers(b)
	if at < 0 || !g.s.spend(int64(len(b))) {
		return 0
	}
	b = b[:f.end-f.start]
	value := at + 1 + stringSize(b[at+1:])
	_, n, enc, _ := lengthForm(b[min(value, len(b)):])
	if n == 0 || enc {
		return 0
	}
	last := 0
	for at := value + n; at < len(b); at += n {
		last = at
		if n = size(b[at:]); n == 0 {
			return 0
		}
	}
	return f.start + int64(last)
}

// compressed reports whether the value of a key is a compressed string.
func (p *prober) compressed(f *record) bool {
	b := p.view.at(f.start, probeAhead)
	at := afterModifiers(b)
	if at < 0 || at+1 >= len(b) {
		return false
	}
	value := at + 1 + stringSize(b[at+1:])
	return value < len(b) && b[value] == 0xC3
}

// swallowedNext reports whether the record read last, which is damaged and has no name, and the end of the one before it are rather a sound one: a count or a
// length that grew made that one read on into it. Then it is taken over in their place.
//
//	| the record, too long ----- | damaged | ...
//	              | the next one --------- |
func (s *salvager) swallowedNext() bool {
	n := len(s.recent) - 2
	if n < 0 || s.recent[n].end != s.recent[n+1].start {
		return false
	}
	last, damaged := &s.recent[n], &s.recent[n+1]
	if last.what != isKey || last.damaged || last.verified || !damaged.nameless || !s.spend(overlapMost) {
		return false
	}
	s.probe.forgetAll()
	f := s.endingWith(damaged, last)
	if f == nil || f.what != isKey || f.start <= last.start+leastRecord || s.fieldsPossible() && f.likeField() {
		return false
	}
	last.end, last.damaged, last.doubt = f.start, true, DoubtEnd
	s.recent[n+1] = *f
	s.pos = f.end
	return true
}

// endingWith returns the record inside another one, before a damaged one, that ends where that does; nil if there is not one alone.
func (s *salvager) endingWith(damaged, last *record) (inside *record) {
	for at := max(last.start+leastRecord, last.end-overlapMost); at < last.end; at++ {
		f := s.probe.probe(at)
		if f == nil || f.end != damaged.end || f.damaged || f.nameless || f.score <= 0 {
			continue
		}
		if inside != nil {
			return nil
		}
		inside = f
	}
	return inside
}

// valueInside reports whether a value that tells its own end begins inside that of a string and ends where the next row begins, or where records begin that lead there: bytes were
// put into the key, or its length shrank, so that its last ones were read as a length.
func (g *gap) valueInside(f *record) bool {
	const most = 64 // bytes put into the key
	if f.typ != rdb.TypeString {
		return false
	}
	b := g.upToNext(f)
	if b == nil {
		return false
	}
	p := &g.s.probe
	value := int(f.end-f.start) - len(p.plainString(f, b))
	for at := value; at < min(value+most, int(f.end-f.start)); at++ {
		if b[at] != 0xC3 {
			continue
		}
		n := stringSize(b[at:])
		if n == 0 || n > len(b)-at || !g.leadOn(f.start+int64(at+n)) {
			continue
		}
		p.trial = append(append(p.trial[:0], byte(rdb.TypeString), 1, 'k'), b[at:at+n]...)
		if _, ok := p.fits(p.trial); ok {
			return true
		}
	}
	return false
}

// encoded reports whether a string is rather a compressed one or an integer, the first byte of which reads as a length: as such it goes on to where the next row begins.
func (g *gap) encoded(f *record) bool {
	if f.typ != rdb.TypeString {
		return false
	}
	b := g.upToNext(f)
	if b == nil {
		return false
	}
	v := g.s.probe.plainString(f, b)
	if v == nil {
		return false
	}
	switch rest := b[int(f.end-f.start)-len(v):]; len(rest) {
	case 1, 2, 4: // of an integer
		return true
	default:
		p := &g.s.probe
		p.trial = append(append(p.trial[:0], byte(rdb.TypeString), 1, 'k', 0xC3), rest...)
		_, ok := p.fits(p.trial)
		return ok
	}
}

// upToNext returns a copy of what stands from the beginning of a key up to where the next row begins, nil if that is nowhere or too far.
func (g *gap) upToNext(f *record) []byte {
	n := g.next - f.start
	if g.next <= f.end || f.what != isKey || n > explainMost {
		return nil
	}
	p := &g.s.probe
	b := p.view.at(f.start, int(n))
	if int64(len(b)) < n {
		return nil
	}
	p.gapBytes = append(p.gapBytes[:0], b[:n]...)
	return p.gapBytes
}

// collectionInRow returns the index of the string in a row that a gap ends which is rather all of one record of another type, up to where the next row begins: its count reads as a
// length, and elements as records. It returns how many there are if none is.
//
//	00 key  len "first elements" | 00 element | ... gap ... | the next row
func (g *gap) collectionInRow(row []*record) int {
	const back = 8
	sum := float32(0) // evidence for those that would be elements
	first := len(row)
	for i := len(row) - 1; i >= max(0, len(row)-back) && sum < strongBits; i-- {
		first = i
		sum += max(0, row[i].score)
	}
	for i := first; i < len(row); i++ {
		f := row[i]
		if !f.likeField() || f.damaged {
			continue
		}
		b := g.upToNext(f)
		if b == nil {
			continue
		}
		p := &g.s.probe
		if v := p.plainString(f, b); v == nil || isText(v) || !g.s.spend(int64(len(b))) {
			continue
		}
		for t := range elementSize {
			if elementSize[t] == nil || p.census.table[t] != current {
				continue
			}
			p.trial = append(append(p.trial[:0], byte(t)), b[1:]...)
			if _, ok := p.fits(p.trial); ok {
				return i
			}
		}
	}
	return len(row)
}

// leadOn reports whether the next row begins at an offset, or a few records that lead there.
func (g *gap) leadOn(at int64) bool {
	const most = 8
	for range most {
		if at >= g.next {
			break
		}
		f := g.s.probe.probe(at)
		if f == nil || f.damaged || f.what != isKey {
			break
		}
		at = f.end
	}
	return at == g.next
}

// Bytes that a damaged value has lost or got move its end into the next record, or before it.
const (
	movedBack  = 512 // bytes
	movedNear  = 64  // and so few that there need not be much evidence
	movedAhead = 32
)

// withNext puts records into a reading that begin inside, or just behind, a damaged one and lead to another one or to the anchor, in the place of those between
// that have less evidence: a value in which bytes are missing seems to reach over the beginning of the one behind it, and its elements may look like records.
func (s *salvager) withNext(path []*record, g *gap) []*record {
	for n := len(path) - 1; n >= 0; n-- {
		f := path[n]
		if f.damaged && f.score < 0 {
			if r := s.endingBetter(f); r != nil {
				path[n] = r
				continue
			}
		}
		if r := s.swallowedByKey(f, s.keyOf(f), false); r != nil {
			cut := f.cutAt(r.start)
			path = slices.Replace(path, n, n+1, &cut, r)
			continue
		}
		if r, to := s.collectionAround(path, n); r != nil {
			if r.start < f.end {
				cut := *f
				cut.end, cut.damaged = r.start, true
				path[n] = &cut
			}
			path = slices.Replace(path, n+1, to, r)
			continue
		}
		if f.what != isKey || !f.damaged || f.end >= g.anchor || f.code == rdb.CodeEmpty || !g.found && n == len(path)-1 || n+1 < len(path) && path[n+1].start == f.end {
			continue
		}
		best, to := (*record)(nil), 0
		for at := max(f.start+1, f.end-movedBack); at < min(g.anchor, f.end+movedAhead); at++ {
			r := s.probe.probe(at)
			if r == nil || r.what != isKey || r.damaged || r.nameless || r.score < tailMin ||
				(s.fieldsPossible() || elementSize[f.typ] != nil) && r.likeField() && r.score < strongBits {
				continue
			}
			if at < f.end-movedNear && r.score < headMin {
				continue
			}
			if j := g.leadingTo(path, n+1, r); j > 0 && (best == nil || r.score > best.score) {
				best, to = r, j
			}
		}
		if best != nil {
			cut := *f
			cut.end = min(f.end, best.start)
			path[n] = &cut
			path = slices.Replace(path, n+1, to, best)
		}
	}
	return path
}

// endingBetter returns the record that begins inside another one, has much more evidence, and ends where that does: its name is what is left of the other's, which began before it by
// luck. nil if there is none.
//
//	| type, name ---------------------- | value, perhaps damaged as one of that type |
//	                | type, name ------ | value ------------------------------------ |
func (s *salvager) endingBetter(f *record) (better *record) {
	if f.what != isKey || !s.spend(movedBack) {
		return nil
	}
	for at := f.start + 1; at < min(f.end, f.start+movedBack); at++ {
		r := s.probe.probe(at)
		if r != nil && r.end == f.end && r.what == isKey && !r.damaged && !r.nameless && r.score > 0 && r.score-f.score >= headMin && (better == nil || r.score > better.score) {
			better = r
		}
	}
	return better
}

// behindDamaged reports whether a record was read just behind a damaged one.
func (s *salvager) behindDamaged(f *record) bool {
	n := len(s.recent)
	return n > 0 && s.recent[n-1].what == isKey && s.recent[n-1].damaged && s.recent[n-1].end == f.start
}

// beginsLater reports whether a key with an odd name, which was read behind a damaged record, is rather another one that begins inside it: where the damaged one ends is not
// certain. Then it is made that one.
func (s *salvager) beginsLater(f *record) bool {
	n := len(s.recent)
	s.probe.forgetAll()
	r := s.endingBetter(f)
	if r == nil {
		return false
	}
	s.recent[n-1].end = r.start
	*f = *r
	return true
}

// collectionAround returns the collection that begins in the gap behind a record of a reading, or inside that one if there is little evidence for it, and ends where the row
// behind the gap has led a few strings on: these are its last elements, and to is the index of what follows. nil if there is none.
//
//	| the record, too long -- | gap | string | the next one ...
//	        | type, name | elements .......  |
func (s *salvager) collectionAround(path []*record, n int) (r *record, to int) {
	f := path[n]
	if n+2 >= len(path) || path[n+1].start == f.end || f.damaged {
		return nil, 0
	}
	from := f.end
	if f.what == isKey && !f.verified && f.score < headMin {
		from = max(f.start+leastRecord, f.end-overlapMost)
	}
	run := n + 1 // what follows the strings
	for run < len(path) && path[run].likeField() && (run == n+1 || path[run].start == path[run-1].end) {
		run++
	}
	weak := n + 1 // the last of those that there is little evidence for
	for weak+1 < len(path) && path[weak].likeField() && path[weak].score < headMin && path[weak+1].start == path[weak].end {
		weak++
	}
	if weak == n+1 && run < n+3 || !s.spend(2*overlapMost) {
		return nil, 0
	}
	for at, until := from, min(path[n+1].start, f.end+overlapMost); at < until; at++ {
		r := s.probe.probe(at)
		if r == nil || r.what != isKey || r.damaged || r.nameless || r.score <= 0 || elementSize[r.typ] == nil && r.typ != rdb.TypeHashTTL {
			continue
		}
		// Fields that do not expire begin as strings do, so that two are enough, however much they look like keys; and what fills a gap behind them need not.
		last := weak
		if r.typ == rdb.TypeHashTTL && run >= n+3 {
			if last = run; run < len(path) && path[run].start == r.end {
				return r, run
			}
		}
		i, found := slices.BinarySearchFunc(path[n+1:last], r.end, func(p *record, end int64) int { return cmp.Compare(p.end, end) })
		if to = n + 1 + i + 1; found && (to <= weak || to >= n+3) {
			return r, to
		}
	}
	return nil, 0
}

// leadingTo returns the index in a reading, not before another one, of the record that begins where r ends, or its length if that is the anchor; 0 if none does, or if
// what stands between has as much evidence.
func (g *gap) leadingTo(path []*record, from int, r *record) (index int) {
	sum := float32(0)
	for i := from; i < len(path) && path[i].start < r.end; i++ {
		sum += max(0, path[i].score)
		from = i + 1
	}
	switch {
	case sum >= r.score:
		return 0
	case from < len(path) && path[from].start == r.end, from == len(path) && g.found && r.end == g.anchor:
		return from
	}
	return 0
}
