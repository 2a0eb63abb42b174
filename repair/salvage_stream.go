package repair

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/rdb"
)

var streamTypes = [256]bool{rdb.TypeStream: true, rdb.TypeStream2: true, rdb.TypeStream3: true, rdb.TypeStream4: true, rdb.TypeStream5: true}

// A stream does not tell where it ends: its length, ids, times and counts are any bytes, and one that has lost nodes reads them from the next ones. But some of it no
// server writes.

// oddStream reports whether a stream that lies in memory has another length than entries, or a group with a count of entries read that is negative and not -1:
// servers read that, and none of their commands can set it.
func (s *salvager) oddStream(f *record) bool {
	if f.what != isKey || !streamTypes[f.typ] {
		return false
	}
	b := s.probe.view.at(f.start, int(min(f.end-f.start, viewSize)))
	s.probe.x.r.ResumeBytes(b, s.probe.position(f.start))
	var g record
	if !s.probe.x.head(&g) || g.what != isKey {
		return false
	}
	entries := uint64(0)
	for el, err := range s.probe.x.entry.Elements() {
		if err != nil {
			return false
		}
		switch {
		case el.Kind == rdb.ElementStreamEntry:
			entries++
		case el.Kind == rdb.ElementStreamMeta && el.Meta.Length != entries:
			return true
		}
		if el.Kind == rdb.ElementGroup && el.HasCount && el.Count != rdb.EntriesReadUnknown && int64(el.Count) < 0 {
			return true
		}
	}
	return false
}

// holdsStream reports whether the value of a key is streamNodes.
func (s *salvager) holdsStream(f *record) bool {
	if f.what != isKey || f.typ != rdb.TypeList && f.typ != rdb.TypeSet && f.typ != rdb.TypeHash || s.keyOf(f) == nil {
		return false
	}
	return streamNodes(f.typ, s.probe.view.at(s.probe.x.entry.ValueOffset, 64))
}

// isStream reports whether what seems to be a string before a gap is rather the beginning of a stream, the number of its nodes read as a length.
func (s *salvager) isStream(f *record) bool {
	const most = 18 // bytes: the id of the first node, which is a string itself, and the head of another one
	return f.what == isKey && f.typ == rdb.TypeString && s.keyOf(f) != nil && f.end-s.probe.x.entry.ValueOffset < most &&
		streamNodes(rdb.TypeSet, s.probe.view.at(s.probe.x.entry.ValueOffset, 64))
}

// streamNodes reports whether a value of strings, which b begins with, begins as a stream does: servers write a node as two strings, its id of 16 bytes and a listpack. Then the type
// is wrong, and what follows the nodes was not read.
func streamNodes(t rdb.Type, b []byte) bool {
	const id, least = 16, 7 // bytes, of an empty listpack
	if t != rdb.TypeList && t != rdb.TypeSet && t != rdb.TypeHash {
		return false
	}
	_, n, enc, _ := lengthForm(b)
	if n == 0 || enc || len(b) < n+1+id+1 || b[n] != id {
		return false
	}
	if first := b[n+1]; first != 0 && first != 0xFF { // of a time in milliseconds, or of the largest one
		return false
	}
	b = b[n+1+id:]
	size, n, enc, _ := lengthForm(b)
	switch {
	case n == 0:
		return false
	case enc && size == 3: // LZF
		_, k, _, _ := lengthForm(b[1:])
		if k == 0 {
			return false
		}
		whole, m, _, _ := lengthForm(b[1+k:])
		size, b = whole, b[min(len(b), 1+k+m):]
		if m == 0 || len(b) < 5 || b[0] < 3 || b[0] >= 32 { // at least four bytes as they are
			return false
		}
		b = b[1:]
	case enc:
		return false
	default:
		b = b[n:]
	}
	return size >= least && len(b) >= 4 && uint64(binary.LittleEndian.Uint32(b)) == size
}

// endsID reports whether a record is rather the end of a stream's id, its time in milliseconds, no text where a key would begin, and a number:
//
//	00 | 00 01 8C 0B556F18 0000000000000000 | record       type, length, key "\x8C", length, value
func (p *prober) endsID(f *record) bool {
	const size, year2109 = 16, 1 << 42
	b := p.view.at(f.end-size, size)
	if f.end-f.start > size || f.end < size || len(b) < size {
		return false
	}
	ms := binary.BigEndian.Uint64(b)
	return ms > year2000 && ms < year2109 && !isText(b[3:5])
}
