package dupset

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"sync"
)

// Filter tells which of very many strings may stand twice, by hashes of 64 bits, for half the memory and two thirds of the time of a [Late]. Nearly always
// none do, and nothing more is to be found out; otherwise those that may are to be looked at again, and a Late has the truth about them:
//
//	Add ──► store: 1024 partitions by the top bits of the hash ──► Finish: partition by partition through a table ──► Suspects
//
// Strings that are equal have equal hashes. Among 100 million different ones the odds that any two share one are 1 in 3700, unless
// somebody could choose them, which random seeds prevent.
type Filter struct {
	limit int64
	most  int // suspects
	store store[uint64]
}

const hashSize = 8 // bytes

// NewFilter returns an empty filter. The limit of memory is that of the partitions' blocks and the tables of Finish together; MaxDups is how many
// suspects are told apart.
func NewFilter(opt Options) *Filter {
	f := &Filter{limit: opt.MemoryLimit, most: opt.MaxDups}
	if f.limit == 0 {
		f.limit = DefaultMemory
	}
	if f.most <= 0 {
		f.most = DefaultMaxDups
	}
	f.store.write, f.store.read = writeHashes, readHashes
	f.store.init(hashSize, f.limit/2, opt.TempDir)
	return f
}

func writeHashes(b []byte, hashes []uint64) []byte {
	for _, h := range hashes {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	return b
}

func readHashes(hashes []uint64, b []byte) []uint64 {
	for ; len(b) > 0; b = b[hashSize:] {
		hashes = append(hashes, binary.LittleEndian.Uint64(b))
	}
	return hashes
}

// Add adds strings by their hashes, see [Seeded.Hash].
func (f *Filter) Add(hashes []uint64) error {
	for _, h := range hashes {
		p := &f.store.parts[h>>(64-lateBits)]
		if len(p.buf) == cap(p.buf) {
			if err := f.store.flush(p); err != nil {
				return err
			}
		}
		p.buf = append(p.buf, h)
	}
	return nil
}

// Suspects are strings of which each may stand twice. No others do.
type Suspects struct {
	hashes map[uint64]struct{} // nil: all strings are suspect, because there were too many to tell
	parts  [lateParts]bool     // those with suspects
}

// Has reports whether the string with a hash is one of them.
func (s *Suspects) Has(hash uint64) bool {
	if s.hashes == nil {
		return true
	}
	if !s.parts[hash>>(64-lateBits)] {
		return false
	}
	_, ok := s.hashes[max(hash, 1)]
	return ok
}

// errManySuspects ends the looking for more.
var errManySuspects = errors.New("too many suspects")

// Finish returns the suspects, nil if there are none. So many partitions are looked at at once. Nothing may be added afterwards.
func (f *Filter) Finish(workers int) (*Suspects, error) {
	if err := f.store.finish(); err != nil {
		return nil, err
	}
	workers = max(workers, 1)
	var (
		mutex sync.Mutex
		all   []uint64
		err   error
	)
	eachPart(workers, func(next func() int) {
		w := &filterWorker{storeReader: storeReader[uint64]{store: &f.store}, room: max(f.limit/2/int64(workers)/hashSize, 1<<10), most: f.most}
		for i := next(); i >= 0; i = next() {
			e := w.settle(&f.store.parts[i])
			if len(w.found) == 0 && e == nil {
				continue
			}
			mutex.Lock()
			if all = append(all, w.found...); e == nil && len(all) > f.most {
				e = errManySuspects
			}
			if err == nil {
				err = e
			}
			e = err
			mutex.Unlock()
			if e != nil {
				return
			}
		}
	})
	switch {
	case errors.Is(err, errManySuspects):
		return &Suspects{}, nil
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, nil
	}
	s := &Suspects{hashes: make(map[uint64]struct{}, len(all))}
	for _, h := range all {
		s.hashes[h], s.parts[h>>(64-lateBits)] = struct{}{}, true
	}
	return s, nil
}

// filterWorker looks for hashes that stand twice in one partition after the other.
type filterWorker struct {
	storeReader[uint64]
	room int64 // hashes that a table may be for
	most int   // to find

	table []uint64 // the size is a power of two; zero is nobody's
	shift int
	free  int // places, but one
	found []uint64

	rounds, round uint64 // only the hashes of this round go into the table, of so many, a power of two
}

// settle finds the hashes of a partition that stand twice: all at once, or in so many rounds that each has room in the table.
func (w *filterWorker) settle(p *part[uint64]) error {
	w.found = w.found[:0]
	n := p.len()
	if n < 2 {
		return nil
	}
	roundBits := bits.Len64(uint64((4*n+w.room-1)/w.room) - 1)
	size := bits.Len64(uint64(2*n) >> roundBits)
	w.rounds, w.shift = 1<<roundBits, 64-size
	if len(w.table) < 1<<size {
		w.table = make([]uint64, 1<<size)
	}
	for w.round = 0; w.round < w.rounds; w.round++ {
		clear(w.table[:1<<size])
		w.free = 1<<size - 1
		if err := w.each(p, w.place); err != nil {
			return err
		}
	}
	return nil
}

// place puts hashes into the table. The top bits, which all of a partition share, are not those that it goes by, nor are the lowest, which rounds
// share.
func (w *filterWorker) place(hashes []uint64) error {
	t := w.table[:1<<(64-w.shift)]
	mask := uint64(len(t) - 1)
	for _, h := range hashes {
		if h&(w.rounds-1) != w.round {
			continue
		}
		h = max(h, 1) // what makes a suspect of 1, too, if both are there
		for i := h << lateBits >> w.shift; ; i++ {
			there := &t[i&mask]
			if *there == 0 {
				if *there, w.free = h, w.free-1; w.free == 0 {
					return errManySuspects // no seed deals so unevenly
				}
				break
			}
			if *there == h {
				if w.found = append(w.found, h); len(w.found) > w.most {
					return errManySuspects
				}
				break
			}
		}
	}
	return nil
}

// Close gives back the temporary file.
func (f *Filter) Close() error { return f.store.close() }
