package repair

import (
	"bytes"
	"encoding/binary"

	"github.com/kvfsck/kvfsck/rdb"
)

// A gap is explained if one damage of the usual kinds turns the bytes in it into a record that ends just where the next one begins, or if nothing but
// opcodes was put there. Then both records beside it are where they seem to be.
const (
	explainMost  = 16 << 10 // bytes of a gap
	explainOften = 16       // attempts on one gap
	explainPlain = 256      // bytes of one that does not tell its own end: reading strings comes back to their boundaries by itself
	explainKey   = 4        // evidence for a key of which another byte is supposed wrong
	twiceMost    = 64       // bytes that stand twice
	explainText  = 12       // evidence for a key whose length is supposed
	explainLost  = 3        // bytes before a key that may be wrong
	lenShort     = 64       // lengths of one byte are below
)

// explained reports whether the gap between two offsets is.
//
// exact says that nothing is missing before the second record.
func (g *gap) explained(from, to int64) (ok, exact bool) {
	p, n := &g.s.probe, to-from
	if n <= 0 || n > explainMost || to > p.end || g.asked == explainOften {
		return false, false
	}
	g.asked++
	b := p.view.at(from, int(n))
	if int64(len(b)) < n {
		return false, false
	}
	if onlyOpcodes(b[:n]) {
		return true, true
	}
	if p.twice(from, to) || p.opcodeExplains(from, to) {
		return true, true
	}
	b = p.view.at(from, int(n))
	p.gapBytes = append(p.gapBytes[:0], b[:n]...)
	b = p.gapBytes
	at := afterModifiers(b)
	if at < 0 || at+4 > len(b) {
		return false, false
	}
	if p.typeExplains(b, at) || p.keyExplains(b, at) || p.headExplains(b, at) || p.tailExplains(b) {
		return true, true
	}
	return p.valueExplains(b, at), false
}

// twice reports whether the gap between two offsets is there because some bytes stand twice, a part of which is in it:
//
//	... end of a record | next record          before
//	       '--- these ---'
//	... end of a record | ne end of a record | next record
//	       '--- these ---''--- once more -----'
//
// What stands just before the second copy of them is the first one, which begins in the record before the gap. Bytes that are all the same say nothing.
func (p *prober) twice(from, to int64) bool {
	const least = 3
	n := to - from
	if n < least || n > twiceMost || from < n {
		return false
	}
	b := p.view.at(from-n, int(3*n))
	if int64(len(b)) < 3*n {
		return false
	}
	for j := n + 1; j <= 2*n; j++ {
		if again := b[j : j+n]; bytes.Equal(b[j-n:j], again) && bytes.Count(again, again[:1]) < len(again) {
			return true
		}
	}
	return false
}

// onlyOpcodes reports whether b is opcodes with what belongs to them, or one alone, or one of two counts.
func onlyOpcodes(b []byte) bool {
	alone := len(b) == 1
	if len(b) > 1 && b[0] == opResizeDB {
		if _, n, enc, shortest := lengthForm(b[1:]); n == len(b)-1 && !enc && shortest {
			return true
		}
	}
	for len(b) > 0 {
		n := operands(b)
		switch b[0] {
		case opExpireTime, opExpireTimeMS, opFreq, opIdle: // which may be what is left of the next record's
			return false
		case opEOF:
			n = 1
		case opMeta:
			if n = 1; len(b) > 1 && b[1] == 0 { // metadata of no class
				n = 2
			}
		}
		if alone && b[0] > opMeta {
			n = 1
		}
		if n == 0 || n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}

// onlyOpcodesIn reports whether nothing but opcodes stands between two offsets.
func (p *prober) onlyOpcodesIn(from, to int64) bool {
	const most = 64
	if to-from > most {
		return false
	}
	b := p.view.at(from, int(to-from))
	return int64(len(b)) == to-from && onlyOpcodes(b)
}

// fits reads trial as a record without faults that takes all of it.
func (p *prober) fits(trial []byte) (f record, ok bool) {
	p.x.r.ResumeBytes(trial, p.position(0))
	if !p.x.head(&f) || f.what != isKey || p.x.value(&f) != nil || f.damaged || f.nameless {
		return f, false
	}
	return f, f.end == int64(len(trial))
}

// typeExplains supposes that the type at an index is wrong.
func (p *prober) typeExplains(b []byte, at int) bool {
	if p.keyText(b[at+1:]) < explainKey {
		return false
	}
	return p.fitsAsOther(b, at, len(b) > explainPlain)
}

// fitsAsOther reports whether b would be a record that takes all of it if the type at an index were another one: verified, one that tells its own end.
func (p *prober) fitsAsOther(b []byte, at int, verified bool) bool {
	for t := range rdb.Type(opMeta) {
		if p.census.table[t] != current || byte(t) == b[at] {
			continue
		}
		p.trial = append(append(p.trial[:0], byte(t)), b[at+1:]...)
		if f, ok := p.fits(p.trial); ok && (f.verified || !verified) {
			return true
		}
	}
	return false
}

// keyExplains supposes that the length of the key is wrong.
func (p *prober) keyExplains(b []byte, at int) bool {
	t := rdb.Type(b[at])
	if p.census.table[t] != current || t >= opMeta {
		return false
	}
	_, size, _, _ := lengthForm(b[at+1:])
	for _, m := range []int{1, size} {
		key := at + 1 + m
		for n := 1; m > 0 && n <= longKey && key+n < len(b); n++ {
			p.trial = append(append(p.trial[:0], byte(t)), appendLength(nil, uint64(n))...)
			p.trial = append(p.trial, b[key:]...)
			if key+n == len(b)-1 && b[key+n] == 0 { // which may be the last byte of the next record's expiry
				continue
			}
			if f, ok := p.fits(p.trial); ok && (f.verified || (t == rdb.TypeHash2 || len(b) <= explainPlain) && p.keyText(p.trial[1:]) >= explainText) {
				return true
			}
		}
		if size == 1 {
			break
		}
	}
	return false
}

// headExplains supposes that what stands before a key is wrong: the type and the length of the key, or all up to that length.
func (p *prober) headExplains(b []byte, at int) bool {
	if len(b) > explainPlain {
		return false
	}
	for lost := 1; lost <= explainLost && lost+2 < len(b); lost++ { // with the type
		if p.stringFrom(b[lost:]) {
			return true
		}
	}
	key := at + 2
	for n := 1; n < lenShort && key+n < len(b); n++ {
		if key+n == len(b)-1 && b[key+n] == 0 { // as with keyExplains
			return false
		}
		p.trial = append(append(p.trial[:0], 0, byte(n)), b[key:]...)
		if p.keyText(p.trial[1:]) < explainText {
			continue
		}
		for t := range rdb.Type(opMeta) {
			if p.census.table[t] != current {
				continue
			}
			p.trial[0] = byte(t)
			if f, ok := p.fits(p.trial); ok && (f.verified || t == rdb.TypeString) {
				return true
			}
		}
	}
	return false
}

// stringFrom reports whether b is a key like the others, with its length, and then a string.
func (p *prober) stringFrom(b []byte) bool {
	if p.keyText(b) < explainText {
		return false
	}
	p.trial = append(append(p.trial[:0], byte(rdb.TypeString)), b...)
	_, ok := p.fits(p.trial)
	return ok
}

// opcodeExplains supposes that what stands in the gap was a record that is known from the one behind it, some of whose bytes are left: the slot of a key that is alone in it, or the
// database whose counts follow.
func (p *prober) opcodeExplains(from, to int64) bool {
	const longest = 6
	n := int(to - from)
	if n > longest {
		return false
	}
	f := p.probe(to)
	if f == nil || f.damaged {
		return false
	}
	b := p.view.at(from, n)
	if len(b) < n {
		return false
	}
	switch {
	case f.what == isResize:
		return n == 2 && (b[0] == opSelectDB || b[1] < lenShort)
	case f.what != isKey || !p.x.slots || p.census.table[opSlotInfo] != current:
		return false
	}
	slot := append(appendLength([]byte{opSlotInfo}, uint64(f.slot)), 1, 0)
	if f.expires {
		slot[len(slot)-1] = 1
	}
	same := 0
	for i := range min(n, len(slot)) {
		if b[i] == slot[i] {
			same++
		}
	}
	return n == len(slot) && same > 0
}

// valueExplains supposes that the length or the count with which the value begins is wrong, or that a string has lost a byte or has one too many.
func (p *prober) valueExplains(b []byte, at int) bool {
	if p.keyText(b[at+1:]) < tailMin || b[at] >= opMeta || p.census.table[b[at]] != current {
		return false
	}
	key, t := at+1, rdb.Type(b[at])
	value := key + stringSize(b[key:])
	if value == key || value >= len(b) {
		return false
	}
	v, size, enc, _ := lengthForm(b[value:])
	if t == rdb.TypeString && size > 0 && !enc {
		if off := int64(value+size) + int64(v) - int64(len(b)); off == 1 || off == -1 {
			return true
		}
	}
	for _, m := range []int{1, size} {
		if rest := b[min(value+m, len(b)):]; m > 0 && p.valueRest(t, rest) {
			return true
		}
	}
	return false
}

// valueRest reports whether rest is all that a value has behind its length or count.
func (p *prober) valueRest(t rdb.Type, rest []byte) bool {
	const least = 4
	switch {
	case len(rest) < least:
		return false
	case t == rdb.TypeString:
		for _, c := range rest {
			if !printable(c) {
				return false
			}
		}
		return true
	case t == rdb.TypeHashListpack || t == rdb.TypeZsetListpack || t == rdb.TypeSetListpack || t == rdb.TypeZsetZiplist || t == rdb.TypeHashZiplist ||
		t == rdb.TypeListZiplist:
		return uint64(binary.LittleEndian.Uint32(rest)) == uint64(len(rest)) && rest[len(rest)-1] == 0xFF
	case elementSize[t] == nil || len(rest) > explainPlain:
		return false
	}
	return fills(rest, elementSize[t])
}

// leadsTo reports whether a gap is explained, if a record is known behind it.
func (g *gap) leadsTo(from, to int64) bool {
	ok, _ := g.explained(from, to)
	return ok
}
