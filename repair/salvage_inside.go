package repair

import (
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// A string that gave back what stands before the type of the next key may have taken whole records too:
//
//	00 str key  len "value | F8 idle 00 str key  str value | F8 idle | 00 str key ...
//	                '-- grown ------------------------------------->'
//
// Where it ends now a record begins, so those that lead there in a row are records as well.

// insideMost is how many bytes before the end of a string are looked at, insideSpend how many that costs in a file at most, beside its size.
const (
	insideMost  = 4 << 10
	insideSpend = 8 << 20
)

// spend takes so many bytes from what may be looked at again inside records, and reports whether there are so many left.
func (s *salvager) spend(n int64) bool {
	s.inside += n
	return s.inside <= insideSpend+s.probe.end
}

// insideSearch looks for sound records in a string, from its end on. What that costs, in bytes read, is added up.
type insideSearch struct {
	s     *salvager
	spent *int64
	most  int64
}

// leastRecord is how many bytes a record takes at least.
const leastRecord = 4

// leading hands out the records, from the last one on, that begin between two offsets and end at one that leads tells.
func (x *insideSearch) leading(from, end int64, leads func(end int64) bool, take func(f *record)) {
	p := &x.s.probe
	for at := end - leastRecord; at >= from && *x.spent <= x.most; at-- {
		b := p.view.at(at, 1<<10)
		if !p.plausible(b) {
			continue
		}
		*x.spent += headCost
		bits := p.soundHead(at, b)
		if bits < 0 {
			continue
		}
		*x.spent += end - at
		if bits < headLeast { // the value can tell more than the head
			if to, _ := p.frame(at, p.view.at(at, int(end-at))); !leads(to) {
				continue
			}
		}
		if f := p.probe(at); f != nil && !f.damaged && !f.nameless && leads(f.end) {
			take(f)
		}
	}
}

// freeInside gives back the records that stand in a row at the end of the string read last, which is known to have read on.
func (s *salvager) freeInside() {
	p, n := &s.probe, len(s.recent)-1
	last := s.recent[n]
	type row struct {
		first *record
		bits  float64
	}
	rows := map[int64]row{last.end: {}} // those that lead to the end, by where they begin
	var best row
	p.forgetAll()
	x := insideSearch{s: s, spent: &s.inside, most: insideSpend + p.end}
	x.leading(max(last.start+leastRecord, last.end-insideMost), last.end, func(end int64) bool { _, ok := rows[end]; return ok }, func(f *record) {
		if f.what != isKey && f.what != isSlot && f.what != isSlotField {
			return
		}
		r := row{f, rows[f.end].bits + float64(f.score)}
		if rows[f.start] = r; r.bits > best.bits {
			best = r
		}
	})
	if best.first == nil || best.bits < headMin {
		return
	}
	at := best.first
	if at.what == isKey && !at.expires && s.modifiersLost(at, at.start, false) {
		if at = rows[at.end].first; at == nil {
			return
		}
	}
	s.recent[n].end = at.start
	for ; at != nil; at = rows[at.end].first {
		s.recent = append(s.recent, *at)
	}
}

// takeBackSlot gives a key of a cluster back the announcement of its slot, with which the string before it ends.
func (s *salvager) takeBackSlot(f, last *record) bool {
	const fewest, most, head = 4, 13, 4 // bytes of an announcement; of a record at least
	if !s.x.slots || s.census.table[opSlotInfo] != current {
		return false
	}
	i := len(s.recent) - 1
	for i >= 0 && s.recent[i].what != isSlot {
		i--
	}
	if i < 0 || s.recent[i].numbers[0] == uint64(f.slot) {
		return false
	}
	for at := f.start - fewest; at >= max(f.start-most, last.start+head); at-- {
		b := slices.Clone(s.probe.view.at(at, most))
		if len(b) < most || b[0] != opSlotInfo || int64(operands(b)) != f.start-at {
			continue
		}
		slot, n, _, _ := lengthForm(b[1:])
		keys, m, _, _ := lengthForm(b[1+n:])
		expires, _, _, _ := lengthForm(b[1+n+m:])
		if slot != uint64(f.slot) || keys == 0 || expires > keys {
			continue
		}
		last.end = at
		last.damaged, last.doubt = true, DoubtEnd
		s.freeInside()
		s.recent = append(s.recent, record{start: at, end: f.start, what: isSlot, numbers: [3]uint64{slot, keys, expires}})
		return true
	}
	return false
}

// stringBefore returns the string read last if it ends where a key begins, nil if there is none.
func (s *salvager) stringBefore(f *record) *record {
	n := len(s.recent)
	if n == 0 {
		return nil
	}
	last := &s.recent[n-1]
	if last.what != isKey || last.typ != rdb.TypeString || last.end != f.start || last.damaged {
		return nil
	}
	return last
}

// recordInside reports whether a string before a gap took a record that begins inside it and ends just before it does, or there. That is no embedded dump, which has its end mark and a
// checksum behind its last record.
func (g *gap) recordInside(f *record) bool {
	const most = 16 // bytes behind it: of the next one
	p := &g.s.probe
	if f.what != isKey || f.typ != rdb.TypeString || f.verified {
		return false
	}
	v := p.stringOf(f)
	if v == nil || isText(v) {
		return false
	}
	for at := max(f.end-int64(len(v)), f.end-overlapMost); at < f.end; at++ {
		if r := p.probe(at); r != nil && r.what == isKey && !r.damaged && !r.nameless && r.score >= headMin && r.end <= f.end && r.end >= f.end-most &&
			!(r.end+headerSize == f.end && p.isAt(r.end, opEOF)) {
			return true
		}
	}
	return false
}
