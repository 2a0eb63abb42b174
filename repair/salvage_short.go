package repair

import (
	"bytes"

	"github.com/kvfsck/kvfsck/rdb"
)

// A value whose length shrank ends too early, and its rest can look like the head of a damaged record:
//
//	key  len "val | ue ~~~~~~~~~ " | key ...
//
// But the file says how many keys a database has. If none is missing, there was no record in the gap.

const (
	shortMost  = 64      // such keys that are noted
	shortTries = 1 << 10 // keys that are looked at for these
	shortLeast = 10      // bytes of a gap: in a smaller one an opcode may be damaged
)

// suppose notes that the end of a record is supposed from what stands behind it, if that is so.
func (f *record) suppose(ends bool) bool {
	f.supposed = f.supposed || ends
	return ends
}

// noteShort notes the key before a gap, if with another length, count or type its value ends where the gap does.
func (s *salvager) noteShort(start, end int64) {
	f := &s.entered
	if !f.supposed || f.end != start || len(s.shorts) >= shortMost || end-start < shortLeast || end-f.start > explainMost {
		return
	}
	if s.tried++; s.tried > shortTries || s.probe.opcodesSpoiled(start, end) {
		return
	}
	g := &gap{s: s}
	if ok, _ := g.explained(f.start, end); ok || s.probe.lengthExplains(f.start, end) {
		s.shorts = append(s.shorts, tail{cut{span{f.start, f.end}, len(s.segs) - 1}, f.expires})
	}
}

// opcodesSpoiled reports whether the range between two offsets is an opcode with what belongs to it, which may be damaged, or several, the first of which is
// wrong, or the beginning of one behind which a record begins.
func (p *prober) opcodesSpoiled(from, to int64) bool {
	const most, behind = 256, 16
	n := int(to - from)
	if n <= 0 || n > most {
		return false
	}
	b := p.view.at(from, n+behind)
	if len(b) < n {
		return false
	}
	b = bytes.Clone(b[:min(len(b), n+behind)]) // its first byte will be changed
	if operands(b) == n || b[0] >= opMeta && p.census.table[b[0]] == current || nearlyField(b) >= tailMin {
		return true
	}
	for _, op := range []byte{opSelectDB, opResizeDB, opAux, opSlotInfo, opFunction, opModuleAux} {
		if b[0] = op; p.census.table[op] != current {
			continue
		}
		if onlyOpcodes(b[:n]) {
			return true
		}
		if size := operands(b); size > n && size < len(b) && p.soundHead(from+int64(size), p.view.at(from+int64(size), 1<<10)) >= tailMin {
			return true
		}
	}
	return false
}

// lengthExplains supposes that the length of the string is wrong with which a record begins that ends at another offset: it has the same form, or it lost that
// and the bytes behind it are still there:
//
//	00 str key  10 | 42 value ...     5B 42 before, 0x1B42 bytes of value
//	00 str key  05 | 51 11 41 CF ...  C3 before, a compressed string
func (p *prober) lengthExplains(from, to int64) bool {
	n := int(to - from)
	b := p.view.at(from, n)
	if len(b) < n {
		return false
	}
	p.gapBytes = append(p.gapBytes[:0], b[:n]...)
	b = p.gapBytes
	at := afterModifiers(b)
	if at < 0 || at+2 >= n || rdb.Type(b[at]) != rdb.TypeString {
		return false
	}
	value := at + 1 + stringSize(b[at+1:])
	if value == at+1 || value >= n {
		return false
	}
	for size := 1; size <= 5 && value+size <= n; size++ {
		form := appendLength(nil, uint64(n-value-size))
		if len(form) != size {
			continue
		}
		_, was, enc, _ := lengthForm(b[value:])
		if !enc && was == size || size > 1 && bytes.Equal(form[1:], b[value+1:value+size]) {
			return true
		}
	}
	b[value] = 0xC3
	_, ok := p.fits(b)
	return ok
}

// cutShort leaves those out where no key is missing.
func (s *salvager) cutShort() {
	if len(s.shorts) == 0 || len(s.shorts) == shortMost {
		return
	}
	accounts := s.accounts()
	all := total(accounts).full()
	for _, k := range s.shorts {
		if all || accounts[s.segs[k.segment].db].full() {
			s.cutDoubtful(k.cut, k.expires, DoubtEnd)
		}
	}
}
