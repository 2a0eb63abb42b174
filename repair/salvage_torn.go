package repair

import (
	"github.com/kvfsck/kvfsck/rdb"
)

// A torn record is one whose framing is lost. Its rest stands in the way: elements of a collection can look like records, and those of a
// hash with expiring fields do so exactly, since a field that never expires is a zero byte, a name and a value, just as a string with its key.
// So where such a record begins and how many elements it has is known, its elements are counted to where it must end.
const (
	tornMost   = 1 << 20 // bytes of a record that are looked through
	tornWindow = 512     // bytes behind the beginning of an element in which the next one is looked for
	tornKey    = 8       // evidence for its key
)

// torn returns where the record that failed ends at the latest, 0 if that is not known.
func (g *gap) torn() (end int64) {
	p := &g.s.probe
	b := p.view.at(g.failed, tornMost)
	if int64(len(b)) > p.end-g.failed {
		b = b[:p.end-g.failed]
	}
	at := afterModifiers(b)
	if at < 0 || at+16 > len(b) || p.keyText(b[at+1:]) < tornKey {
		return 0
	}
	if rdb.Type(b[at]) == rdb.TypeHashTTL {
		if end := g.countFields(b, at); end > 0 {
			return end
		}
	}
	return g.otherType(b, at)
}

// otherType supposes that nothing but the type is wrong, and returns where the record ends then. Only values that tell their own end say so.
func (g *gap) otherType(b []byte, at int) int64 {
	p := &g.s.probe
	was := b[at]
	defer func() { b[at] = was }()
	for t := range rdb.Type(opMeta) {
		if p.census.table[t] != current || !packedTypes[t] || t == rdb.Type(was) {
			continue
		}
		b[at] = byte(t)
		p.x.r.ResumeBytes(b, p.position(g.failed))
		var f record
		if !p.x.head(&f) || p.x.value(&f) != nil || f.damaged || f.start != g.failed {
			continue
		}
		return f.end
	}
	return 0
}

// countFields returns the end of a hash with expiring fields by its count of fields, of which one is supposed to be damaged: that which
// cannot be read. at is its type in b.
func (g *gap) countFields(b []byte, at int) int64 {
	p := &g.s.probe
	p.x.r.ResumeBytes(b, p.position(g.failed))
	var f record
	if !p.x.head(&f) || f.what != isKey {
		return 0
	}
	value := int(p.x.entry.ValueOffset-g.failed) + 8 // behind the earliest expiry
	if value >= len(b) {
		return 0
	}
	count, n, enc, _ := lengthForm(b[value:])
	if n == 0 || enc || count == 0 || count > tornMost {
		return 0
	}
	seen, last := 0, value+n
	for _, err := range p.x.entry.Elements() {
		if err != nil {
			break
		}
		seen, last = seen+1, int(p.x.r.Offset()-g.failed)
	}
	left, end := int(count)-seen-1, 0
	for i := last + 1; left >= 0 && i < min(last+tornWindow, len(b)); i++ {
		if e := skipFields(b, i, left); e > 0 && (end == 0 || e < end) && p.likelyHead(g.failed+int64(e)) >= tailMin {
			end = e
		}
	}
	if end == 0 {
		return 0
	}
	return g.failed + int64(end)
}

// skipFields returns where so many fields end that begin at index i of b, 0 if they do not. Times of a few milliseconds behind the earliest
// expiry are rare; they would be types.
func skipFields(b []byte, i, n int) int {
	const rare = 2
	few := 0
	for ; n > 0 && i < len(b); n-- {
		t, size, enc, shortest := lengthForm(b[i:])
		if t > 0 && t < 1<<6 {
			few++
		}
		if size == 0 || enc || !shortest || few > rare {
			return 0
		}
		i += size
		for range 2 {
			size := stringSize(b[min(i, len(b)):])
			if size == 0 {
				return 0
			}
			i += size
		}
	}
	if n > 0 || i > len(b) {
		return 0
	}
	return i
}

// stringSize returns how many bytes of b a string takes that begins it, 0 if none does that a server writes.
func stringSize(b []byte) int {
	v, n, enc, shortest := lengthForm(b)
	switch {
	case n == 0 || !shortest:
		return 0
	case enc && v == 3:
		packed, n, enc, shortest := lengthForm(b[1:])
		if n == 0 || enc || !shortest {
			return 0
		}
		_, m, enc, shortest := lengthForm(b[1+n:])
		if m == 0 || enc || !shortest || packed > uint64(len(b)) {
			return 0
		}
		return 1 + n + m + int(packed)
	case enc:
		return 1 + 1<<v
	case v > uint64(len(b)):
		return 0
	}
	return n + int(v)
}
