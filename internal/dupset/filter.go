package dupset

import (
	"errors"
	"math/bits"
	"slices"
	"sync"
)

// Filter tells which of very many strings may stand twice, by hashes of 64 bits, for half the memory and half of the time of a [Late]. Nearly always
// none do, and nothing more is to be found out; otherwise those that may are to be looked at again, and a Late has the truth about them:
//
//	Add ──► pile: 256 partitions by the top bits of the hash ──► Finish: partition by partition through a sieve ──► Suspects
//
// Strings that are equal have equal hashes. Among 100 million different ones the odds that any two share one are 1 in 3700, unless
// somebody could choose them, which random seeds prevent.
type Filter struct {
	room int64 // bytes that Finish may take
	most int   // suspects
	pile pile
}

const hashSize = 8 // bytes

// NewFilter returns an empty filter. The limit of memory is that of the partitions and of Finish together, at least 1 MiB; MaxDups is how many
// suspects are told apart.
func NewFilter(opt Options) *Filter {
	limit := opt.MemoryLimit
	if limit == 0 {
		limit = DefaultMemory
	}
	f := &Filter{room: max(limit, minFilter) / 4, most: opt.MaxDups}
	if f.most <= 0 {
		f.most = DefaultMaxDups
	}
	f.pile.init(max(limit, minFilter)-f.room-chunkLen*hashSize-rawSize, opt.TempDir)
	return f
}

const minFilter = 1 << 20

// Add adds strings by their hashes, see [Seeded.Hash].
func (f *Filter) Add(hashes []uint64) error { return f.pile.add(hashes) }

// Suspects are strings of which each may stand twice. No others do.
type Suspects struct {
	hashes map[uint64]struct{} // nil: all strings are suspect, because there were too many to tell
	parts  [pileParts]bool     // those with suspects
}

// Has reports whether the string with a hash is one of them.
func (s *Suspects) Has(hash uint64) bool {
	if s.hashes == nil {
		return true
	}
	if !s.parts[hash>>(64-pileBits)] {
		return false
	}
	_, ok := s.hashes[hash]
	return ok
}

// errManySuspects ends the looking for more.
var errManySuspects = errors.New("too many suspects")

// Finish returns the suspects, nil if there are none. So many partitions are looked at at once, but for more than two only as many as there is room for.
// Nothing may be added afterwards.
func (f *Filter) Finish(workers int) (*Suspects, error) {
	if err := f.pile.finish(); err != nil {
		return nil, err
	}
	workers = max(min(workers, max(2, int(f.room/sieveCost/(f.pile.count/pileParts+1)))), 1)
	var (
		mutex sync.Mutex
		all   []uint64
		err   error
	)
	eachPart(workers, pileParts, func(next func() int) {
		w := &filterWorker{pileReader: pileReader{pile: &f.pile}, room: f.room / int64(workers), most: f.most}
		for i := next(); i >= 0; i = next() {
			e := w.settle(i)
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
		s.hashes[h], s.parts[h>>(64-pileBits)] = struct{}{}, true
	}
	return s, nil
}

// filterWorker looks for hashes that stand twice in one partition after the other.
type filterWorker struct {
	pileReader
	room int64 // bytes
	most int   // to find

	hashes, others []uint64
	bitmap         []uint64
	found          []uint64

	rounds, round uint64 // only the hashes of this round are looked at, of so many, a power of two
}

// A hash that is looked at costs so many bytes: itself, its place among the others, and its bits.
const sieveCost = 8 + 8 + 4

// settle finds the hashes of a partition that stand twice: all at once, or in so many rounds that each has room.
func (w *filterWorker) settle(i int) error {
	w.found = w.found[:0]
	n := w.pile.len(i)
	if n < 2 {
		return nil
	}
	room := max(w.room/sieveCost, 1<<10)
	w.rounds = 1 << bits.Len64(uint64((n+room-1)/room-1))
	expected := n
	if w.rounds > 1 {
		expected = room + room/4 + chunkLen // a chunk is looked through before it is known how many are of the round
	}
	w.hashes = slices.Grow(w.hashes[:0], int(expected))
	for w.round = 0; w.round < w.rounds; w.round++ {
		w.hashes = w.hashes[:0]
		if err := w.each(i, w.take); err != nil {
			return err
		}
		if err := w.sieve(); err != nil {
			return err
		}
	}
	return nil
}

// take takes the hashes of a round, which share the lowest bits.
func (w *filterWorker) take(hashes []uint64) error {
	if w.rounds == 1 {
		w.hashes = append(w.hashes, hashes...)
		return nil
	}
	n := len(w.hashes)
	if n+len(hashes) > cap(w.hashes) {
		return errManySuspects // no seed deals so unevenly
	}
	to := w.hashes[n : n+len(hashes)]
	k := 0
	for _, h := range hashes {
		to[k] = h
		k += int(((h^w.round)&(w.rounds-1) - 1) >> 63)
	}
	w.hashes = w.hashes[:n+k]
	return nil
}

// sieve finds what stands twice among the hashes of a round. Each hash has a bit; what shares its bit with another goes on, which is few, has another bit,
// and what is left is sorted.
func (w *filterWorker) sieve() error {
	left := w.hashes
	if cap(w.others) < len(left) {
		w.others = make([]uint64, cap(left))
	}
	to := w.others[:len(left)]
	for skip := pileBits; skip < pileBits+2*maxSieve && len(left) > 64; skip += maxSieve {
		n := w.share(left, to, skip)
		left, to = to[:n], left
	}
	slices.Sort(left)
	for i, h := range left {
		if i > 0 && h == left[i-1] && (i == 1 || h != left[i-2]) {
			if w.found = append(w.found, h); len(w.found) > w.most {
				return errManySuspects
			}
		}
	}
	return nil
}

const (
	minSieve = 10 // bits of a hash that say which bit is its own
	maxSieve = 22
)

// share puts the hashes that share their bit with another one into to, and returns how many these are. So many top bits do not count.
func (w *filterWorker) share(hashes, to []uint64, skip int) int {
	size := min(max(bits.Len(uint(len(hashes)))+3, minSieve), maxSieve)
	if len(w.bitmap) < 1<<(size-6) {
		w.bitmap = make([]uint64, 1<<(size-6))
	}
	bitmap := w.bitmap[:1<<(size-6)]
	clear(bitmap)
	mask := uint64(len(bitmap) - 1)
	to = to[:len(hashes)]
	n := 0
	for _, h := range hashes {
		at := h << (skip & 63) >> ((64 - size) & 63)
		word := &bitmap[at>>6&mask]
		to[n] = h
		n += int(*word >> (at & 63) & 1)
		*word |= 1 << (at & 63)
	}
	if n == 0 {
		return 0
	}
	clear(bitmap)
	for _, h := range to[:n] {
		at := h << (skip & 63) >> ((64 - size) & 63)
		bitmap[at>>6&mask] |= 1 << (at & 63)
	}
	n = 0
	for _, h := range hashes {
		at := h << (skip & 63) >> ((64 - size) & 63)
		to[n] = h
		n += int(bitmap[at>>6&mask] >> (at & 63) & 1)
	}
	return n
}

// Reset empties it and gives back the temporary file. The memory is kept.
func (f *Filter) Reset() { f.pile.reset() }

// Close gives back the temporary file and the memory.
func (f *Filter) Close() error { return f.pile.close() }
