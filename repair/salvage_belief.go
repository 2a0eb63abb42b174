package repair

import (
	"bytes"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// Not every record that can be read is believed. What follows is asked of each while the walk has read nothing but the record itself.

// odd is unusual, which looks at nothing but the record.
func (s *salvager) odd(f *record, key []byte) bool {
	v := &s.probe.view
	if f.start >= v.lentAt && f.end <= v.lentAt+int64(len(v.lent)) {
		v.whole = f.start
		defer func() { v.whole = 0 }()
	}
	return s.unusual(f, key)
}

// zeroed reports whether a key without a name is rather a part of a block of zeros, or what follows one.
func (s *salvager) zeroed(f *record) bool {
	v := &s.probe.view
	return v.zeros(f.start, zeroEdge) == zeroEdge || f.typ == rdb.TypeString && v.zerosBefore(f.start, zeroEdge) == zeroEdge
}

// hopeless reports whether what was read as a damaged record is rather none.
func (s *salvager) hopeless(f *record) bool {
	return s.census.keys > openRecords/4 && s.probe.soundHead(f.start, s.probe.view.at(f.start, 1<<10)) < hopelessBits
}

// longerType reports whether a damaged record is rather one of another type, which reads without faults and ends behind this one, before another record:
// what stands between the two ends is no record then.
func (s *salvager) longerType(f *record) bool {
	p := &s.probe
	b := p.view.at(f.start, probeAhead)
	b = bytes.Clone(b[:max(0, min(int64(len(b)), p.end-f.start))]) // its type will be changed
	at := afterModifiers(b)
	if at < 0 || at+16 > len(b) {
		return false
	}
	end := (&gap{s: s, failed: f.start}).otherType(b, at)
	return end > f.end && p.soundHead(end, p.view.at(end, 1<<10)) >= tailMin
}

// longName reports whether the key of a damaged record is longer than others and records seem to begin in it: its length has grown, and where the value is nothing says.
func (s *salvager) longName(f *record) bool {
	const most = 64 << 10 // bytes of it that are looked at
	p := &s.probe
	b := p.view.at(f.start, probeAhead)
	at := afterModifiers(b)
	if at < 0 {
		return false
	}
	size, n, enc, _ := lengthForm(b[at+1:])
	if enc || size <= longKey || size > uint64(f.end-f.start) {
		return false
	}
	from := f.start + int64(at+1+n)
	return s.headsIn(from+1, from+min(int64(size), most))
}

// spelled reports whether a key that is written as an integer is the beginning of a text like other keys, of which none is an integer: then it
// is its length that is damaged.
func (s *salvager) spelled(f *record) bool {
	if s.census.ints > 0 || s.census.tested < oddLeast || intWidth(s.x.key) != 4 {
		return false
	}
	b := s.probe.view.at(f.start, 64)
	at := afterModifiers(b)
	if at < 0 || at+6 > len(b) || b[at+1] != 0xC2 {
		return false
	}
	for _, c := range b[at+2 : at+6] {
		if !printable(c) {
			return false
		}
	}
	return s.census.keyText.likeness(s.census.valueText, b[at+2:at+6], false) >= ofStrings
}

// namesField reports whether a string before the first database has the name of a field: it is one whose opcode is lost.
func (s *salvager) namesField(f *record) bool {
	return s.selected == 0 && f.likeField() && knownFields[string(s.x.key)] && !slices.ContainsFunc(s.recent, func(r record) bool { return r.what == isSelect })
}

// unheardOf reports whether a key without a name has an empty string of a form in which servers write none.
func (s *salvager) unheardOf(f *record) bool {
	if !f.nameless || f.typ != rdb.TypeString || s.truncate {
		return false
	}
	b := s.probe.view.at(s.x.entry.ValueOffset, 16)
	v, n, _, shortest := lengthForm(b)
	return n > 0 && v == 0 && !shortest && !s.census.writesLong()
}

// oldType reports whether a key of a type that servers do not write any more, the first of it, has control characters as hardly any other has, and another
// record may begin in it: a length before has shrunk.
func (s *salvager) oldType(f *record) bool {
	const looked = 8 // bytes of the key where the record may begin
	c := s.census
	if n := len(s.recent); s.guessed || n == 0 || s.recent[n-1].damaged || c.table[f.typ] != legacy || c.types[f.typ] > 0 || c.tested < oddLeast {
		return false
	}
	if !c.oddControl(s.x.key) {
		return false
	}
	p, at := &s.probe, s.x.entry.ValueOffset-int64(len(s.x.key))
	for i := at; i < min(at+looked, s.x.entry.ValueOffset); i++ {
		if p.soundHead(i, p.view.at(i, 1<<10)) >= headMin {
			return true
		}
	}
	return false
}

// incredible reports whether a record is not to be believed though it can be read.
func (s *salvager) incredible(f *record) bool {
	switch f.what {
	case isKey:
		if s.census.table[f.typ] == unknown || s.x.entry.Meta != nil && s.census.table[opMeta] == unknown {
			return true
		}
		if f.expires && s.census.table[opExpireTime] != current {
			if b := s.probe.view.at(f.start, 1); len(b) > 0 && b[0] == opExpireTime {
				return true
			}
		}
		if f.typ == rdb.TypeModule2 {
			if id, _, _, _ := lengthForm(s.probe.view.at(s.x.entry.ValueOffset, 9)); id < leastModule {
				return true
			}
		}
		if s.oldType(f) {
			return true
		}
		if f.nameless && (f.start == 0 || s.zeroed(f)) || s.spelled(f) || s.namesField(f) { // at 0 there is the rest of a value, as the header is missing
			return true
		}
	case isSelect:
		return f.numbers[0] > maxPlausibleDB
	case isSlot:
		return s.census.table[opSlotInfo] == unknown || !s.x.slots && !s.truncate && !plainLengths(s.probe.view.at(f.start+1, 27), 3) && !s.census.writesLong()
	case isFunction:
		return s.census.table[opFunction] == unknown || !s.truncate && s.headsInside(f)
	case isModuleAux:
		return s.census.table[opModuleAux] == unknown
	case isImport:
		return s.census.table[opMeta] == unknown
	case isAux, isSlotField, isResize:
		return s.census.table[opAux] == unknown || f.swallows && !s.truncate && s.headsInside(f)
	}
	return false
}

// headsInside reports whether records seem to begin inside a library or a field, which is text: one that is longer than it was takes what follows it.
func (s *salvager) headsInside(f *record) bool {
	const most = 64 << 10 // bytes that are looked at
	p := &s.probe
	for at := f.start + 1; at < f.end; { // of what is compressed the length is sure, or it would not have been read
		n, k, enc, _ := lengthForm(p.view.at(at, 16))
		switch {
		case k == 0 || enc && n == 3:
			return false
		case enc:
			n = 1 << n
		}
		at += int64(k) + int64(n)
	}
	return s.headsIn(f.start+1, min(f.end, f.start+most))
}

// headsIn reports whether a record seems to begin between two offsets.
func (s *salvager) headsIn(from, to int64) bool {
	p := &s.probe
	for at := from; at < to; at++ {
		b := p.view.at(at, 1<<10)
		if len(b) == 0 {
			return false
		}
		if c := b[0]; c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c >= opMeta {
			if p.soundHead(at, b) >= headMin {
				return true
			}
		}
	}
	return false
}
