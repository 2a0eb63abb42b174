package repair

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// ownFields returns where the fields end that the record which failed has before the damage, if it is a hash whose fields expire: what follows its
// head as its fields do is no keys. It is 0 if it is none, or if a record begins where reading failed: then its count may be what is wrong.
func (g *gap) ownFields() int64 {
	p := &g.s.probe
	last := p.fieldsFrom(g.failed, tornMost)
	if last == 0 || p.soundHead(last, p.view.at(last, 1<<10)) >= tailMin {
		return 0
	}
	return last
}

// fieldsFrom returns where the fields end that a hash at an offset whose fields expire has before it cannot be read on, in so many bytes, 0 if none is there that has some.
func (p *prober) fieldsFrom(start int64, most int) int64 {
	const least = 3 // fields
	if p.census.table[rdb.TypeHashTTL] != current {
		return 0
	}
	b := p.view.at(start, most)
	b = b[:max(0, min(int64(len(b)), p.end-start))]
	at := afterModifiers(b)
	if at < 0 || at+16 > len(b) || rdb.Type(b[at]) != rdb.TypeHashTTL {
		return 0
	}
	p.x.r.ResumeBytes(b, p.position(start))
	var f record
	if !p.x.head(&f) || f.what != isKey || f.start != start {
		return 0
	}
	value := int(p.x.entry.ValueOffset - start)
	if value+8 >= len(b) || binary.LittleEndian.Uint64(b[value:]) > year10000 { // the earliest expiry
		return 0
	}
	seen, last := 0, int64(0)
	for _, err := range p.x.entry.Elements() {
		if err != nil {
			break
		}
		seen, last = seen+1, p.x.r.Offset()
	}
	if seen < least {
		return 0
	}
	return last
}

// inHash reports whether a record is rather a field of a hash whose fields expire, and whose head was found in the gap, though it cannot be read to its end.
func (g *gap) inHash(f *record) bool {
	if len(g.hashes) == 0 || !f.likeField() {
		return false
	}
	i, _ := slices.BinarySearchFunc(g.hashes, f.start, func(h span, at int64) int { return cmp.Compare(h.end, at+1) })
	return i < len(g.hashes) && g.hashes[i].start < f.start
}

// noteHash notes such a hash at an offset, where no record can be read.
func (g *gap) noteHash(at int64) {
	p := &g.s.probe
	if n := len(g.hashes); n > 0 && at < g.hashes[n-1].end {
		return
	}
	if b := p.view.at(at, 1<<10); len(b) == 0 || p.keyText(b[1:]) < explainKey {
		return
	}
	if end := p.fieldsFrom(at, probeAhead); end > 0 {
		g.hashes = append(g.hashes, span{at, end})
	}
}

// noteZeroed notes the fields of such hashes that were read to their ends, as zeros in them read as fields without names. Those before the zeros are theirs.
func (g *gap) noteZeroed() {
	p := &g.s.probe
	for i := range g.s.recent {
		f := &g.s.recent[i]
		if f.start < g.w || !f.damaged || f.what != isKey || f.typ != rdb.TypeHashTTL {
			continue
		}
		b := p.view.at(f.start, int(min(f.end-f.start, tornMost)))
		if zeros := bytes.Index(b, make([]byte, zeroRun)); zeros > 0 && p.fieldsFrom(f.start, tornMost) > f.start {
			g.hashes = append(g.hashes, span{f.start, f.start + int64(zeros)})
		}
	}
}
