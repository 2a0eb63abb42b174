package repair

import "github.com/kvfsck/kvfsck/rdb"

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
		list := b[v] > 0 && b[v] < lenShort && stringSize(b[v+1:])+nodeSize(b[v+1:]) > 0 // of a few nodes
		if whole := v+stringSize(b[v:]) == len(b); !list && !whole {
			continue
		}
		for t := range rdb.Type(opMeta) {
			if p.census.table[t] != current || !packedTypes[t] && !(t == rdb.TypeString && b[v] == 0xC3) {
				continue
			}
			p.trial = append(append(p.trial[:0], byte(t), 1, 'k'), b[v:]...)
			if f, ok := p.fits(p.trial); ok && f.verified {
				return true
			}
		}
	}
	return false
}

// countedOut reports whether a plain collection before a gap has all elements that it counts, whatever is known of what follows. The larger one is, the likelier the damage is in it, be it a
// block of another place.
func (g *gap) countedOut(f *record) bool {
	p, size := &g.s.probe, elementSize[f.typ]
	if f.what != isKey || f.damaged || size == nil || f.end-f.start > sectorSize || g.next <= f.end || g.next-f.start > explainMost || !g.s.spend(g.next-f.start) {
		return false
	}
	n := int(g.next - f.start)
	b := p.view.at(f.start, n)
	if len(b) < n {
		return false
	}
	p.gapBytes = append(p.gapBytes[:0], b[:n]...)
	b = p.gapBytes
	at := afterModifiers(b)
	if at < 0 || p.elementsFill(f.end, g.next, size) {
		return false
	}
	if f.typ == rdb.TypeZset2 {
		value := at + 1 + stringSize(b[at+1:])
		if bits, _ := elementsTell(f.typ, b[min(value, n):], f.end-f.start-int64(value)); bits <= 0 {
			return false
		}
	}
	for t := range rdb.Type(opMeta) {
		if t == f.typ || p.census.table[t] != current {
			continue
		}
		p.trial = append(append(p.trial[:0], byte(t)), b[at+1:]...)
		if _, ok := p.fits(p.trial); ok {
			return false
		}
	}
	return true
}
