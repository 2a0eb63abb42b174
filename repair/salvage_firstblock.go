package repair

import (
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// The first block of a file can be exchanged with one that lies in a long string. Then the file begins without its header, and no counts tell how many keys are missing, for
// those stand behind that:
//
//	~~~~ of another place ~~~~ | records ... 00 str key  len "val | REDIS0011 FA .. FE 00 FB .. 00 str key ... | ue" 00 str key ...
//	                                                                '- where a sector begins
//
// A file has one header. Where it stands in a value, at the beginning of a sector and with no whole dump behind it, what follows are the first keys.

// freeFirstBlock gives back the keys of the first block. It reports whether there were any.
func (s *salvager) freeFirstBlock() bool {
	p := &s.probe
	if s.truncate || s.out.ChecksumRight || !p.headless || s.size > blockFile {
		return false
	}
	for at := int64(sectorSize); at+headerSize <= p.end; at += sectorSize {
		if !magicAt(p.view.at(at, headerSize)) {
			continue
		}
		i := s.segmentAt(at)
		if _, whole := p.dumpAt(at); whole || s.firstDB(at) != int64(s.segs[i].db) {
			return false
		}
		h, ok := s.holderOf(i, at)
		if !ok {
			return false
		}
		w := blockFinder{s: s, own: true}
		if h.rows, h.keys, h.expiring = w.rows(at+headerSize, h.f.end); h.keys == 0 {
			return false
		}
		s.freeRows(i, &h)
		return true
	}
	return false
}

// firstDB returns the database that is selected behind a header at an offset, -1 if none is before the first key.
func (s *salvager) firstDB(at int64) int64 {
	r := rdb.NewReaderOptions(io.NewSectionReader(s.probe.view.src, at, s.probe.end-at), rdb.ReaderOptions{MaxString: longestKey, Window: dumpWindow})
	defer r.Close()
	for r.Next() {
		switch rec := r.Record().(type) {
		case *rdb.SelectDB:
			if rec.DB > maxPlausibleDB {
				return -1
			}
			return int64(rec.DB)
		case *rdb.Entry:
			return -1
		}
	}
	return -1
}

// holderOf returns the string of a segment in the value of which an offset lies, without rows.
func (s *salvager) holderOf(i int, at int64) (h holder, ok bool) {
	x := newRecordReader(s.opt)
	defer x.r.Close()
	for k, p := range s.segs[i].pieces {
		if at <= p.start || at >= p.end {
			continue
		}
		x.r.Resume(io.NewSectionReader(s.src, p.start, p.end-p.start), s.probe.position(p.start))
		for f := (record{}); x.head(&f); {
			if x.value(&f) != nil || s.tick(f.start) != nil || f.start >= at {
				break
			}
			if f.end > at {
				return holder{f: f, piece: k}, f.what == isKey && f.typ == rdb.TypeString
			}
		}
	}
	return h, false
}
