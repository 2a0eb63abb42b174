package repair

import (
	"io"
	"slices"
	"sort"

	"github.com/kvfsck/kvfsck/rdb"
)

// Two blocks of a file can be exchanged so that one gets into the middle of a string. That string can still be read, and nothing in it shows that the
// middle is not its own:
//
//	00 str key  len "val | ue" 00 str key  str value  00 str key  str va | lue" 00 str key ...
//	                     | '----- of another place of the file --------' |
//
// But where the other block came to lie reading fails, and the file says how many keys a database has. Where some are missing that no gap accounts for, and
// sound ones stand in a row in a value, no more than are missing, these are they. What is torn at the seams is left out.

const (
	blockLeast = 256       // bytes of a record that is looked through
	blockSpend = 256 << 20 // bytes of all that is, beside the size of the file, where a head counts for headCost
	blockFile  = 16 << 20  // bytes of a file at most: to look through all values takes several times as long as to check them
)

// blockFinder looks for rows of records inside values.
type blockFinder struct {
	s     *salvager
	spent int64
	own   bool // what selects a database is the file's own, wherever it stands
}

// freeBlocks gives back the keys of blocks that have got into values. It reports whether there were any.
func (s *salvager) freeBlocks() (any bool) {
	if s.truncate || s.out.ChecksumRight || s.hinted == 0 || s.size > blockFile {
		return false
	}
	w := blockFinder{s: s}
	accounts := s.accounts()
	for i := range s.segs {
		g := &s.segs[i]
		a := accounts[g.db]
		if a == nil || !a.hinted || a.uncertain && len(accounts) > 1 || len(g.pieces) == 0 {
			continue
		}
		if missing := a.keys - a.sure - a.unnamed; missing >= anchorCount {
			n := w.segment(i, missing)
			a.sure += n
			any = any || n > 0
		}
	}
	return any
}

// hollowMost is how many damaged records are looked through.
const hollowMost = 1 << 12

// noteHollow notes a record that is left out, if others can be in it.
func (s *salvager) noteHollow(start, end int64) {
	if end-start < blockLeast || len(s.hollow) == hollowMost {
		return
	}
	b := s.probe.view.at(start, 64)
	if at := afterModifiers(b); at < 0 || rdb.Type(b[at]) == rdb.TypeHashTTL { // whose fields read as strings
		return
	}
	s.hollow = append(s.hollow, span{start, end})
}

// freeHollow gives back the keys that stand in records which were found to be damaged or are doubted: where the length of one grew it can have swallowed others, up to the beginning of a
// later one by luck. It reports whether there were any.
func (s *salvager) freeHollow() (any bool) {
	if s.truncate || s.hinted == 0 || s.size > blockFile {
		return false
	}
	w := blockFinder{s: s}
	accounts := s.accounts()
	var freed []cut
	for _, h := range inOrder(s.hollow) {
		i := s.segmentAt(h.start)
		g := &s.segs[i]
		a := accounts[g.db]
		if s.keptIn(i, h) { // it was noted before a part of the file was read again, or twice
			continue
		}
		if a == nil || !a.hinted || a.uncertain && len(accounts) > 1 {
			continue
		}
		missing := a.keys - a.sure - a.unnamed
		if missing < anchorCount {
			continue
		}
		rows, keys, expiring := w.rows(h.start+leastRecord, h.end)
		if keys == 0 || keys > missing {
			continue
		}
		at := sort.Search(len(g.pieces), func(k int) bool { return g.pieces[k].start >= h.start })
		g.pieces = slices.Insert(g.pieces, at, rows...)
		g.keys, g.expires = g.keys+keys, g.expires+expiring
		a.sure += keys
		for _, r := range rows {
			freed = append(freed, cut{r, i})
		}
	}
	s.remark(freed, RegionIntact)
	return len(freed) > 0
}

// keptIn reports whether some of a range that begins in a segment is kept, or of another one.
func (s *salvager) keptIn(i int, h span) bool {
	return i+1 < len(s.segs) && s.segs[i+1].start < h.end || slices.ContainsFunc(s.segs[i].pieces, func(p span) bool { return p.start < h.end && h.start < p.end })
}

// segment gives back the keys that stand in the values of a segment, so many at most. It returns how many were found.
func (w *blockFinder) segment(i int, missing int64) (found int64) {
	s := w.s
	at := int64(0)
	for {
		h, ok := w.holder(i, at, missing-found)
		if !ok {
			return found
		}
		s.freeRows(i, &h)
		found, at = found+h.keys, h.f.end
	}
}

// holder is a record with rows of others in its value.
type holder struct {
	f              record
	piece          int // of its segment
	rows           []span
	keys, expiring int64 // of them
}

// holder returns the first record of a segment, from an offset on where one begins, that holds rows of keys, not more than are missing. Where nothing else is damaged these have to be most of
// them: else it is rather the count of keys that is wrong.
func (w *blockFinder) holder(i int, behind, missing int64) (h holder, ok bool) {
	s := w.s
	x := newRecordReader(s.opt)
	defer x.r.Close()
	for k, p := range s.segs[i].pieces {
		at := max(p.start, behind)
		if at >= p.end {
			continue
		}
		x.r.Resume(io.NewSectionReader(s.src, at, p.end-at), s.probe.position(at))
		for f := (record{}); w.spent <= blockSpend+s.size && x.head(&f); {
			from := f.end // of what stands before the value
			if from-f.start >= blockLeast {
				from = f.start + leastRecord
			}
			if x.value(&f) != nil || s.tick(f.start) != nil {
				break
			}
			if f.what != isKey || f.end-f.start < blockLeast {
				continue
			}
			if rows, keys, expiring := w.rows(from, f.end); keys > 0 && keys <= missing && (s.out.Gaps > 0 || keys >= missing-keys) {
				return holder{f, k, rows, keys, expiring}, true
			}
		}
	}
	return h, false
}

func appendSpan(all []span, sp span) []span {
	if sp.start < sp.end {
		all = append(all, sp)
	}
	return all
}

// unsuspect forgets that the key whose record begins at an offset may be left out for other reasons: it is.
func (s *salvager) unsuspect(at int64) {
	is := func(c cut) bool { return c.start == at }
	s.weakKeys = slices.DeleteFunc(s.weakKeys, func(k weakKey) bool { return is(k.cut) })
	s.bareKeys, s.openKeys, s.oddTimes = slices.DeleteFunc(s.bareKeys, is), slices.DeleteFunc(s.openKeys, is), slices.DeleteFunc(s.oddTimes, is)
	for _, list := range []*[]tail{&s.tails, &s.shorts, &s.forms} {
		*list = slices.DeleteFunc(*list, func(k tail) bool { return is(k.cut) })
	}
}

// rows returns the rows of sound keys between two offsets, and how many keys they have and how many of these expire.
func (w *blockFinder) rows(from, to int64) (rows []span, keys, expiring int64) {
	p := &w.s.probe
	p.forgetAll()
	p.reach = to
	defer func() { p.reach = 0 }()
	w.spent += to - from
	for at := from; at < to && w.spent <= blockSpend+p.end; at++ {
		b := p.view.at(at, 64)
		if magicAt(b) {
			if end, whole := p.dumpAt(at); whole { // which the value holds as its own
				at = end - 1
				continue
			}
		}
		if !p.plausible(b) {
			continue
		}
		w.spent += headCost
		if !w.ends(at, to) {
			continue
		}
		row, end := w.row(at, to)
		if len(row) == 0 {
			continue
		}
		if !w.own && w.dumped(at, end, to) {
			at = end - 1
			continue
		}
		for _, f := range row {
			keys++
			expiring += int64(one(f.expires))
		}
		rows = append(rows, span{row[0].start, row[len(row)-1].end})
		at = row[len(row)-1].end - 1
	}
	return rows, keys, expiring
}

// dumped reports whether the records between two offsets belong rather to a dump without its header, which the value holds that ends at another one: what selects its database stands before
// them, with its counts in versions that have such, or an end mark behind them.
func (w *blockFinder) dumped(first, last, to int64) bool {
	const most = 16 // bytes that select a database, with its counts
	p := &w.s.probe
	if b := p.view.at(last, 1); last+headerSize == to && len(b) > 0 && b[0] == opEOF {
		return true
	}
	for n := int64(2); n <= min(most, first); n++ {
		b := p.view.at(first-n, int(n))
		if int64(len(b)) < n || b[0] != opSelectDB {
			continue
		}
		sel := operands(b)
		if sel == int(n) && w.s.out.Version < firstHinted || sel > 0 && sel < int(n) && b[sel] == opResizeDB && operands(b[sel:]) == int(n)-sel {
			return true
		}
	}
	return false
}

// ends reports whether a record begins at an offset that ends before another one: that is told sooner than what it is worth.
func (w *blockFinder) ends(at, to int64) bool {
	const step = 16 // bytes that cost as much as one that is read
	p := &w.s.probe
	b := p.view.at(at, int(min(to-at, viewSize)))
	b = b[:min(int64(len(b)), to-at)]
	end, cut := p.frame(at, b)
	w.spent += min(p.x.r.Offset()-at, int64(len(b))) / step
	return end > 0 || cut && int64(len(b)) < to-at // then there is more of it than lies in memory
}

// row returns the sound keys that stand in a row from an offset on, nil if there is too little evidence for them. The last one is only kept where another
// begins behind it: what is torn reads on into the value. The first is not kept if it may have lost its expiry. Strings that could be fields of a hash are kept
// where another record follows: no hash has fields behind another key, and its own would begin it. All that is sound in the row ends at end.
func (w *blockFinder) row(from, to int64) (row []*record, end int64) {
	const mostFields = 8
	s := w.s
	p := &s.probe
	possible := s.fieldsPossible()
	fields := possible && s.census.hasFields()
	sure := 0
	for end = from; len(row) <= sure+mostFields; {
		f := p.probe(end)
		w.spent += max(0, p.x.r.Offset()-end) // what was read for that
		if f == nil || f.end > to || f.what != isKey || f.damaged || f.nameless || f.score < calmLeast {
			break
		}
		field := fields && f.likeField()
		if len(row) == 0 && (field || f.score < solidBits) {
			break
		}
		row = append(row, f)
		if !field {
			sure = len(row)
		}
		end = f.end
	}
	row = believedFrom(row[:sure])
	for n := len(row); n > 0 && (row[n-1].score < solidBits || p.soundHead(row[n-1].end, p.view.at(row[n-1].end, 1<<10)) < tailMin); n-- {
		row = row[:n-1]
	}
	if len(row) > 0 && !row[0].expires && (s.modifiersLost(row[0], row[0].start, false) || s.census.expiring() && p.timeEnds(row[0].start)) {
		row = row[1:]
	}
	sum, solid, keys := 0.0, 0, 0
	for _, f := range row {
		sum += float64(f.score)
		if f.score >= solidBits {
			solid++
		}
		if !f.likeField() || f.score >= strongBits {
			keys++
		}
	}
	alike := !fields && len(row) >= closedCount && sum >= solidBits*float64(len(row)) // keys of the file rather than fields
	if solid < anchorCount || sum < dyingBits || possible && keys == 0 && !alike {
		return nil, end
	}
	return row, end
}

// believedFrom returns what of a row has, with all before it, evidence enough for its beginning.
func believedFrom(row []*record) []*record {
	sum := 0.0
	for i, f := range row {
		if sum += float64(f.score); sum >= headMin {
			return row[i:]
		}
	}
	return nil
}

// freeRows takes a record out that has rows of others in it, which take its place.
func (s *salvager) freeRows(i int, h *holder) {
	g, f := &s.segs[i], &h.f
	p := g.pieces[h.piece]
	parts := append(appendSpan(nil, span{p.start, f.start}), h.rows...)
	g.pieces = slices.Replace(g.pieces, h.piece, h.piece+1, appendSpan(parts, span{f.end, p.end})...)
	g.keys += h.keys - 1
	g.expires += h.expiring - int64(one(f.expires))
	g.lost++
	g.sure++
	g.gone += int64(one(f.expires))
	is := func(k span) bool { return k.start == f.start }
	g.expiring, g.odd = slices.DeleteFunc(g.expiring, is), slices.DeleteFunc(g.odd, is)
	s.unsuspect(f.start)
	at := f.start
	for _, r := range h.rows {
		s.surplusCuts = append(s.surplusCuts, cut{span{at, r.start}, i})
		at = r.end
	}
	if at < f.end {
		s.surplusCuts = append(s.surplusCuts, cut{span{at, f.end}, i})
	}
	s.out.DoubtfulKeys++
	s.nameLost(f.start, f.end, LostKey{DB: g.db, Doubt: DoubtEnd})
}
