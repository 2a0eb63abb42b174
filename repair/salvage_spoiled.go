package repair

import "github.com/kvfsck/kvfsck/rdb"

// Behind the last record before a gap begins what was damaged. Where little of its head is left that says little, but where the value before it tells
// its end by its form it is enough: had that been damaged, what follows it would be a piece of a value.

// tellsEnd reports whether the value of a record says by its form where it ends, though a string in it may have any length: it is counted, or made of
// typed parts, or an integer.
func (s *salvager) tellsEnd(f *record) bool {
	switch {
	case f.what != isKey || f.damaged:
		return false
	case streamTypes[f.typ] || f.typ == rdb.TypeModule2: // whose groups or parts hold anything
		return false
	case f.typ != rdb.TypeString:
		return f.score >= strongBits && !s.probe.elementsFollow(f)
	}
	b := s.probe.view.at(f.start, int(min(f.end-f.start, probeAhead)))
	s.probe.x.r.ResumeBytes(b, s.probe.position(f.start))
	var h record
	if !s.probe.x.head(&h) || h.what != isKey || int64(len(b)) < f.end-f.start {
		return false
	}
	v := b[s.probe.x.entry.ValueOffset-f.start : f.end-f.start]
	_, n, enc, _ := lengthForm(v)
	if !enc || n == 0 || len(v) > 5 {
		return false
	}
	for _, c := range v[1:] {
		if !printable(c) {
			return true
		}
	}
	return false
}

// headSpoiled reports whether at an offset stands what can be the type of a record, or its key behind a wrong one.
func (p *prober) headSpoiled(at int64) bool {
	const least = 4 // evidence for the key
	b := p.view.at(at, 1<<10)
	b = b[:max(0, min(int64(len(b)), p.end-at))]
	if len(b) < 4 {
		return false
	}
	if p.census.table[b[0]] == current {
		if b[0] >= opMeta {
			return true
		}
		v, n, enc, shortest := lengthForm(b[1:])
		if n > 0 && shortest && v > 0 && (enc || v <= longKey) {
			return true
		}
	}
	return p.keyText(b[1:]) >= least
}

// moduleSize returns how many bytes data of a module takes that begins with its id at an index of b: typed parts up to the end of them. It is 0 if
// it is none.
func moduleSize(b []byte, at int) int {
	const most = 64
	_, n, enc, _ := lengthForm(b[min(at, len(b)):])
	if n == 0 || enc {
		return 0
	}
	at += n
	for range most {
		if at < len(b) && b[at] == 0 {
			return at + 1
		}
		n := modulePart(b[min(at, len(b)):])
		if n == 0 {
			return 0
		}
		at += n
	}
	return 0
}

// moduleString is the kind of a part that is a string (rdb.h, RDB_MODULE_OPCODE_STRING).
const moduleString = 5

// modulePart returns how many bytes a typed part of a module's data takes that begins b, 0 if none does.
func modulePart(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	n := 1
	switch b[0] {
	case 1, 2: // signed and unsigned
		_, k, enc, _ := lengthForm(b[1:])
		if k == 0 || enc {
			return 0
		}
		n += k
	case 3:
		n += 4
	case 4:
		n += 8
	case moduleString:
		k := stringSize(b[1:])
		if k == 0 {
			return 0
		}
		n += k
	default:
		return 0
	}
	if n > len(b) {
		return 0
	}
	return n
}

// partsSure is how many parts of a module's data in a row no record reads as: behind its key stands no part.
const partsSure = 4

// moduleParts returns how many of them begin b, at most partsSure.
func moduleParts(b []byte) (parts int) {
	for ; parts < partsSure; parts++ {
		n := modulePart(b)
		if n == 0 {
			break
		}
		b = b[n:]
	}
	return parts
}

// elementsFollow reports whether several elements such as a collection has stand behind it.
func (p *prober) elementsFollow(f *record) bool {
	const several, most = 4, 4 << 10
	size := elementSize[f.typ]
	if size == nil {
		return false
	}
	b := p.view.at(f.end, most)
	b = b[:max(0, min(int64(len(b)), p.end-f.end, most))]
	for range several {
		n := size(b)
		if n == 0 || n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}
