package repair

import "bytes"

// A value can hold a whole dump. Where the value is torn, nothing says of the dump's records that they are a part of it but what stands around them:
//
//	~~~~ gap ~~~~ magic │ record │ record │ ...
//	~~~~ gap ~~~~ FA redis-ver │ FA ... │ FE 00 │ record │ ...
//	~~~~ gap ~~~~ record │ record │ FF checksum │ the next record of the file
//
// Records that follow each other are of one file, so all in the row are the dump's. An end mark in the middle of the file could as well be a damaged type, but a record of just nine
// bytes is rare, and there would be one beside the gap before. Where the file's own magic is missing, the one that is found can be that.

// dumpTailMost is how many records are taken for those of a dump by its end mark alone.
const dumpTailMost = openRecords

// ofDump reports whether the records of a row behind a gap are rather those of a dump that the value holds which was lost there.
func (g *gap) ofDump(row []*record) bool {
	s, first, last := g.s, row[0].start, row[len(row)-1].end
	if at := first - headerSize; at > g.gapStart && !s.probe.headless && magicAt(s.probe.view.at(at, headerSize)) && !s.begunAnew(at) {
		return true
	}
	if row[0].what == isAux && s.census.keys > 0 && !s.beginningLost() && s.fieldsAnew(first) {
		return true
	}
	return len(row) <= dumpTailMost && s.endMarkAt(last) && g.next == last+headerSize
}

// beginningLost reports whether the file begins with neither its header nor its first field: where these are found they can be its own.
func (s *salvager) beginningLost() bool {
	const most = 128
	return s.probe.headless && writerOf(s.probe.view.at(0, most)) == 0
}

// fieldsAnew reports whether the field at an offset is the first one of a file, but not of this one, a part of which may have been written twice.
func (s *salvager) fieldsAnew(at int64) bool {
	const most = 96
	b := s.probe.view.at(at, most)
	if !bytes.HasPrefix(b, []byte("\xFA\x09redis-ver")) && !bytes.HasPrefix(b, []byte("\xFA\x0Avalkey-ver")) {
		return false
	}
	b = bytes.Clone(b[:min(len(b), most)])
	return !bytes.HasPrefix(s.probe.view.at(headerSize, most), b)
}

// endsDumpTail reports whether an end mark, and the few records up to it since a gap that ends at an offset, are rather the rest of such a dump: others follow it at once.
func (s *salvager) endsDumpTail(f *record, gapEnd int64) bool {
	i := len(s.recent)
	for i > 0 && s.recent[i-1].start >= gapEnd {
		i--
	}
	row := s.recent[i:]
	if len(row) == 0 || len(row) > dumpTailMost || row[0].start != gapEnd || row[len(row)-1].end != f.start || !s.endMarkAt(f.start) {
		return false
	}
	p := &s.probe
	p.forgetAll()
	var c chain
	p.follow(f.end, &c, func(int64) bool { return false })
	return c.trusted(1)
}

// endMarkAt reports whether an end mark and a checksum stand at an offset. An expiry is as long, and can have lost its opcode: then the rest of it is a time. So can be a small record that has
// lost its type.
func (s *salvager) endMarkAt(at int64) bool {
	b := s.probe.view.at(at, headerSize)
	return len(b) >= headerSize && b[0] == opEOF && !plausibleTime(b[1:]) && !(&gap{s: s}).leadsTo(at, at+headerSize)
}
