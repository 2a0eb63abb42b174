package dupset

import (
	"math/bits"
	"slices"
)

// sieve finds which of many random numbers stand twice:
//
//	number ──► its slot in a table is free: it is the first there, and leaves a tag
//	             │
//	             └─► taken: one of a tenth, looked at again ──► the same tag: a suspect
//	                                                    └─► another tag: those equal to it come here, too ──► all of these once more, in slots by other bits
//
// Begin comes first, then add, finish, and suspected.
type sieve struct {
	tags     []uint16 // of the slots; 0: free
	others   []uint32 // that found their slot taken
	suspects []uint32 // that may stand twice
}

const (
	minSlotBits = 8
	maxSlotBits = 20
	turnBits    = 10 // by which the others are turned, to have other slots
	fewOthers   = 64 // are sorted
)

// slotBits is how many bits say which slot one of n numbers has.
func slotBits(n int64) int { return min(max(bits.Len64(uint64(n))+2, minSlotBits), maxSlotBits) }

// sieveSize is how many bytes a sieve for n numbers takes, at most.
func sieveSize(n int64) int64 { return 2<<slotBits(n) + n*headSize }

// begin empties it for so many numbers; there may be more.
func (s *sieve) begin(n int64) {
	s.free(n)
	s.others, s.suspects = s.others[:0], s.suspects[:0]
}

// free makes slots for n numbers.
func (s *sieve) free(n int64) {
	if n := 1 << slotBits(n); cap(s.tags) < n {
		s.tags = make([]uint16, n)
	} else {
		s.tags = s.tags[:n]
		clear(s.tags)
	}
}

// len is how many numbers it keeps.
func (s *sieve) len() int { return len(s.others) }

func (s *sieve) add(numbers []uint32) {
	n := len(s.others)
	if most := n + len(numbers); cap(s.others) < most {
		s.others = append(make([]uint32, 0, 2*most), s.others...)
	}
	s.others = s.others[:n+sift(s.others[n:cap(s.others)], numbers, s.tags)]
}

// sift gives numbers the slots that are free, and puts the others into a list that has room for all, and which they may be in themselves. It returns how many
// these are. No branch depends on a number.
func sift(others, numbers []uint32, tags []uint16) int {
	slots := uint64(len(tags))
	if slots == 0 {
		return 0
	}
	n := uint(0)
	for _, v := range numbers {
		t := &tags[slotOf(v, slots)&(slots-1)]
		was := uint32(*t)
		if n >= uint(len(others)) {
			break
		}
		others[n] = v
		free := (was - 1) >> 31 // 1 if it is
		n += uint(1 - free)
		*t = uint16(was | uint32(tagOf(v))&-free)
	}
	return int(n)
}

func slotOf(v uint32, slots uint64) uint64 { return uint64(v) * slots >> 32 }

func tagOf(v uint32) uint16 { return uint16(v) | 1<<15 }

// finish reports whether any may stand twice.
func (s *sieve) finish() bool {
	turned := 0
	for s.split(turned); turned < 3*turnBits && len(s.others) > fewOthers; s.split(turned) {
		turned += turnBits
		for i, v := range s.others {
			s.others[i] = bits.RotateLeft32(v, turnBits)
		}
		s.free(int64(len(s.others)))
		s.others = s.others[:sift(s.others, s.others, s.tags)]
	}
	for _, v := range twice(s.others) {
		s.suspects = append(s.suspects, bits.RotateLeft32(v, -turned))
	}
	if len(s.suspects) == 0 {
		return false
	}
	slices.Sort(s.suspects)
	s.suspects = slices.Compact(s.suspects)
	s.free(int64(len(s.suspects)))
	for _, v := range s.suspects {
		s.tags[slotOf(v, uint64(len(s.tags)))] = 1
	}
	return true
}

// split makes suspects of the others, which were turned by so much, that may be what their slot is taken by.
func (s *sieve) split(turned int) {
	left := s.others[:0]
	for _, v := range s.others {
		if s.tags[slotOf(v, uint64(len(s.tags)))] == tagOf(v) {
			s.suspects = append(s.suspects, bits.RotateLeft32(v, -turned))
		} else {
			left = append(left, v)
		}
	}
	s.others = left
}

// suspected reports whether a number may stand twice.
func (s *sieve) suspected(v uint32) bool {
	if s.tags[slotOf(v, uint64(len(s.tags)))] == 0 {
		return false
	}
	_, ok := slices.BinarySearch(s.suspects, v)
	return ok
}

// twice sorts numbers and returns, in their place, those that stand there more than once.
func twice[T uint32 | uint64](numbers []T) []T {
	slices.Sort(numbers)
	to := numbers[:0]
	for i, v := range numbers {
		if i > 0 && v == numbers[i-1] && (len(to) == 0 || to[len(to)-1] != v) {
			to = append(to, v)
		}
	}
	return to
}
