package repair

import "github.com/kvfsck/kvfsck/rdb"

// endsThere reports whether a record before a gap ends where it seems to.
func (s *salvager) endsThere(f *record, g *gap) bool {
	if g.next > f.end && s.probe.twice(f.end, g.next) {
		return true
	}
	return s.seemsToEnd(f, g) && g.overlapping(f) == nil && !g.valueInside(f) && !g.recordInside(f)
}

// seemsToEnd is endsThere as far as the record itself says, and what begins behind it.
func (s *salvager) seemsToEnd(f *record, g *gap) bool {
	v := &s.probe.view
	switch {
	case f.what != isKey && f.what != isModuleAux:
		return true
	case s.oddName(f, g):
		return false
	case !(g.behindKey && f.likeField()) && s.probe.fieldsGoOn(f):
		return false
	case s.probe.elementsGoOn(f, g.next) && !(f.typ == rdb.TypeHash2 && g.leadsTo(f.end, g.next)):
		return false
	case s.probe.startsInside(f) || s.probe.brokenCounter(f) || s.longCount(f):
		return false
	case f.verified && f.typ == rdb.TypeString:
		b := v.at(f.end, 1)
		return len(b) == 0 || b[0] >= opMeta || g.next == f.end+1 || s.probe.headBehind(f.end) == 0 && !g.tooSmall(f.end) // one byte alone was put there
	case f.verified, f.told:
		return true
	case s.oddStream(f) || s.holdsStream(f) || s.isStream(f) || g.encoded(f) || g.madeInteger(f):
		return false
	case f.end >= s.probe.end && s.endMarkInside(f):
		return false
	case f.end >= s.probe.end || f.end == s.probe.end-headerSize && !g.found: // where the end mark stands
		return true
	case s.zerosBehind(f.end):
		return s.beforeZeroBlock(f.end) || f.suppose(v.zerosBefore(f.end, 1) == 0)
	case v.zeros(f.end, zeroFew) == zeroFew && v.zerosBefore(f.end, zeroFew) == zeroFew:
		return false
	case !g.found && s.probe.end-f.end <= tornTail:
		return s.probe.runsOut(f.end)
	}
	if s.emptyBeforeZeros(f) {
		return false
	}
	if s.opcodeBehind(f) || g.next > f.end+1 && s.probe.onlyOpcodesIn(f.end, g.next) {
		return true
	}
	if text, more := s.probe.textEnds(f); text {
		return !more && !s.endsInKey(f) || more && (s.probe.firstByteWrong(f.end) || g.leadsTo(f.end, g.next))
	}
	if s.probe.readsOn(f) && !s.probe.firstByteWrong(f.end) {
		return false
	}
	if k := s.probe.headBehind(f.end); k > 0 { // of a string of any bytes these are rather the last ones
		v := s.probe.stringOf(f)
		return s.probe.putBefore(f.end, k) && (v == nil && !g.endsPacked(f) || v != nil && isText(v))
	}
	if next := s.probe.probe(f.end); next != nil && !next.damaged && next.score >= tailMin {
		return f.suppose(true)
	}
	if s.noisy(f) { // it is rather damaged itself
		return f.suppose(s.probe.likelyHead(f.end) >= tailMin)
	}
	return f.suppose(s.probe.likelyHead(f.end) >= tailMin) || s.probe.otherType(f.end, g.next) || s.tellsEnd(f) && s.probe.headSpoiled(f.end) ||
		g.leadsTo(f.end, g.next) || g.countedOut(f) || s.madeAlike(f)
}

// zerosBehind reports whether a block of zeros may begin at an offset: there are enough of them, or nothing else up to the end.
func (s *salvager) zerosBehind(at int64) bool {
	n := int(min(zeroEdge, s.probe.end-at))
	return n >= zeroFew && s.probe.view.zeros(at, n) == n
}

// opcodeBehind reports whether text, be it short, ends before an opcode with which other keys of the file begin. If it had lost its end, or bytes were put
// into it, a byte of text would stand there.
func (s *salvager) opcodeBehind(f *record) bool {
	b, c := s.probe.view.at(f.end, 1), s.census
	if len(b) == 0 || !(b[0] == opExpireTimeMS && c.expires > 0 || b[0] == opIdle && c.often(c.idle) || b[0] == opFreq && c.often(c.freqs)) {
		return false
	}
	v := s.probe.stringOf(f)
	return len(v) > 0 && isText(v)
}

// beforeZeroBlock reports whether the zeros at an offset are those of sectors, the first of which begins at or behind it: what stands before that is no
// part of the damage.
func (s *salvager) beforeZeroBlock(at int64) bool {
	const most, own = 8 << 10, 16 // bytes of zeros; those of what follows
	from := at - int64(s.probe.view.zerosBefore(at, sectorSize))
	first := (from+sectorSize-1)/sectorSize*sectorSize - at
	n := int64(s.probe.view.zeros(at, most))
	return first >= 0 && n < most && n >= first+sectorSize && (n-first)%sectorSize <= own
}

// behindZeroBlock reports whether the zeros before an offset are those of sectors, the last of which ends at or just before it: what stands there is no
// part of them, be it a zero.
func (s *salvager) behindZeroBlock(at int64) bool {
	const own = 4 // bytes of a record before that
	edge := at / sectorSize * sectorSize
	return at == edge || at-edge <= own && s.probe.view.zerosBefore(edge, sectorSize) == sectorSize
}

// readsOn reports whether the text with which a string ends goes on behind it.
func (p *prober) readsOn(f *record) bool {
	const run = 4 // printable bytes on either side
	b := p.view.at(f.end-run, 2*run)
	if f.what != isKey || f.typ != rdb.TypeString || f.end-f.start < 4*run || len(b) < 2*run {
		return false
	}
	for _, c := range b[:2*run] {
		if !printable(c) {
			return false
		}
	}
	return true
}

// endsInKey reports whether the string that a record holds is rather the key of the next one, whose value is what stands behind it, up to a record.
func (s *salvager) endsInKey(f *record) bool {
	p := &s.probe
	b := p.view.at(f.start, int(min(f.end-f.start, viewSize)))
	p.x.r.ResumeBytes(b, p.position(f.start))
	var h record
	if !p.x.head(&h) || int64(len(b)) < f.end-f.start {
		return false
	}
	v := b[p.x.entry.ValueOffset-f.start : f.end-f.start]
	_, n, _, _ := lengthForm(v)
	need := float64(tailMin)
	if c := s.census; c.keyText.likeness(c.valueText, v[n:], true) < unusualBits {
		need = startBits
	}
	size := int64(stringSize(p.view.at(f.end, 1<<10)))
	return size > 0 && p.soundHead(f.end, p.view.at(f.end, 1<<10)) < tailMin && p.soundHead(f.end+size, p.view.at(f.end+size, 1<<10)) >= need
}

// doubtEnd leaves out the record read last if that behind it, which is empty and unlike all others, is rather a part of its value.
func (s *salvager) doubtEnd(f *record) {
	n := len(s.recent)
	for n > 0 && s.recent[n-1].nameless && s.recent[n-1].end == f.start {
		n--
		f = &s.recent[n]
	}
	if n == 0 || s.census.tested < oddLeast {
		return
	}
	last := &s.recent[n-1]
	if last.what != isKey || last.end != f.start || last.damaged || last.verified || packedTypes[last.typ] {
		return
	}
	if text, more := s.probe.textEnds(last); !text || more {
		last.damaged, last.doubt = true, DoubtEnd
	}
}

// textEnds reports whether a string is printable text, and whether more of it follows. No record begins with a printable byte.
func (p *prober) textEnds(f *record) (text, more bool) {
	const least, most = 3, 512
	if f.what != isKey || f.typ != rdb.TypeString {
		return false, false
	}
	b := p.view.at(f.start, int(min(f.end-f.start+1, viewSize)))
	var g record
	p.x.r.ResumeBytes(b, p.position(f.start))
	if !p.x.head(&g) || int64(len(b)) <= f.end-f.start {
		return false, false
	}
	v := b[p.x.entry.ValueOffset-f.start : f.end-f.start]
	_, n, enc, _ := lengthForm(v)
	if v = v[n:]; enc {
		return false, false
	}
	for _, c := range v[max(0, len(v)-most):] {
		if !printable(c) {
			return false, false
		}
	}
	more = printable(b[f.end-f.start])
	return more || len(v) >= least, more
}

func printable(c byte) bool { return c >= 0x20 && c < 0x7F }

// runsOut reports whether reading at an offset meets the end of the file before anything wrong.
func (p *prober) runsOut(at int64) bool {
	b := p.view.at(at, tornTail)
	p.x.r.ResumeBytes(b, p.position(at))
	var f record
	for p.x.head(&f) {
	}
	err := p.x.r.Err()
	return err == nil || p.cut(err, at)
}

// endMarkInside reports whether the last bytes of a record, with which the file ends, are rather the end mark and its checksum: a file that was cut short
// hardly ever ends where a record does, and with what looks like that.
func (s *salvager) endMarkInside(f *record) bool {
	at := s.probe.end - headerSize
	b := s.probe.view.at(at, 1)
	return s.probe.end == s.size && s.out.Version >= firstChecked && at > f.start && len(b) > 0 && b[0] == opEOF
}

// longCount reports whether the length with which a value begins takes more bytes than it needs, as no server writes it.
func (s *salvager) longCount(f *record) bool {
	b := s.probe.view.at(f.start, probeAhead)
	s.probe.x.r.ResumeBytes(b, s.probe.position(f.start))
	var h record
	if s.census.writesLong() || f.what != isKey || !s.probe.x.head(&h) || h.what != isKey || f.typ == rdb.TypeHashTTL || f.typ == rdb.TypeHashListpackTTL {
		return false
	}
	_, n, _, shortest := lengthForm(b[min(int(s.probe.x.entry.ValueOffset-f.start), len(b)):])
	return n > 0 && !shortest
}

// emptyBeforeZeros reports whether a string is empty and zeros follow it, with which no record begins: its length is rather one of them.
func (s *salvager) emptyBeforeZeros(f *record) bool {
	const least = 2
	if v := &s.probe.view; f.typ != rdb.TypeString || v.zerosBefore(f.end, 1) == 0 || v.zeros(f.end, least) < least {
		return false
	}
	v := s.probe.stringOf(f)
	return v != nil && len(v) == 0
}

// tooSmall reports whether the gap that begins at an offset hardly has room for a record.
func (g *gap) tooSmall(at int64) bool {
	const least = 8 // bytes
	return g.next > at && g.next-at < least
}
