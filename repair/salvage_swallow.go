package repair

import (
	"io"
	"iter"
	"slices"

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
	swallowSmall = 16 << 20 // bytes of a file that is not large
	rowBits      = 28       // much evidence for a row
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
		n := int64(min(g.hint[0]-uint64(g.keys), swallowMost))
		if f, ok := w.search(g.pieces[0], int(n)); ok {
			s.free(g, 0, &f, &w.first, n, 0)
			any = true
		}
	}
	return w.besideGaps() || any
}

// besideGaps does so where there are gaps as well, in a file that is not large: if one string of a database, and no other, ends with a row of records for which there is much evidence,
// and these are not more than the keys that the database lacks beside those known to be lost.
func (w *swallower) besideGaps() (any bool) {
	s := w.s
	if s.size > swallowSmall {
		return false
	}
	type found struct {
		segment, piece int
		f, first       record
		n, more        int64 // records in the row, and at most before it
		times          int
	}
	x := newRecordReader(s.opt)
	defer x.r.Close()
	in, accounts := map[uint64]*found{}, s.accounts() // by database
	for i := range s.segs {
		g := &s.segs[i]
		a := accounts[g.db]
		if a == nil || !a.hinted || a.uncertain && len(accounts) > 1 || a.keys <= a.sure+a.unnamed {
			continue
		}
		for k, p := range g.pieces {
			for f := range w.strings(x, p) {
				n, ok := w.row(&f)
				if !ok || n > a.keys-a.sure-a.unnamed {
					continue
				}
				times := 1
				if was := in[g.db]; was != nil {
					times += was.times
				}
				in[g.db] = &found{i, k, f, w.first, n, a.keys - a.sure - a.unnamed - n, times}
			}
		}
	}
	for _, at := range in {
		if at.times == 1 && w.spent <= swallowSpend+s.size {
			s.free(&s.segs[at.segment], at.piece, &at.f, &at.first, at.n, at.more)
			any = true
		}
	}
	return any
}

// strings returns the strings of a piece that are not text, and not too long.
func (w *swallower) strings(x *recordReader, p span) iter.Seq[record] {
	return func(yield func(record) bool) {
		s := w.s
		x.r.Resume(io.NewSectionReader(s.src, p.start, p.end-p.start), s.probe.position(p.start))
		for f := (record{}); x.head(&f); {
			if x.value(&f) != nil || s.tick(f.start) != nil {
				return
			}
			if f.what != isKey || f.typ != rdb.TypeString || f.end-f.start > swallowMost {
				continue
			}
			if v := s.probe.stringOf(&f); v != nil && !isText(v) && !yield(f) {
				return
			}
		}
	}
}

// row returns how many sound records a string ends with, the first of which is left in first; ok says that there is much evidence for them.
func (w *swallower) row(f *record) (n int64, ok bool) {
	w.begin()
	value := f.end - int64(len(w.s.probe.stringOf(f)))
	w.rows(f, value+1, func(r *record, c swallowed) {
		if int64(c.n-1) > n {
			w.first, n, ok = *r, int64(c.n-1), c.bits >= rowBits
		}
	})
	return n, ok
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
		if f.what != isKey || f.typ != rdb.TypeString && elementSize[f.typ] == nil || f.typ == rdb.TypeListQuicklist || !w.holds(&f, x.key, n) {
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

// holds reports whether a record ends with n sound ones. The first of them, with all that belongs to it, is left in first. Of a key that is not text little evidence is enough for those that
// begin inside of it.
func (w *swallower) holds(f *record, key []byte, n int) bool {
	w.begin()
	control := hasControl(key)
	own := afterModifiers(w.s.probe.view.at(f.start, 64)) + leastRecord
	if own < leastRecord {
		return false
	}
	ok, need := false, float32(headMin)
	if n == 1 && w.s.out.ChecksumRight {
		need = summedMin
	}
	w.rows(f, max(f.start+int64(own), f.end-swallowMost), func(r *record, c swallowed) {
		if c.n == n+1 && c.telling && r.score > 0 && (c.bits >= need || control && r.start < f.start+int64(own+len(key)-leastRecord)) {
			w.first, ok = *r, true
		}
	})
	return ok
}

// rows hands out the sound keys in a record, from an offset on, that lead to its end, with what is known of the row that each begins.
func (w *swallower) rows(f *record, from int64, take func(r *record, c swallowed)) {
	w.count[f.end] = swallowed{n: 1, telling: f.typ == rdb.TypeString}
	x := insideSearch{s: w.s, spent: &w.spent, most: swallowSpend + w.s.probe.end}
	x.leading(from, f.end, func(end int64) bool { return w.count[end].n > 0 }, func(r *record) {
		if r.what != isKey {
			return
		}
		c, bits := w.count[r.end], r.score
		if elementSize[r.typ] != nil && elementSize[f.typ] != nil && r.end == f.end {
			bits -= elementsMost // these are elements anyway
		}
		c.n, c.bits, c.telling = c.n+1, c.bits+bits, c.telling || !r.likeField()
		w.count[r.start] = c
		take(r, c)
	})
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

// free takes a record of a piece out that swallowed n others with which it ends, the first of which is given, and further ones before these, but for others that are damaged too: so
// many more at most.
func (s *salvager) free(g *segment, piece int, f, first *record, n, more int64) {
	p := g.pieces[piece]
	end := first.start
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
	s.unsuspect(f.start)
	parts, at := appendSpan(nil, span{p.start, f.start}), f.start
	if more >= anchorCount {
		blocks := blockFinder{s: s}
		if rows, keys, expiring := blocks.rows(f.start+leastRecord, end); keys <= more {
			for _, r := range rows {
				s.surplusCuts = append(s.surplusCuts, cut{span{at, r.start}, s.segmentAt(f.start)})
				parts, at = append(parts, r), r.end
			}
			g.keys, g.expires = g.keys+keys, g.expires+expiring
		}
	}
	g.pieces = slices.Replace(g.pieces, piece, piece+1, appendSpan(parts, span{end, p.end})...)
	s.surplusCuts = append(s.surplusCuts, cut{span{at, end}, s.segmentAt(f.start)})
	s.out.DoubtfulKeys++
	s.nameLost(f.start, f.end, LostKey{DB: g.db, Doubt: DoubtEnd})
}
