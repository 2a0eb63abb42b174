package repair

import (
	"io"
	"slices"

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
	blockLeast = 256      // bytes of a record that is looked through
	blockSpend = 64 << 20 // bytes of all that is, beside the size of the file, where a head counts for headCost
	blockFile  = 16 << 20 // bytes of a file at most: to look through all values takes several times as long as to check them
)

// blockFinder looks for rows of records inside values.
type blockFinder struct {
	s     *salvager
	spent int64
}

// freeBlocks gives back the keys of blocks that have got into values. It reports whether there were any.
func (s *salvager) freeBlocks() (any bool) {
	if s.truncate || s.out.Gaps == 0 || s.hinted == 0 || s.size > blockFile {
		return false
	}
	w := blockFinder{s: s}
	accounts := s.accounts()
	for i := range s.segs {
		g := &s.segs[i]
		a := accounts[g.db]
		if a == nil || !a.hinted || a.uncertain || len(g.pieces) == 0 {
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

// segment looks through the records of a segment. It returns how many keys were found.
func (w *blockFinder) segment(i int, missing int64) (found int64) {
	s := w.s
	g := &s.segs[i]
	var pieces []span
	x := newRecordReader(s.opt)
	defer x.r.Close()
	for _, p := range g.pieces {
		x.r.Resume(io.NewSectionReader(s.src, p.start, p.end-p.start), s.probe.position(p.start))
		at := p.start
		for f := (record{}); w.spent <= blockSpend+s.size && x.head(&f); {
			value := f.end
			if x.value(&f) != nil || s.tick(f.start) != nil {
				break
			}
			if f.what != isKey || f.end-f.start < blockLeast || s.suspected(f.start) {
				continue
			}
			rows, keys, expiring := w.rows(value, f.end)
			if keys == 0 || found+keys > missing {
				continue
			}
			found += keys
			pieces = appendSpan(pieces, span{at, f.start})
			pieces = append(pieces, rows...)
			at = f.end
			s.freeRows(i, &f, rows, keys, expiring)
		}
		pieces = appendSpan(pieces, span{at, p.end})
	}
	g.pieces = pieces
	return found
}

func appendSpan(all []span, sp span) []span {
	if sp.start < sp.end {
		all = append(all, sp)
	}
	return all
}

// suspected reports whether the key whose record begins at an offset may be left out for other reasons.
func (s *salvager) suspected(at int64) bool {
	return slices.ContainsFunc(s.weakKeys, func(k weakKey) bool { return k.start == at }) ||
		slices.ContainsFunc(s.bareKeys, func(k cut) bool { return k.start == at }) ||
		slices.ContainsFunc(s.oddTimes, func(k cut) bool { return k.start == at }) ||
		slices.ContainsFunc(s.tails, func(k tail) bool { return k.start == at })
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
		row := w.row(at, to)
		if len(row) == 0 {
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

// row returns the sound keys that stand in a row from an offset on, nil if there is too little evidence for them. The last one is only kept where another
// begins behind it: what is torn reads on into the value. The first is not kept if it may have lost its expiry. Strings that could be fields of a hash are kept
// where another record follows: no hash has fields behind another key, and its own would begin it.
func (w *blockFinder) row(from, to int64) (row []*record) {
	const mostFields = 8
	s := w.s
	p := &s.probe
	fields := s.fieldsPossible() && s.census.types[rdb.TypeHashTTL] > 0
	sure := 0
	for at := from; len(row) <= sure+mostFields; {
		f := p.probe(at)
		w.spent += max(0, p.x.r.Offset()-at) // what was read for that
		if f == nil || f.end > to || f.what != isKey || f.damaged || f.nameless || f.score < calmLeast {
			break
		}
		field := fields && f.likeField()
		if len(row) == 0 && (field || f.score < headMin) {
			break
		}
		row = append(row, f)
		if !field {
			sure = len(row)
		}
		at = f.end
	}
	row = row[:sure]
	for n := len(row); n > 0 && (row[n-1].score < solidBits || p.soundHead(row[n-1].end, p.view.at(row[n-1].end, 1<<10)) < tailMin); n-- {
		row = row[:n-1]
	}
	if len(row) > 0 && !row[0].expires && (s.modifiersLost(row[0], row[0].start, false) || s.census.expiring() && p.timeEnds(row[0].start)) {
		row = row[1:]
	}
	sum, solid := 0.0, 0
	for _, f := range row {
		sum += float64(f.score)
		if f.score >= solidBits {
			solid++
		}
	}
	if solid < anchorCount || sum < dyingBits {
		return nil
	}
	return row
}

// freeRows takes a record out that has rows of others in it.
func (s *salvager) freeRows(i int, f *record, rows []span, keys, expiring int64) {
	g := &s.segs[i]
	g.keys += keys - 1
	g.expires += expiring - int64(one(f.expires))
	g.lost++
	g.sure++
	g.gone += int64(one(f.expires))
	is := func(k span) bool { return k.start == f.start }
	g.expiring, g.odd = slices.DeleteFunc(g.expiring, is), slices.DeleteFunc(g.odd, is)
	at := f.start
	for _, r := range rows {
		s.surplusCuts = append(s.surplusCuts, cut{span{at, r.start}, i})
		at = r.end
	}
	if at < f.end {
		s.surplusCuts = append(s.surplusCuts, cut{span{at, f.end}, i})
	}
	s.out.DoubtfulKeys++
	s.nameLost(f.start, f.end, LostKey{DB: g.db, Doubt: DoubtEnd})
}
