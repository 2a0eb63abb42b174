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
	full []uint32 // blocks; those not in memory are numbered on in the file
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

// Note is what a [Late] keeps of a string.
type Note struct{ slot }

// NoteOf is the note of a sum which belongs to position at, which is not negative.
func NoteOf(sum Sum, at int64) Note { return Note{full(sum, at)} }

// Add adds notes.
func (l *Late) Add(notes []Note) error {
	for i := range notes {
		p := &l.parts[notes[i].lo>>(64-lateBits)]
		if len(p.buf) == cap(p.buf) {
			if err := l.flush(p); err != nil {
				return err
			}
		}
		p.buf = append(p.buf, notes[i].slot)
	}
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
		p.full = append(p.full, uint32(len(l.blocks)))
		l.blocks = append(l.blocks, p.buf)
		p.buf = make([]slot, 0, lateBlock)
		return nil
	}
	for i := range p.buf {
		l.raw = binary.LittleEndian.AppendUint64(l.raw, p.buf[i].lo)
		l.raw = binary.LittleEndian.AppendUint64(l.raw, p.buf[i].at)
	}
	p.full = append(p.full, uint32(l.most+l.filed))
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
	most := cmp.Or(l.opt.MaxDups, DefaultMaxDups)
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
			w := &lateWorker{late: l, set: s, most: opt.MemoryLimit / 4 / slotSize}
			for {
				i := next.Add(1) - 1
				if i >= lateParts {
					return
				}
				found, n, e := w.settle(&l.parts[i])
				if n == 0 && e == nil {
					continue
				}
				mutex.Lock()
				if dups, seen = append(dups, found...), seen+n; len(dups) >= 2*most {
					dups = firstDups(dups, most)
				}
				if err == nil {
					err = e
				}
				mutex.Unlock()
			}
		})
	}
	wait.Wait()
	return firstDups(dups, most), seen, err
}

// firstDups returns the first of some duplicates, sorted, at most so many.
func firstDups(dups []Dup, most int) []Dup {
	slices.SortFunc(dups, compareDups)
	return dups[:min(len(dups), most)]
}

// lateWorker looks for duplicates in one partition after the other.
type lateWorker struct {
	late *Late
	set  *Set // for partitions that are too large for a table
	most int64
	raw  []byte

	table []slot // the size is a power of two
	shift int
	dups  []Dup
}

// settle finds the duplicates of a partition.
func (w *lateWorker) settle(p *latePart) ([]Dup, int64, error) {
	n := int64(len(p.full)*lateBlock + len(p.buf))
	if n > w.most/2 {
		return w.settleLarge(p)
	}
	size := 64 - bits.LeadingZeros64(uint64(2*n))
	if w.shift = 64 - size; len(w.table) < 1<<size {
		w.table = make([]slot, 1<<size)
	}
	clear(w.table[:1<<size])
	w.dups = w.dups[:0]
	err := w.each(p, w.place)
	return w.dups, int64(len(w.dups)), err
}

// place puts slots into the table. The bits that all of a partition share are not those that it goes by.
func (w *lateWorker) place(slots []slot) error {
	t := w.table[:1<<(64-w.shift)]
	for i := range slots {
		sl := slots[i]
		for h := sl.lo << lateBits >> w.shift; ; h = (h + 1) & uint64(len(t)-1) {
			there := &t[h]
			if there.at == 0 {
				*there = sl
				break
			}
			if there.lo == sl.lo && (there.at^sl.at)&(1<<atShift-1) == 0 {
				w.dups = append(w.dups, Dup{there.first(), sl.first()})
				break
			}
		}
	}
	return nil
}

// settleLarge passes a partition through the set.
func (w *lateWorker) settleLarge(p *latePart) ([]Dup, int64, error) {
	s := w.set
	s.Reset()
	if err := w.each(p, w.add); err != nil {
		return nil, 0, err
	}
	dups, err := s.Finish()
	return dups, s.Seen(), err
}

// add adds slots to the set.
func (w *lateWorker) add(slots []slot) error {
	for i := range slots {
		sl := &slots[i]
		hi := sl.at & (1<<atShift - 1) // a table compares these bits at one end, a spill deals by those at the other
		if _, err := w.set.Add(Sum{Hi: hi<<(64-atShift) | hi, Lo: bits.RotateLeft64(sl.lo, lateBits)}, sl.first()); err != nil {
			return err
		}
	}
	return nil
}

// each hands out the slots of a partition in the order in which they came.
func (w *lateWorker) each(p *latePart, take func([]slot) error) error {
	l := w.late
	var block []slot
	for _, number := range p.full {
		b := block
		if int(number) < len(l.blocks) {
			b = l.blocks[number]
		} else {
			w.raw = slices.Grow(w.raw[:0], lateBlock*slotSize)[:lateBlock*slotSize]
			if _, err := l.file.ReadAt(w.raw, int64(int(number)-l.most)*lateBlock*slotSize); err != nil {
				return fmt.Errorf("dupset: %w", err)
			}
			b = b[:0]
			for raw := w.raw; len(raw) > 0; raw = raw[slotSize:] {
				b = append(b, slot{binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[8:])})
			}
			block = b
		}
		if err := take(b); err != nil {
			return err
		}
	}
	return take(p.buf)
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
