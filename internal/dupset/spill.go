package dupset

import (
	"encoding/binary"
	"slices"
)

const (
	recordSize = 24 // bytes: Hi, Lo, at; little endian
	hiBits     = 64 // of Sum.Hi, which levels deal by in turn
)

type record struct {
	sum Sum
	at  int64
}

type spillOptions struct {
	dir     string
	bits    int // of Sum.Hi that name a partition; a divisor of hiBits
	blockSz int // bytes, a multiple of recordSize
}

// newSpillOptions sizes the blocks so that one for each partition, and one to
// read with, take an eighth of the memory limit, but no more than 64 KiB each.
// With little memory 256 blocks would have a few bytes each, so there it is 16.
func newSpillOptions(dir string, limit int64) spillOptions {
	o := spillOptions{dir: dir, bits: 8}
	if limit < 8<<20 {
		o.bits = 4
	}
	size := min(limit/8/int64(o.partitions()+1), 64<<10)
	o.blockSz = int(size / recordSize * recordSize)
	return o
}

func (o spillOptions) partitions() int { return 1 << o.bits }

func (o spillOptions) bufferBytes() int64 {
	return int64(o.blockSz) * int64(o.partitions()+1)
}

// partition is a list of blocks of the spill file; all but the last are full.
type partition struct {
	blocks  []uint32
	records int64
}

// spill is a temporary file of equal blocks which partitions claim as they
// grow and give back when they are read. One file, however many partitions:
// no crowd of descriptors, and a single name to remove.
type spill struct {
	spillOptions
	file *tempFile

	parts  []partition // of the level now written
	bufs   [][]byte    // one for each partition, filling up
	level  int
	in     []byte
	free   []uint32 // blocks nobody needs
	blocks uint32   // blocks of the file
}

func newSpill(o spillOptions) (*spill, error) {
	f, err := createTemp(o.dir)
	if err != nil {
		return nil, err
	}
	sp := &spill{spillOptions: o, file: f}
	sp.parts = make([]partition, sp.partitions())
	all := make([]byte, sp.bufferBytes())
	sp.bufs = make([][]byte, sp.partitions())
	for i := range sp.bufs {
		sp.bufs[i] = all[i*sp.blockSz : i*sp.blockSz : (i+1)*sp.blockSz]
	}
	sp.in = all[sp.partitions()*sp.blockSz:]
	return sp, nil
}

func (sp *spill) close() error { return sp.file.close() }

// add puts a record into the partition which the current level's bits name.
func (sp *spill) add(r record) error {
	skip := sp.level * sp.bits % hiBits
	p := int(r.sum.Hi << skip >> (hiBits - sp.bits))
	b := sp.bufs[p]
	b = binary.LittleEndian.AppendUint64(b, r.sum.Hi)
	b = binary.LittleEndian.AppendUint64(b, r.sum.Lo)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.at))
	sp.bufs[p] = b
	sp.parts[p].records++
	if len(b) < sp.blockSz {
		return nil
	}
	return sp.flush(p)
}

// flush writes a partition's buffer to a block of its own.
func (sp *spill) flush(p int) error {
	b := sp.bufs[p]
	if len(b) == 0 {
		return nil
	}
	var block uint32
	if n := len(sp.free); n > 0 {
		block, sp.free = sp.free[n-1], sp.free[:n-1]
	} else {
		block = sp.blocks
		sp.blocks++
	}
	if err := sp.file.writeAt(b, int64(block)*int64(sp.blockSz)); err != nil {
		return err
	}
	sp.parts[p].blocks = append(sp.parts[p].blocks, block)
	sp.bufs[p] = b[:0]
	return nil
}

// take ends the writing of a level and hands out its partitions.
func (sp *spill) take() ([]partition, error) {
	for p := range sp.bufs {
		if err := sp.flush(p); err != nil {
			return nil, err
		}
	}
	parts := sp.parts
	sp.parts = make([]partition, sp.partitions())
	return parts, nil
}

// settle finds the duplicates among the spilled records and notes them in s.
func (sp *spill) settle(s *Set) error {
	parts, err := sp.take()
	if err != nil {
		return err
	}
	return sp.settleAll(s, parts, sp.level)
}

// settleAll passes each partition through the table of s, by then empty. What
// finds no room there is dealt again, one level deeper. Records keep the order
// of their Add within a partition, so the first occurrence stays the first.
func (sp *spill) settleAll(s *Set, parts []partition, level int) error {
	for i := range parts {
		p := &parts[i]
		if p.records == 0 {
			continue
		}
		s.use(s.tierFor(p.records))
		sp.level = level + 1
		err := sp.read(p, func(sum Sum, at int64) error {
			_, err := s.Add(sum, at) // spills into this level's partitions
			return err
		})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(sp.parts, func(p partition) bool { return p.records > 0 }) {
			continue
		}
		below, err := sp.take()
		if err != nil {
			return err
		}
		if err := sp.settleAll(s, below, level+1); err != nil {
			return err
		}
	}
	sp.level = level
	return nil
}

// read hands out a partition's records and frees its blocks.
func (sp *spill) read(p *partition, each func(Sum, int64) error) error {
	left := p.records
	for _, block := range p.blocks {
		n := min(left, int64(sp.blockSz/recordSize))
		b := sp.in[:n*recordSize]
		if err := sp.file.readAt(b, int64(block)*int64(sp.blockSz)); err != nil {
			return err
		}
		sp.free = append(sp.free, block)
		left -= n
		for ; len(b) >= recordSize; b = b[recordSize:] {
			le := binary.LittleEndian
			sum := Sum{Hi: le.Uint64(b), Lo: le.Uint64(b[8:])}
			if err := each(sum, int64(le.Uint64(b[16:]))); err != nil {
				return err
			}
		}
	}
	p.blocks, p.records = nil, 0
	return nil
}

// tierFor is the smallest tier with room for n sums, or the last.
func (s *Set) tierFor(n int64) int {
	for i, size := range s.sizes {
		if n <= int64(roomOf(size)) {
			return i
		}
	}
	return len(s.sizes) - 1
}
