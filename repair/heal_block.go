package repair

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/kvfsck/kvfsck/crc64"
)

// A block that does not belong: the bytes [i, j) were inserted, whatever they are and however many, if A[i] = R[j]. To find i and j in one
// walk, the survey puts A down in a table at many positions i, and the walk asks it for R at every j.
//
// In small files that is every position. In large ones it is the multiples of 512 bytes, or of more where memory requires: the sectors of
// disks. That finds what begins at such a place; and also a block that stands twice, side by side, if it is not shorter than that,
// since it does not matter which 512 bytes of two equal neighbours are taken out:
//
//	original    ... a b c d e ...
//	damaged     ... a b c d b c d e ...     cut "bcd" = "cdb" = "dbc"

// A cut from the very start takes off what a transfer put before the file. But where two files were joined, the first of them damaged, the
// second alone has a right checksum too, and that is no reason to throw the first away. If the input begins like an RDB, such a cut is
// taken only if what it takes off is there once more.

// sector is the least distance of the places at which inserted blocks are taken to begin in large files.
const sector = 512

// planBlocks decides where blocks may begin and makes the table.
func (s *search) planBlocks() {
	if !s.wants(DamageInsertedBlock) {
		return
	}
	most := s.opt.MaxMemory / tableEntrySize
	for s.align = 1; s.n/s.align > min(most, math.MaxUint32); {
		s.align = max(sector, 2*s.align)
	}
	s.blocks = newRegisterTable(s.n/s.align + 1)
}

// markBlocks steps the register over p, which stands at an offset, and puts it down wherever a block may begin. It returns it as it is
// behind p. The offset is a multiple of walkBlock.
func (s *search) markBlocks(sum uint64, at int64, p []byte) uint64 {
	if s.blocks == nil {
		return crc64.Update(sum, p)
	}
	for len(p) > 0 {
		if at%s.align == 0 {
			s.blocks.put(sum, uint32(at/s.align))
		}
		m := int(min(s.align-at%s.align, int64(len(p))))
		sum = crc64.Update(sum, p[:m])
		at, p = at+int64(m), p[m:]
	}
	return sum
}

// inserted is the probe for such blocks.
type inserted struct {
	s    *search
	over int64 // the length from which on they are not found as extra bytes
	mu   sync.Mutex
	cuts map[int64]int64 // by length, where the first begins; the others are taken to be the same block shifted
}

// maxCuts is how many lengths are kept.
const maxCuts = 1 << 8

func newInserted(s *search, over int64) *inserted {
	return &inserted{s: s, over: over, cuts: map[int64]int64{}}
}

func (p *inserted) look(w *window) {
	t := p.s.blocks
	for j, r := range w.r[w.pad:][:len(w.a)] {
		if r == 0 || t.maybe(r) {
			p.ask(w.at+int64(j), r)
		}
	}
}

func (p *inserted) ask(end int64, r uint64) {
	v, ok := p.s.blocks.get(r)
	if r == 0 {
		v, ok = 0, true // A[0] is not in the table
	}
	begin := int64(v) * p.s.align
	if !ok || end-begin <= p.over {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if had, ok := p.cuts[end-begin]; (!ok || begin < had) && (ok || len(p.cuts) < maxCuts) {
		p.cuts[end-begin] = begin
	}
}

// finish makes candidates of the cuts.
func (p *inserted) finish() error {
	s := p.s
	skipped := ""
	if s.align > 1 {
		skipped = "only blocks that begin at a multiple of their alignment, or stand twice"
	}
	odds := s.odds(float64(s.n/s.align+1)/2, 0)
	s.tried(DamageInsertedBlock, s.n, odds, skipped)
	for _, length := range slices.Sorted(maps.Keys(p.cuts)) {
		if loses, err := s.losesFile(length); err != nil {
			return err
		} else if loses {
			s.h.Discarded++
			continue
		}
		s.found(Candidate{Kind: DamageInsertedBlock, Odds: odds, Edits: []Edit{{Offset: p.cuts[length], Remove: length}}})
	}
	return nil
}

// losesFile reports whether the word without its first bytes is sound, and those are, or were, the start of another RDB.
func (s *search) losesFile(length int64) (bool, error) {
	a, err := s.register(length)
	if err != nil || a != crc64.Unshift(s.residue, s.n-length) || !s.almostMagic() {
		return false, err
	}
	if 2*length > s.n {
		return true, nil
	}
	one, two := make([]byte, min(length, walkBlock)), make([]byte, min(length, walkBlock))
	for at := int64(0); at < length; at += walkBlock {
		m := min(walkBlock, length-at)
		if err := s.read(one[:m], at); err != nil {
			return false, err
		}
		if err := s.read(two[:m], length+at); err != nil {
			return false, err
		}
		if !bytes.Equal(one[:m], two[:m]) {
			return true, nil
		}
	}
	return false, s.ctx.Err()
}
