package dupset

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// Late finds duplicates among very many strings as [Set] does, but tells of none before the end. For that a string costs no wait for memory:
//
//	Add ──► 1024 partitions by the top bits of the sum, each a buffer of one block and a list of full blocks
//	                                        │
//	           blocks in memory, up to a half of the limit ──► blocks of a temporary file
//	                                        │
//	Finish ──► partition by partition through a Set, which then fits into a cache; several at once
//
// Of a sum 84 bits are kept, as in a Set. On disk a string takes 16 bytes.
type Late struct {
	opt    Options
	parts  [lateParts]latePart
	blocks [][]slot // those in memory
	most   int      // of them
	file   *os.File
	name   string // of the file, until it is removed
	filed  int    // blocks of the file
	raw    []byte // the last of them, not yet written
	err    error
}

const (
	lateBits  = 10
	lateParts = 1 << lateBits
	lateBlock = 256 // slots
	lateWrite = 64  // blocks that are written at once
)

// latePart is the sums of a partition, in the order of their Add.
type latePart struct {
	buf  []slot
	full []int // blocks; those not in memory are numbered on in the file
}

// NewLate returns an empty set. The limit of memory is that of the partitions' blocks and the tables of Finish together.
func NewLate(opt Options) *Late {
	if opt.MemoryLimit == 0 {
		opt.MemoryLimit = DefaultMemory
	}
	l := &Late{opt: opt}
	l.most = int(max(opt.MemoryLimit/2-lateParts*lateBlock*slotSize, 0) / (lateBlock * slotSize))
	return l
}

// Add adds a sum which belongs to position at, which is not negative.
func (l *Late) Add(sum Sum, at int64) error {
	p := &l.parts[sum.Lo>>(64-lateBits)]
	if len(p.buf) < cap(p.buf) {
		p.buf = append(p.buf, full(sum, at))
		return nil
	}
	if err := l.flush(p); err != nil {
		return err
	}
	p.buf = append(p.buf, full(sum, at))
	return nil
}

// flush empties the buffer of a partition, or makes it.
func (l *Late) flush(p *latePart) error {
	switch {
	case l.err != nil:
		return l.err
	case cap(p.buf) == 0:
		p.buf = make([]slot, 0, lateBlock)
		return nil
	case len(l.blocks) < l.most:
		p.full = append(p.full, len(l.blocks))
		l.blocks = append(l.blocks, p.buf)
		p.buf = make([]slot, 0, lateBlock)
		return nil
	}
	for i := range p.buf {
		l.raw = binary.LittleEndian.AppendUint64(l.raw, p.buf[i].lo)
		l.raw = binary.LittleEndian.AppendUint64(l.raw, p.buf[i].at)
	}
	p.full = append(p.full, l.most+l.filed)
	p.buf = p.buf[:0]
	if l.filed++; len(l.raw) >= lateWrite*lateBlock*slotSize {
		l.err = l.write()
	}
	return l.err
}

// write writes the last blocks to the file.
func (l *Late) write() error {
	if l.file == nil {
		f, err := os.CreateTemp(l.opt.TempDir, "kvfsck-dups-*")
		if err != nil {
			return fmt.Errorf("dupset: %w", err)
		}
		l.file, l.name = f, f.Name()
		if os.Remove(l.name) == nil { // as early as the system allows it
			l.name = ""
		}
	}
	if _, err := l.file.WriteAt(l.raw, int64(l.filed)*lateBlock*slotSize-int64(len(l.raw))); err != nil {
		return fmt.Errorf("dupset: %w", err)
	}
	l.raw = l.raw[:0]
	return nil
}

// Finish returns every duplicate, sorted by Second and at most Options.MaxDups of them, and the number of all. So many partitions are looked at
// at once. Nothing may be added afterwards.
func (l *Late) Finish(workers int) (dups []Dup, seen int64, err error) {
	if l.err == nil && len(l.raw) > 0 {
		l.err = l.write()
	}
	if l.err != nil {
		return nil, 0, l.err
	}
	workers = max(workers, 1)
	var (
		next  atomic.Int64
		wait  sync.WaitGroup
		mutex sync.Mutex
	)
	opt := l.opt
	opt.MemoryLimit = l.opt.MemoryLimit / 2 / int64(workers)
	for range workers {
		wait.Go(func() {
			s := New(opt)
			defer s.Close()
			var raw []byte
			for {
				i := next.Add(1) - 1
				if i >= lateParts {
					return
				}
				found, n, e := l.settle(s, &l.parts[i], &raw)
				if n == 0 && e == nil {
					continue
				}
				mutex.Lock()
				dups, seen = append(dups, found...), seen+n
				if err == nil {
					err = e
				}
				mutex.Unlock()
			}
		})
	}
	wait.Wait()
	slices.SortFunc(dups, compareDups)
	return dups[:min(len(dups), cmp.Or(opt.MaxDups, DefaultMaxDups))], seen, err
}

// settle passes a partition through a set.
func (l *Late) settle(s *Set, p *latePart, raw *[]byte) ([]Dup, int64, error) {
	s.Reset()
	s.use(s.tierFor(int64(len(p.full)*lateBlock + len(p.buf))))
	for _, number := range p.full {
		if number < len(l.blocks) {
			if err := addAll(s, l.blocks[number]); err != nil {
				return nil, 0, err
			}
			continue
		}
		*raw = slices.Grow((*raw)[:0], lateBlock*slotSize)[:lateBlock*slotSize]
		if _, err := l.file.ReadAt(*raw, int64(number-l.most)*lateBlock*slotSize); err != nil {
			return nil, 0, fmt.Errorf("dupset: %w", err)
		}
		for b := *raw; len(b) > 0; b = b[slotSize:] {
			if err := addSlot(s, slot{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}); err != nil {
				return nil, 0, err
			}
		}
	}
	if err := addAll(s, p.buf); err != nil {
		return nil, 0, err
	}
	if s.Seen() == 0 && !s.Spilled() {
		return nil, 0, nil
	}
	dups, err := s.Finish()
	return dups, s.Seen(), err
}

func addAll(s *Set, block []slot) error {
	for i := range block {
		if err := addSlot(s, block[i]); err != nil {
			return err
		}
	}
	return nil
}

// addSlot adds what a slot is of. The bits that all of a partition share go to the end, since tables go by those in front.
func addSlot(s *Set, sl slot) error {
	hi := sl.at & (1<<atShift - 1) // a table compares these bits at one end, a spill deals by those at the other
	_, err := s.Add(Sum{Hi: hi<<(64-atShift) | hi, Lo: bits.RotateLeft64(sl.lo, lateBits)}, sl.first())
	return err
}

// Close gives back the temporary file.
func (l *Late) Close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	if l.name != "" {
		if rm := os.Remove(l.name); err == nil {
			err = rm
		}
	}
	l.file, l.blocks, l.parts = nil, nil, [lateParts]latePart{}
	return err
}
