// Package dupset finds duplicates among very many byte strings in bounded memory.
//
// A string is known by its 128-bit seeded fingerprint, a [Sum]. A [Set] holds
// sums and answers at once whether one came before, for as long as its table
// fits into the memory limit. From then on the table keeps what it has and
// goes on answering for that; sums it does not know go to a temporary file,
// dealt into 256 partitions by their top bits, and [Set.Finish] looks at one
// partition after the other:
//
//	Add ──► table ──(full, and not in it)──► partition buffers ──► one file of blocks
//	          │                                                      │
//	          └─ known: duplicate, at once        Finish: one partition at a time
//	                                              through the same table; what does
//	                                              not fit is dealt again by the next bits
//
// Every pass over a partition settles as many different sums as the table
// holds, so the work ends whatever the input, and a partition that consists of
// one sum over and over takes a single pass.
//
// # Bounds
//
// Memory: Options.MemoryLimit for table and buffers together (at least
// [MinMemory]), 16 bytes for each duplicate kept (at most twice
// Options.MaxDups of them), and 4 bytes for each block of the temporary file,
// which is less than a hundredth of that file.
// Disk: 24 bytes for each spilled sum, plus up to 256 partly filled blocks for
// each level of dealing (there is one level up to about 250 times the number
// of sums the table holds, two up to 60 000 times; below 8 MiB partitions are
// 16 instead of 256, and levels more). With the default limit of
// 32 MiB the table holds 1.1 million sums, and 100 million keys take
// 2.4 GB on disk.
//
// Tables are tiers, each four times the one before. A set starts in the
// smallest (4 KiB), so a million tiny values in a row never leave the
// processor's first cache. [Set.Reset] clears no more than was in use.
//
// A [Late] is for whole files: it tells of no duplicate before the end, and costs
// a string no wait for memory. A [Filter] only tells whether there may be any, in
// half the memory.
//
// A [Few] is for collections so small that looking at each member twice, if it
// comes to that, costs less than a good fingerprint.
package dupset

import (
	"cmp"
	"errors"
	"math/bits"
	"slices"
)

// Limits and their defaults.
const (
	DefaultMemory  = 32 << 20 // bytes
	MinMemory      = 64 << 10 // bytes
	DefaultMaxDups = 1 << 16  // duplicates
)

const (
	slotSize  = 16  // bytes of a slot; a test holds it to the truth
	firstTier = 256 // slots; a hash or set of default packed size stays within it
	tierRatio = 4
)

// Options say how much a [Set] may use. The zero value is usable.
type Options struct {
	// MemoryLimit is in bytes; 0 means [DefaultMemory], anything below
	// [MinMemory] means [MinMemory].
	MemoryLimit int64
	// TempDir is where spilled sums go; "" means [os.TempDir].
	TempDir string
	// MaxDups is how many duplicates Finish may return; 0 means
	// [DefaultMaxDups]. A file that repeats one key a hundred million times
	// must not fill the memory with the news.
	MaxDups int
}

// Dup says that the string added at Second had already been added at First.
// First is the earliest of all, so three of a kind give two Dups with one First.
type Dup struct{ First, Second int64 }

func compareDups(a, b Dup) int {
	return cmp.Or(cmp.Compare(a.Second, b.Second), cmp.Compare(a.First, b.First))
}

// slot has 84 bits of a sum and where it first came, so that four slots share a cache line. Sums are compared only where they lie
// side by side in a table: with 100 million keys the odds that two unequal ones are taken for equal are below 2^-35.
type slot struct {
	lo uint64
	at uint64 // the position, one up, and the lower bits of Sum.Hi; 0: the slot is empty
}

const (
	atShift = 20
	maxAt   = 1<<(64-atShift) - 2
)

// full is the slot that a sum fills.
func full(sum Sum, at int64) slot {
	return slot{sum.Lo, (min(uint64(at), maxAt)+1)<<atShift | sum.Hi&(1<<atShift-1)}
}

// first is the position of the sum in the slot.
func (sl *slot) first() int64 { return int64(sl.at>>atShift) - 1 }

// ErrClosed is returned when a closed [Set] is used.
var ErrClosed = errors.New("dupset: set is closed")

// Set is a set of sums. It is not safe for use by several goroutines at once.
type Set struct {
	table []slot     // the tier in use
	n     int        // slots of the table in use
	few   [16]uint16 // which, as long as they are no more and the tier is the first
	room  int        // n may not pass this

	tiers   [][]slot
	sizes   []int // slots of each tier; the last is what the limit leaves
	tier    int
	dups    []Dup
	dupSeen int64
	maxDups int
	sp      *spill
	spillTo spillOptions
	err     error
	touched uint64 // so that touching is not for nothing
}

// New returns an empty set. It allocates next to nothing before the first Add
// and makes no file before the memory limit is reached.
func New(opt Options) *Set {
	limit := opt.MemoryLimit
	if limit == 0 {
		limit = DefaultMemory
	}
	limit = max(limit, MinMemory)
	s := &Set{maxDups: opt.MaxDups}
	if s.maxDups <= 0 {
		s.maxDups = DefaultMaxDups
	}
	s.spillTo = newSpillOptions(opt.TempDir, limit)
	left := (limit - s.spillTo.bufferBytes()) / slotSize
	for size := int64(firstTier); ; size *= tierRatio {
		// The next tier must leave room for a useful one after it; if it does
		// not, all that is left becomes the last tier.
		if left-size < size*tierRatio {
			s.sizes = append(s.sizes, int(min(left, maxSlots)))
			break
		}
		s.sizes = append(s.sizes, int(size))
		left -= size
	}
	s.tiers = make([][]slot, len(s.sizes))
	return s
}

// maxSlots keeps a table's size in bytes within an int of 32 bits.
const maxSlots = 1 << 26

// Reset empties the set for another collection.
func (s *Set) Reset() {
	switch {
	case s.tier == 0 && s.n <= len(s.few):
		for _, i := range s.few[:s.n] {
			s.table[i] = slot{}
		}
		s.n = 0
	default:
		s.use(0)
	}
	s.dups, s.dupSeen = s.dups[:0], 0
	if s.sp != nil {
		s.sp.close()
		s.sp = nil
	}
	if !errors.Is(s.err, ErrClosed) {
		s.err = nil
	}
}

// roomOf is how many slots of a table may be filled: three quarters, where
// linear probing still looks at eight slots on average in the worst case.
func roomOf(slots int) int { return slots / 4 * 3 }

// Touch brings near what Add is going to look at. Before a number of sums are added it lets the waits for memory pass side by side.
func (s *Set) Touch(sum Sum) {
	if t := s.table; len(t) > 0 {
		h, _ := bits.Mul64(sum.Lo, uint64(len(t)))
		s.touched ^= t[h].at
	}
}

// Add adds a sum which belongs to position at, which is not negative; a Dup may
// tell 2^44 for one beyond. dup tells whether the set is sure that it had the sum
// already; once [Set.Spilled] is true, dup == false means nothing before
// [Set.Finish]. An error is one of the temporary file's and stays until Reset.
func (s *Set) Add(sum Sum, at int64) (dup bool, err error) {
	t := s.table
	// The high half of a product maps Lo evenly on any table size.
	h, _ := bits.Mul64(sum.Lo, uint64(len(t)))
	for i := int(h); i < len(t); {
		sl := &t[i]
		if sl.at == 0 {
			if s.n >= s.room {
				break
			}
			*sl = full(sum, at)
			if s.n < len(s.few) {
				s.few[s.n] = uint16(i)
			}
			s.n++
			return false, nil
		}
		if sl.lo == sum.Lo && (sl.at^sum.Hi)&(1<<atShift-1) == 0 {
			s.note(sl.first(), at)
			return true, nil
		}
		if i++; i == len(t) {
			i = 0
		}
	}
	return s.addFull(sum, at)
}

// addFull is Add when the table in use has no room (or there is none yet) and
// the sum is not in it.
func (s *Set) addFull(sum Sum, at int64) (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	if s.grow() {
		return s.Add(sum, at)
	}
	if s.sp == nil {
		if s.sp, s.err = newSpill(s.spillTo); s.err != nil {
			return false, s.err
		}
	}
	s.err = s.sp.add(record{sum: sum, at: at})
	return false, s.err
}

// grow moves the sums to the next tier; false if this is the last one.
func (s *Set) grow() bool {
	next := s.tier + 1
	if s.table == nil {
		next = 0
	}
	if next == len(s.sizes) {
		return false
	}
	old := s.table
	s.use(next)
	for i := range old {
		if old[i].at != 0 {
			s.place(&old[i])
		}
	}
	return true
}

// use makes a tier the table, empty, allocating it if this is the first time.
func (s *Set) use(tier int) {
	if s.tiers[tier] == nil {
		s.tiers[tier] = make([]slot, s.sizes[tier])
		advise(s.tiers[tier])
	} else {
		clear(s.tiers[tier])
	}
	s.tier, s.table, s.n = tier, s.tiers[tier], 0
	s.room = roomOf(len(s.table))
}

// place puts a slot that is known to be new into a table that has room.
func (s *Set) place(sl *slot) {
	t := s.table
	h, _ := bits.Mul64(sl.lo, uint64(len(t)))
	i := int(h)
	for t[i].at != 0 {
		if i++; i == len(t) {
			i = 0
		}
	}
	t[i] = *sl
	s.n++
}

// note keeps a duplicate. When too many have come, those with the smallest
// Second stay: a reader of a report looks at the first ones.
func (s *Set) note(first, second int64) {
	s.dupSeen++
	s.dups = append(s.dups, Dup{first, second})
	if len(s.dups) >= 2*s.maxDups {
		s.trim()
	}
}

func (s *Set) trim() {
	slices.SortFunc(s.dups, compareDups)
	if len(s.dups) > s.maxDups {
		s.dups = s.dups[:s.maxDups]
	}
}

// Spilled tells whether sums have gone to the temporary file, so that only
// Finish knows the truth.
func (s *Set) Spilled() bool { return s.sp != nil }

// Seen is the number of duplicates found so far, including those beyond
// Options.MaxDups. It is final after Finish.
func (s *Set) Seen() int64 { return s.dupSeen }

// Finish returns every duplicate, those which Add told included, sorted by
// Second, and at most Options.MaxDups of them (the ones with the smallest
// Second; [Set.Seen] is the full number). The slice is valid until the next
// Reset, which must come before the next Add.
func (s *Set) Finish() ([]Dup, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.sp != nil {
		if s.err = s.sp.settle(s); s.err != nil {
			return nil, s.err
		}
	}
	s.trim()
	return s.dups, nil
}

// Close gives back memory and the temporary file. It may be called twice; all
// other calls after it fail with [ErrClosed].
func (s *Set) Close() error {
	var err error
	if s.sp != nil {
		err = s.sp.close()
		s.sp = nil
	}
	s.table, s.room, s.n, s.tier = nil, 0, 0, 0
	s.tiers = make([][]slot, len(s.sizes))
	s.dups = nil
	s.err = ErrClosed
	return err
}
