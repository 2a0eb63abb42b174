package dupset

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// Late finds duplicates among very many strings as [Set] does, but tells of none before the end. For that a string costs no wait for memory:
//
//	Add ──► store: 1024 partitions by the top bits of the sum, up to a half of the limit in memory, the rest in a temporary file
//	                                        │
//	Finish ──► partition by partition through a table, which then fits into a cache; several at once
//
// Of a sum 84 bits are kept, as in a Set. On disk a string takes 16 bytes.
type Late struct {
	opt   Options
	store store
}

// NewLate returns an empty set. The limit of memory is that of the partitions' blocks and the tables of Finish together.
func NewLate(opt Options) *Late {
	if opt.MemoryLimit == 0 {
		opt.MemoryLimit = DefaultMemory
	}
	l := &Late{opt: opt}
	l.store.init(opt.MemoryLimit/2, opt.TempDir)
	return l
}

func writeSlots(b []byte, slots []slot) []byte {
	for i := range slots {
		b = binary.LittleEndian.AppendUint64(b, slots[i].lo)
		b = binary.LittleEndian.AppendUint64(b, slots[i].at)
	}
	return b
}

func readSlots(slots []slot, b []byte) []slot {
	for ; len(b) > 0; b = b[slotSize:] {
		slots = append(slots, slot{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
	}
	return slots
}

// Note is what a [Late] keeps of a string.
type Note struct{ slot }

// NoteOf is the note of a sum which belongs to position at, which is not negative.
func NoteOf(sum Sum, at int64) Note { return Note{full(sum, at)} }

// Add adds notes.
func (l *Late) Add(notes []Note) error {
	for i := range notes {
		p := &l.store.parts[notes[i].lo>>(64-lateBits)]
		if len(p.buf) == cap(p.buf) {
			if err := l.store.flush(p); err != nil {
				return err
			}
		}
		p.buf = append(p.buf, notes[i].slot)
	}
	return nil
}

// Finish returns every duplicate, sorted by Second and at most Options.MaxDups of them, and the number of all. So many partitions are looked at
// at once. Nothing may be added afterwards.
func (l *Late) Finish(workers int) (dups []Dup, seen int64, err error) {
	if err := l.store.finish(); err != nil {
		return nil, 0, err
	}
	workers = max(workers, 1)
	most := cmp.Or(l.opt.MaxDups, DefaultMaxDups)
	var mutex sync.Mutex
	opt := l.opt
	opt.MemoryLimit = l.opt.MemoryLimit / 2 / int64(workers)
	eachPart(workers, lateParts, func(next func() int) {
		s := New(opt)
		defer s.Close()
		w := &lateWorker{storeReader: storeReader{store: &l.store}, set: s, most: opt.MemoryLimit / 4 / slotSize}
		for i := next(); i >= 0; i = next() {
			found, n, e := w.settle(&l.store.parts[i])
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
	return firstDups(dups, most), seen, err
}

// eachPart has so many workers take the numbers of all partitions; next is negative behind the last.
func eachPart(workers, parts int, work func(next func() int)) {
	var (
		taken atomic.Int64
		wait  sync.WaitGroup
	)
	next := func() int {
		if i := taken.Add(1); i <= int64(parts) {
			return int(i) - 1
		}
		return -1
	}
	for range workers {
		wait.Go(func() { work(next) })
	}
	wait.Wait()
}

// firstDups returns the first of some duplicates, sorted, at most so many.
func firstDups(dups []Dup, most int) []Dup {
	slices.SortFunc(dups, compareDups)
	return dups[:min(len(dups), most)]
}

// lateWorker looks for duplicates in one partition after the other.
type lateWorker struct {
	storeReader
	set  *Set // for partitions that are too large for a table
	most int64

	table []slot // the size is a power of two
	shift int
	dups  []Dup
}

// settle finds the duplicates of a partition.
func (w *lateWorker) settle(p *part) ([]Dup, int64, error) {
	n := p.len()
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
func (w *lateWorker) settleLarge(p *part) ([]Dup, int64, error) {
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

// Close gives back the temporary file.
func (l *Late) Close() error { return l.store.close() }
