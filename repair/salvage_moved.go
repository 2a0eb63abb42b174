package repair

import (
	"io"
	"slices"
)

// The two blocks that are exchanged can be of different databases, and the keys of one then stand in a value of the other. Where one database lacks keys, and one only, they are its own. The
// segment in which they stand becomes three:
//
//	SELECTDB 5 │ key │ value ~~ │ key │ key │ ~~ value │ key │ ...
//	           └─ database 5 ─┘ └─ lacking ─┘          └─ database 5

// freeMoved gives back the keys of blocks that have got into values of other databases. It reports whether there were any.
func (s *salvager) freeMoved() (any bool) {
	if s.truncate || s.out.Gaps == 0 || s.hinted == 0 || s.size > blockFile {
		return false
	}
	if slices.ContainsFunc(s.out.Regions, func(r Region) bool { return r.Kind == RegionPadding }) {
		return false // zeros took their place
	}
	lacking, missing := s.lackingDB()
	w := blockFinder{s: s}
	for i := 0; missing > 0 && i < len(s.segs); i++ {
		if s.segs[i].db == lacking {
			continue
		}
		if h, ok := w.holder(i, 0, missing); ok && len(s.segs)+2 <= segmentsMost {
			s.moveRows(i, &h, lacking)
			missing -= h.keys
			i++ // what stands behind the record is looked through next
			any = true
		}
	}
	return any
}

// lackingDB returns the one database that lacks keys for which nothing else accounts, and how many; 0 if there is none, or another one may lack some.
func (s *salvager) lackingDB() (db uint64, missing int64) {
	accounts := s.accounts()
	for n, a := range accounts {
		if !a.hinted && a.accounted > 0 {
			return 0, 0
		}
		lacks := a.keys - a.sure - a.unnamed
		if lacks < anchorCount {
			continue
		}
		if missing > 0 || a.uncertain && othersLack(accounts, n) {
			return 0, 0
		}
		db, missing = n, lacks
	}
	return db, missing
}

// othersLack reports whether keys that may be of a database may be of another one as well: not all others have theirs.
func othersLack(accounts map[uint64]*bareAccount, db uint64) bool {
	for n, a := range accounts {
		if n != db && (!a.hinted || a.kept < a.keys) {
			return true
		}
	}
	return false
}

// moveRows takes a record out that has rows of keys of another database in it, and puts these there.
func (s *salvager) moveRows(i int, h *holder, db uint64) {
	s.freeRows(i, h)
	g := s.segs[i]
	p := g.pieces[h.piece]
	first := append(slices.Clone(g.pieces[:h.piece]), appendSpan(nil, span{p.start, h.f.start})...)
	row := segment{db: db, gap: true, certain: true, pieces: h.rows, keys: h.keys, expires: h.expiring, start: h.rows[0].start}
	rest := segment{db: g.db, selected: g.selected, gap: g.gap, certain: g.certain, doubted: g.doubted, unlisted: g.unlisted, start: h.f.end}
	rest.pieces = append(appendSpan(nil, span{h.f.end, p.end}), g.pieces[h.piece+1:]...)
	rest.keys, rest.expires = s.countKeys(rest.pieces)
	behind := func(k span) bool { return k.start >= h.f.end }
	before := func(k span) bool { return k.start < h.f.end }
	rest.expiring, rest.odd = slices.DeleteFunc(slices.Clone(g.expiring), before), slices.DeleteFunc(slices.Clone(g.odd), before)
	g.expiring, g.odd = slices.DeleteFunc(g.expiring, behind), slices.DeleteFunc(g.odd, behind)
	g.pieces, g.keys, g.expires = first, g.keys-rest.keys, g.expires-rest.expires
	s.segs = slices.Replace(s.segs, i, i+1, g, row, rest)
	s.renumber(func(segment *int, start int64) {
		switch {
		case *segment > i, *segment == i && start >= h.f.end:
			*segment += 2
		}
	})
}

// countKeys returns how many keys pieces have, and how many of these expire.
func (s *salvager) countKeys(pieces []span) (keys, expires int64) {
	x := newRecordReader(s.opt)
	defer x.r.Close()
	for _, p := range pieces {
		x.r.Resume(io.NewSectionReader(s.src, p.start, p.end-p.start), s.probe.position(p.start))
		for f := (record{}); x.head(&f); {
			if f.what == isKey {
				keys++
				expires += int64(one(f.expires))
			}
		}
	}
	return keys, expires
}

// renumber changes the numbers of segments wherever a key is noted with its own.
func (s *salvager) renumber(change func(segment *int, start int64)) {
	for _, list := range [][]cut{s.oddTimes, s.bareKeys, s.openKeys, s.surplusCuts, s.cuts} {
		for i := range list {
			change(&list[i].segment, list[i].start)
		}
	}
	for _, list := range [][]tail{s.tails, s.shorts, s.forms} {
		for i := range list {
			change(&list[i].segment, list[i].start)
		}
	}
	for i := range s.weakKeys {
		change(&s.weakKeys[i].segment, s.weakKeys[i].start)
	}
	for id, u := range s.moduleTypes {
		change(&u.segment, u.start)
		s.moduleTypes[id] = u
	}
	for i := range s.libs {
		change(&s.libs[i].segment, s.libs[i].start)
	}
	for i := range s.out.partials {
		change(&s.out.partials[i].segment, s.out.partials[i].start)
	}
}
