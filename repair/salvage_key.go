package repair

import (
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// A key whose length is damaged swallows what stands behind it, and one into which bytes were put ends too early. What is read then is well-formed often
// enough, but the key has in it what no other key has: the length of the value, or that of the key itself.

// oddControl reports whether a key that was counted has control characters as hardly any other has.
func (c *census) oddControl(key []byte) bool {
	const rare = 64
	return hasControl(key) && (max(c.binary, 1)-1)*rare < c.tested
}

// swallowedByKey returns the record that the key of a string rather took as its length grew: it begins inside the key, has much more evidence, and ends where the string does. nil if there is
// none. It is asked only where keys with control characters are rare. fresh says that what was found out before is of another place.
//
//	00 len "key | len value | 00 str key  str value" | 00 str key ...
//	    '-- grown ------------------->'
func (s *salvager) swallowedByKey(f *record, key []byte, fresh bool) *record {
	const few, rare = 3, 64
	others := max(s.census.binary, 1) - 1
	if f.damaged || f.typ != rdb.TypeString || !hasControl(key) || rareName*others >= s.census.tested || others > few && rare*others >= s.census.tested {
		return nil
	}
	if fresh {
		s.probe.forgetAll()
	}
	own := s.probe.probe(f.start)
	if own == nil || own.end != f.end {
		return nil
	}
	r := s.endingBetter(own)
	if r == nil || r.start < f.start+leastRecord || r.start >= f.end-int64(len(s.probe.stringOf(f))) {
		return nil
	}
	return r
}

// cutAt returns what is left of a record that reads on into another one.
func (f *record) cutAt(end int64) record {
	cut := *f
	cut.end, cut.damaged, cut.doubt = end, true, DoubtEnd
	return cut
}

// otherKey reports whether a key with control characters reads better in another way: it ends at one of them, and what follows is its value. Beside a gap
// it may also begin behind one, or a record may begin inside it; elsewhere that is no reason, for keys can be made that look so.
func (s *salvager) otherKey(f *record, besideGap bool) bool {
	const most = 64 // bytes of a key
	p := &s.probe
	b := p.view.at(f.start, probeAhead)
	at := afterModifiers(b)
	if at < 0 || at+2 >= len(b) || f.what != isKey {
		return false
	}
	size, n, enc, _ := lengthForm(b[at+1:])
	key := at + 1 + n
	if n == 0 || enc || size > uint64(len(b)-key) {
		return false
	}
	for i := 0; i < min(int(size), most); i++ {
		if c := b[key+i]; c >= 0x20 && (c < 0xC0 || c > 0xC3) { // the first byte of most values' lengths
			continue
		}
		head := append([]byte{b[at]}, appendLength(nil, uint64(i))...)
		if i > 0 && s.readsWell(append(head, b[key:key+i]...), f, key+i) || besideGap && s.readsWell([]byte{b[at]}, f, key+i) {
			return true
		}
		if besideGap && i > 0 && p.soundHead(f.start+int64(key+i), b[key+i:]) >= headMin {
			return true
		}
		b = p.view.at(f.start, probeAhead)
	}
	return false
}

// readsWell reports whether a record with another head, and what stands at an index behind the start of f, is one, with a key like others, and leads to
// the head of another.
func (s *salvager) readsWell(head []byte, f *record, rest int) bool {
	p := &s.probe
	b := p.view.at(f.start+int64(rest), probeAhead)
	p.trial = append(append(p.trial[:0], head...), b[:min(len(b), probeAhead)]...)
	var h record
	p.x.r.ResumeBytes(p.trial, p.position(0))
	if !p.x.head(&h) || h.what != isKey || hasControl(p.x.key) {
		return false
	}
	bits := p.census.keyBits(p.x.key, p.trial[1:])
	if bits < tailMin {
		return false
	}
	if p.x.value(&h) != nil || h.damaged {
		return false
	}
	end := f.start + int64(rest) + h.end - int64(len(head))
	return p.soundHead(end, p.view.at(end, 1<<10)) >= max(tailMin, headMin+tailMin-bits)
}

// startsInside reports whether what stands before a type, or announces a slot or a database, begins before the end of a record and leads to the head of
// another: then its value has grown.
func (p *prober) startsInside(f *record) bool {
	const most = 12
	from, to := p.textOf(f)
	for k := int64(1); k <= most && f.end-k > f.start; k++ {
		at := f.end - k
		b := p.view.at(at, 1<<10)
		if len(b) == 0 {
			return false
		}
		n := 0 // up to the type
		if at > from && at <= to && b[0] < opMeta && p.soundHead(at, b) >= headMin {
			return true
		}
		switch b[0] {
		case opExpireTimeMS, opIdle, opFreq:
			n = max(0, afterModifiers(b))
		case opSlotInfo, opSelectDB, opResizeDB:
			if p.census.table[b[0]] == current {
				n = operands(b)
				at, b = at+int64(n), b[min(n, len(b)):]
			}
		}
		if int64(n) >= k && p.soundHead(at, b) >= tailMin {
			return true
		}
	}
	return false
}

// textOf returns where the text lies with which the string of a key begins, if it is text.
func (p *prober) textOf(f *record) (from, to int64) {
	const least = 3
	v := p.stringOf(f)
	text := 0
	for text < len(v) && printable(v[text]) {
		text++
	}
	if text < least {
		return 0, 0
	}
	from = f.end - int64(len(v))
	return from, from + int64(text)
}

// stringOf returns what a string holds that is written as such and lies in memory, nil if it is none.
func (p *prober) stringOf(f *record) []byte {
	return p.plainString(f, p.view.at(f.start, int(min(f.end-f.start, viewSize))))
}

// isText reports whether all of a string is printable.
func isText(v []byte) bool {
	return !slices.ContainsFunc(v, func(c byte) bool { return !printable(c) })
}

// plainString returns what a string holds that is written as such and lies in b, which begins with its record; nil if it is none.
func (p *prober) plainString(f *record, b []byte) []byte {
	if f.what != isKey || f.typ != rdb.TypeString || int64(len(b)) < f.end-f.start {
		return nil
	}
	var h record
	p.x.r.ResumeBytes(b, p.position(f.start))
	if !p.x.head(&h) || h.what != isKey {
		return nil
	}
	b = b[:f.end-f.start]
	v := b[min(int(p.x.entry.ValueOffset-f.start), len(b)):]
	_, n, enc, _ := lengthForm(v)
	if n == 0 || enc {
		return nil
	}
	return v[n:]
}

// otherHead reports whether another record begins inside the head of one, holds the same value, and has as much evidence: which of them is there nothing says.
//
//	... 00 09 | FF 00 06 "\x06\x06:11" | value
//	          |    00 06 "\x06\x06:11" | value
func (s *salvager) otherHead(f *record) bool {
	p := &s.probe
	b := p.view.at(f.start, probeAhead)
	at := afterModifiers(b)
	if at < 0 || f.what != isKey || f.verified {
		return false
	}
	end := min(f.end, f.start+longKey)
	if n := stringSize(b[at+1:]); n > 0 {
		end = min(end, f.start+int64(at+1+n)) // there is the value
	}
	for i := f.start + int64(at) + 1; i < end; i++ {
		if r := p.probe(i); r != nil && r.end == f.end && r.what == isKey && !r.damaged && !r.nameless && r.score >= f.score {
			return true
		}
	}
	return false
}

// integerKey reports whether the key of a record is written as an integer.
func (p *prober) integerKey(f *record) bool {
	b := p.view.at(f.start, probeAhead)
	at := afterModifiers(b)
	return at >= 0 && at+1 < len(b) && b[at+1] >= 0xC0 && b[at+1] <= 0xC2
}
