package dupset

import (
	"errors"
	"slices"
	"sync"
)

// Filter tells which of very many strings may stand twice, by hashes of 56 bits, for three eighths of the memory and a third of the time of a [Late]. Nearly always
// none do, and nothing more is to be found out; otherwise those that may are to be looked at again, and a Late has the truth about them:
//
//	Add ──► pile: 256 partitions by the top bits of the hash ──► Finish: partition by partition through a sieve ──► Suspects
//
// Strings that are equal have equal hashes. Among 10 million different ones the odds that any two share one are 1 in 1400, among 100 million 1 in 14, unless
// somebody could choose them, which random seeds prevent.
type Filter struct {
	room int64 // bytes that Finish may take
	most int   // suspects
	pile pile
}

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
	f.pile.init(max(limit, minFilter)-f.room-chunkLen*8-rawSize, opt.TempDir)
	return f
}

const minFilter = 1 << 20

// Add adds strings by their hashes, see [Seeded.Hash].
func (f *Filter) Add(hashes []uint64) error { return f.pile.add(hashes) }

// Suspects are strings of which each may stand twice. No others do.
type Suspects struct {
	hashes map[uint64]struct{} // without what does not count; nil: all strings are suspect, because there were too many to tell
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
	_, ok := s.hashes[hash>>tailAt]
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
	workers = max(min(workers, max(2, int(f.room/sieveSize(f.pile.count/pileParts+1)))), 1)
	var (
		mutex sync.Mutex
		all   []uint64
		err   error
	)
	eachPart(workers, pileParts, func(next func() int) {
		w := &filterWorker{pileReader: pileReader{pile: &f.pile}, most: f.most}
		for i := next(); i >= 0; i = next() {
			e := w.settle(i, f.room/int64(workers))
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
		s.hashes[h], s.parts[h>>(headBits+tailBits)] = struct{}{}, true
	}
	return s, nil
}

// filterWorker looks for hashes that stand twice in one partition after the other.
type filterWorker struct {
	pileReader
	sieve
	most  int // to find
	found []uint64
	full  []uint64 // hashes with suspect heads

	rounds, round uint32   // only the heads of this round are looked at, which share the lowest bits, of so many, a power of two
	some          []uint32 // of a round
}

// settle finds the hashes of a partition that stand twice: all at once, or in so many rounds that each has room.
func (w *filterWorker) settle(i int, room int64) error {
	w.found = w.found[:0]
	n := w.pile.len(i)
	if n < 2 {
		return nil
	}
	w.rounds = 1
	for w.rounds < maxRounds && sieveSize(n/int64(w.rounds)) > room {
		w.rounds *= 2
	}
	expected := n / int64(w.rounds)
	for w.round = 0; w.round < w.rounds; w.round++ {
		w.begin(expected)
		err := w.each(i, false, func(h hashes) error {
			if int64(w.len()) > 2*expected+chunkLen {
				return errManySuspects // no seed deals so unevenly
			}
			w.add(w.ofRound(h.heads))
			return nil
		})
		if err == nil && w.finish() {
			err = w.compare(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const maxRounds = 1 << 16

// ofRound returns the heads of the round.
func (w *filterWorker) ofRound(heads []uint32) []uint32 {
	if w.rounds == 1 {
		return heads
	}
	w.some = slices.Grow(w.some[:0], len(heads))
	to, n := w.some[:len(heads)], 0
	for _, h := range heads {
		to[n] = h
		n += int(((h^w.round)&(w.rounds-1) - 1) >> 31)
	}
	return to[:n]
}

// compare finds the hashes of a partition that stand twice among those with suspect heads.
func (w *filterWorker) compare(i int) error {
	w.full = w.full[:0]
	err := w.each(i, true, func(h hashes) error {
		for k, head := range h.heads {
			if w.suspected(head) {
				w.full = append(w.full, uint64(i)<<(headBits+tailBits)|uint64(head)<<tailBits|uint64(h.tails[k]))
			}
		}
		if len(w.full) > 4*(w.most+chunkLen) {
			return errManySuspects
		}
		return nil
	})
	if err != nil {
		return err
	}
	if w.found = append(w.found, twice(w.full)...); len(w.found) > w.most {
		return errManySuspects
	}
	return nil
}

// Reset empties it and gives back the temporary file. The memory is kept.
func (f *Filter) Reset() { f.pile.reset() }

// Close gives back the temporary file and the memory.
func (f *Filter) Close() error { return f.pile.close() }
