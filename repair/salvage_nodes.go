package repair

import "github.com/kvfsck/kvfsck/rdb"

// A list of the newest form is nodes of two kinds. A packed one tells its own end. A plain one is a single large item, which may have any length:
//
//	12 str key | count | 2 str listpack | 1 str item | 1 str item | ...
//
// So where such a list ends is told by its form only if its last node is packed, or an item that is compressed or an integer.

// Kinds of a list's nodes.
const (
	nodePlain  = 1
	nodePacked = 2
)

// lastTells reports whether the last node of a list that begins b, behind its key, tells its own end. Of one that reaches beyond b it is supposed.
func lastTells(b []byte) bool {
	count, n, enc, _ := lengthForm(b)
	if n == 0 || enc || count == 0 {
		return false
	}
	tells := false
	for b = b[n:]; count > 0; count-- {
		n := nodeSize(b)
		switch {
		case len(b) > 0 && b[0] != nodePlain && b[0] != nodePacked:
			return false
		case n == 0 || n > len(b): // the rest is not in memory
			return true
		}
		tells = b[0] == nodePacked || b[1] >= 0xC0
		b = b[n:]
	}
	return tells
}

// nodeSize returns how many bytes a node takes that begins b, 0 if none does.
func nodeSize(b []byte) int {
	if len(b) < 2 || b[0] != nodePlain && b[0] != nodePacked {
		return 0
	}
	n := stringSize(b[1:])
	if n > 0 {
		n++
	}
	return n
}

// ofList reports whether a record behind a list that failed is rather the last node of that: its name ends with what kind of node follows, or, in the older form, as the node before does.
//
//	~~~~ gap ~~~~ 11 27 "... FF 02" | listpack | record
func (g *gap) ofList(f *record) bool {
	if !packedTypes[f.typ] || f.typ == rdb.TypeListQuicklist || f.typ == rdb.TypeListQuicklist2 {
		return false
	}
	list := g.failedType()
	if list != rdb.TypeListQuicklist2 && list != rdb.TypeListQuicklist {
		return false
	}
	key := g.s.keyOf(f)
	if len(key) == 0 {
		return false
	}
	last := key[len(key)-1]
	return last == nodePacked && list == rdb.TypeListQuicklist2 || last == 0xFF && list == rdb.TypeListQuicklist
}

// inNode reports whether a record behind a gap is rather the end of a packed node, which begins before it and ends where it does.
func (p *prober) inNode(f *record) bool {
	const most = 8 << 10 // bytes of the node before it, as many as servers fill one with
	from := max(0, f.start-most)
	n := int(f.end - from)
	if n > 2*most {
		return false
	}
	b := p.view.at(from, n)
	if len(b) < n || b[n-1] != 0xFF {
		return false
	}
	b = b[:n]
	for at := int(f.start-from) - 1; at >= 0; at-- {
		if v, k, enc, _ := lengthForm(b[at:]); k > 0 && !enc && v == uint64(n-at-k) && packedBlob(b[at+k:]) {
			return true
		}
	}
	return false
}
