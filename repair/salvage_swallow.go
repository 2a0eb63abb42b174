package repair

import (
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// A length that grew so much that the value ends where some later record does swallows the records between, and reading never fails:
//
//	00 str key  len "value | 00 str key  str value | 00 str key  str value" | 00 str key ...
//	            '-- grown ------------------------------------------------>'
//
// But the file says how many keys a database has. Where some are missing though nothing else is damaged there, and one string or plain collection, and no other,
// ends with just so many sound ones, that one is damaged and these are the missing ones. A collection may have swallowed them because its count grew, or its type
// is wrong.

const (
	summedMin    = 20       // evidence for one of them where the checksum is right
	swallowMost  = 16 << 10 // bytes of a record that are looked through: as many as a length of two bytes says
	headCost     = 256      // bytes that a head counts for
	swallowSpend = 16 << 20 // and of all that is tried there, beside the size of the file
)

// swallower looks for records inside others.
type swallower struct {
	s     *salvager
	spent int64
	count map[int64]swallowed // what leads from an offset to the end of the record that is looked at
	first record              // of those found last
}

// swallowed is some sound records in a row.
type swallowed struct {
	n       int
	bits    float32 // of evidence for them together
	telling bool    // one of them is no string without an expiry: an empty element and two more read as one
}

// freeSwallowed takes out records that swallowed all keys that a database lacks, and gives these back. It reports whether there were any.
func (s *salvager) freeSwallowed() (any bool) {
	if s.truncate || s.hinted == 0 {
		return false
	}
	w := &swallower{s: s, count: map[int64]swallowed{}}
	for i := range s.segs {
		g, next := &s.segs[i], s.probe.end
		if i+1 < len(s.segs) {
			next = s.segs[i+1].start
		} else if r := s.out.Regions; len(r) > 0 && r[len(r)-1].Kind == RegionEnd {
			next = r[len(r)-1].Start
		}
		if !g.selected || !g.hinted || g.lost > 0 || len(g.pieces) != 1 || g.pieces[0].end != next || uint64(g.keys) >= g.hint[0] {
			continue
		}
		if f, ok := w.search(g.pieces[0], int(min(g.hint[0]-uint64(g.keys), swallowMost))); ok {
			s.free(g, &f, &w.first)
			any = true
		}
	}
	return any
}

// search returns the one string or collection of a piece that ends with n sound records; ok is false if there is none, or if there are several.
func (w *swallower) search(p span, n int) (found record, ok bool) {
	s := w.s
	x := newRecordReader(s.opt)
	defer x.r.Close()
	x.r.Resume(io.NewSectionReader(s.src, p.start, p.end-p.start), s.probe.position(p.start))
	var f, first record
	for x.head(&f) {
		if x.value(&f) != nil || s.tick(f.start) != nil {
			return found, false
		}
		if f.what != isKey || f.typ != rdb.TypeString && elementSize[f.typ] == nil || f.typ == rdb.TypeListQuicklist || !w.holds(&f, n) {
			continue
		}
		if ok || w.spent > swallowSpend+s.size {
			return found, false
		}
		found, first, ok = f, w.first, true
	}
	w.first = first
	return found, ok && w.spent <= swallowSpend+s.size
}

// holds reports whether a record ends with n sound ones. The first of them, with all that belongs to it, is left in first.
func (w *swallower) holds(f *record, n int) bool {
	w.begin()
	own := afterModifiers(w.s.probe.view.at(f.start, 64)) + leastRecord
	if own < leastRecord {
		return false
	}
	w.count[f.end] = swallowed{n: 1, telling: f.typ == rdb.TypeString}
	ok, need := false, float32(headMin)
	if n == 1 && w.s.out.ChecksumRight {
		need = summedMin
	}
	x := insideSearch{s: w.s, spent: &w.spent, most: swallowSpend + w.s.probe.end}
	x.leading(max(f.start+int64(own), f.end-swallowMost), f.end, func(end int64) bool { return w.count[end].n > 0 }, func(r *record) {
		if r.what != isKey {
			return
		}
		c, bits := w.count[r.end], r.score
		if elementSize[r.typ] != nil && elementSize[f.typ] != nil && r.end == f.end {
			bits -= elementsMost // these are elements anyway
		}
		c.n, c.bits, c.telling = c.n+1, c.bits+bits, c.telling || !r.likeField()
		if w.count[r.start] = c; c.n == n+1 && c.telling && r.score > 0 && c.bits >= need {
			w.first, ok = *r, true
		}
	})
	return ok
}

// begin forgets what the last record held.
func (w *swallower) begin() {
	const few = 64 // to clear a map that once had many costs as much as these
	if len(w.count) > few {
		w.count = map[int64]swallowed{}
	}
	clear(w.count)
	if p := &w.s.probe; len(p.known) > few {
		p.known = map[int64]*record{}
	}
	w.s.probe.forgetAll()
}

// free takes a record out that swallowed others, the first of which is given.
func (s *salvager) free(g *segment, f, first *record) {
	p := g.pieces[0]
	end, n := first.start, int64(g.hint[0])-g.keys
	if !first.expires && s.modifiersLost(first, first.start, false) {
		end = first.end
		n--
		s.out.DoubtfulKeys++
		s.nameLost(first.start, first.end, LostKey{DB: g.db, Doubt: DoubtExpiry})
	}
	x := newRecordReader(s.opt)
	defer x.r.Close()
	x.r.Resume(io.NewSectionReader(s.src, end, f.end-end), s.probe.position(end))
	for r := (record{}); x.head(&r); {
		if r.expires {
			g.expires++
		}
	}
	if f.expires {
		g.expires--
	}
	g.keys += n - 1
	g.lost++
	g.pieces = g.pieces[:0]
	if p.start < f.start {
		g.pieces = append(g.pieces, span{p.start, f.start})
	}
	if end < p.end {
		g.pieces = append(g.pieces, span{end, p.end})
	}
	s.surplusCuts = append(s.surplusCuts, cut{span{f.start, end}, s.segmentAt(f.start)})
	s.out.DoubtfulKeys++
	s.nameLost(f.start, f.end, LostKey{DB: g.db, Doubt: DoubtEnd})
}
