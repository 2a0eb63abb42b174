package repair

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/rdb"
)

// Of the record behind another one more than the first byte may be lost, and with it all that its key could say. What is left still says something:
//
//	... f                      | ~~~~ end of a key | value that tells its own size | next
//	... f, elements as counted | ~~~~ what are no elements ....................... | next
//
// In the first gap a value ends where the next record begins, and before it there is room for a head, and for not much more. In the second f has all elements that it counts, and what
// follows is none: had its count been damaged they would fill the gap, and had its type been, it would as one of another type end where the next record begins.

// tailExplains reports whether all that stands in b, but for a few bytes of a head and a key, is a value that tells its own size.
func (p *prober) tailExplains(b []byte) bool {
	const head, least = 3, 8 // bytes of a type and a short key; of a value
	for v := head; v <= head+longKey && v+least <= len(b); v++ {
		whole := v+stringSize(b[v:]) == len(b)
		for t := range rdb.Type(opMeta) {
			size := elementSize[t]
			switch {
			case p.census.table[t] != current:
				continue
			case packedTypes[t] && size != nil: // of nodes
				if !countedTo(b[v:], size) {
					continue
				}
			case !whole || !packedTypes[t] && !(t == rdb.TypeString && b[v] == 0xC3):
				continue
			}
			p.trial = append(append(p.trial[:0], byte(t), 1, 'k'), b[v:]...)
			if f, ok := p.fits(p.trial); ok && (f.verified || t == rdb.TypeString) {
				return true
			}
		}
	}
	return false
}

// countedTo reports whether b is a count, and just so many elements.
func countedTo(b []byte, size func(b []byte) int) bool {
	count, n, enc, shortest := lengthForm(b)
	if n == 0 || enc || !shortest || count == 0 || count > uint64(len(b)) {
		return false
	}
	for b = b[n:]; count > 0 && len(b) > 0; count-- {
		n := size(b)
		if n == 0 || n > len(b) {
			return false
		}
		b = b[n:]
	}
	return count == 0 && len(b) == 0
}

// triedTypes is how many types are tried of what stands in a gap, about.
const triedTypes = 12

// countedOut reports whether a plain collection before a gap has all elements that it counts, whatever is known of what follows. The larger one is, the likelier the damage is in it, be it a
// block of another place.
func (g *gap) countedOut(f *record) bool {
	p, size := &g.s.probe, elementSize[f.typ]
	if f.what != isKey || f.damaged || size == nil || f.end-f.start > sectorSize {
		return false
	}
	b := g.upToNext(f)
	if b == nil || !g.s.spend(triedTypes*int64(len(b))) {
		return false
	}
	at, rest := afterModifiers(b), b[f.end-f.start:]
	if at < 0 || elementsLead(rest, size) && !p.countedTail(rest) {
		return false
	}
	if f.typ == rdb.TypeZset2 {
		value := int64(at + 1 + stringSize(b[at+1:]))
		if value >= f.end-f.start {
			return false
		}
		if bits, _ := elementsTell(f.typ, b[value:], f.end-f.start-value); bits <= 0 {
			return false
		}
	}
	return !p.lastGoesOn(f.typ, b[at+1:], len(b)-at-1-len(rest)) && !p.fitsAsOther(b, at, false)
}

// endsPacked reports whether a record that ends one byte before the next one has rather another type: that byte is the one with which packed values end.
func (g *gap) endsPacked(f *record) bool {
	p := &g.s.probe
	if g.next != f.end+1 || !p.isAt(f.end, opEOF) {
		return false
	}
	b := g.upToNext(f)
	at := afterModifiers(b)
	return at >= 0 && p.fitsAsOther(b, at, false)
}

// elementsLead reports whether elements lead from somewhere near the beginning of b to its end: reading them comes back to their boundaries by itself.
func elementsLead(b []byte, size func(b []byte) int) bool {
	const near = 128 // bytes
	for i := range min(near, len(b)) {
		if fills(b[i:], size) {
			return true
		}
	}
	return false
}

// countedTail reports whether b is a few bytes of a head and a key, a count, and just so many elements.
func (p *prober) countedTail(b []byte) bool {
	const head = 3
	for v := head; v <= head+longKey && v < len(b); v++ {
		for t, size := range elementSize {
			if size != nil && p.census.table[t] == current && countedTo(b[v:], size) {
				return true
			}
		}
	}
	return false
}

// lastGoesOn reports whether the last string of a collection, which with its key takes so many bytes of b, is rather one that goes on up to the end of b: a compressed one, or text.
func (p *prober) lastGoesOn(t rdb.Type, b []byte, taken int) bool {
	const score = 8
	end := taken
	if t == rdb.TypeZset2 {
		end -= score
	}
	at := stringSize(b)
	_, n, _, _ := lengthForm(b[min(at, len(b)):])
	at += n
	last := -1
	for at < end {
		n := stringSize(b[at:])
		if t == rdb.TypeListQuicklist2 {
			n = nodeSize(b[at:])
		}
		if n == 0 {
			return false
		}
		last = at
		if at += n; t == rdb.TypeZset2 && at < end {
			at += score
		}
	}
	if last < 0 || at != end {
		return false
	}
	p.trial = append(append(p.trial[:0], byte(rdb.TypeString), 1, 'k', 0xC3), b[last+1:]...)
	if _, ok := p.fits(p.trial); ok {
		return true
	}
	return isText(b[max(last+1, end-4):])
}

// madeInteger reports whether a string before a gap is written as an integer and would end where the next record begins if it had another first byte: that of a compressed string, from
// which one bit leads to that of an integer, or of one whose length takes two bytes or five.
func (g *gap) madeInteger(f *record) bool {
	if f.typ != rdb.TypeString {
		return false
	}
	b := g.upToNext(f)
	at := afterModifiers(b)
	if b == nil || at < 0 {
		return false
	}
	at += 1 + stringSize(b[at+1:])
	if n := int(f.end-f.start) - at; n < 2 || b[at] < 0xC0 || b[at] > 0xC2 {
		return false
	}
	rest := b[at+1:]
	n := len(rest)
	if n > 0x40 && (n-1 < 1<<14 && rest[0] == byte(n-1) || binary.BigEndian.Uint32(rest) == uint32(n-4)) {
		return true
	}
	p := &g.s.probe
	p.trial = append(append(p.trial[:0], byte(rdb.TypeString), 1, 'k', 0xC3), rest...)
	_, ok := p.fits(p.trial)
	return ok
}
