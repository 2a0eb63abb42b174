package repair

import "github.com/kvfsck/kvfsck/rdb"

var streamTypes = [256]bool{rdb.TypeStream2: true, rdb.TypeStream3: true, rdb.TypeStream4: true, rdb.TypeStream5: true}

// The groups of a stream do not tell where they end: ids, times and counts are any bytes. But some of what stands in them no server writes.

// oddStream reports whether a stream that lies in memory has a group with a count of entries read that is negative and not -1, which servers
// read and none of their commands can set.
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
	for el, err := range s.probe.x.entry.Elements() {
		if err != nil {
			return false
		}
		if el.Kind == rdb.ElementGroup && el.HasCount && el.Count != rdb.EntriesReadUnknown && int64(el.Count) < 0 {
			return true
		}
	}
	return false
}
