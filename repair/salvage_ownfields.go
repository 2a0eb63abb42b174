package repair

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/rdb"
)

// ownFields returns where the fields end that the record which failed has before the damage, if it is a hash whose fields expire: what follows its
// head as its fields do is no keys. It is 0 if it is none, or if a record begins where reading failed: then its count may be what is wrong.
func (g *gap) ownFields() int64 {
	const least = 3 // fields
	p := &g.s.probe
	if p.census.table[rdb.TypeHashTTL] != current {
		return 0
	}
	b := p.view.at(g.failed, tornMost)
	b = b[:max(0, min(int64(len(b)), p.end-g.failed))]
	at := afterModifiers(b)
	if at < 0 || at+16 > len(b) || rdb.Type(b[at]) != rdb.TypeHashTTL {
		return 0
	}
	p.x.r.ResumeBytes(b, p.position(g.failed))
	var f record
	if !p.x.head(&f) || f.what != isKey || f.start != g.failed {
		return 0
	}
	value := int(p.x.entry.ValueOffset - g.failed)
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
	if seen < least || p.soundHead(last, p.view.at(last, 1<<10)) >= tailMin {
		return 0
	}
	return last
}
