package dupset

import (
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"sync"
)

// Sum is a 128-bit fingerprint of a byte string. Two sums made by the same
// [Seeded] are equal if the byte strings are; that unequal strings share a sum
// is taken as impossible: among 100 million strings the odds are about 2^-75,
// and the seed is random, so nobody can prepare a file that beats them.
type Sum struct{ Hi, Lo uint64 }

// Seeded makes fingerprints under one pair of random seeds. It is read-only
// after it was made, so any number of goroutines may share it.
type Seeded struct {
	hi, lo maphash.Seed
	keys   [4][2]uint64 // of the short hash
	// small has the sums of the integers that are most frequent by far, and
	// whose text costs more to make than to hash.
	small [128]Sum
}

// NewSeeded draws fresh seeds. Sums of different Seeded values must not be compared.
func NewSeeded() *Seeded {
	s := &Seeded{hi: maphash.MakeSeed(), lo: maphash.MakeSeed()}
	for i := range s.keys {
		for k := range s.keys[i] {
			s.keys[i][k] = maphash.Comparable(maphash.MakeSeed(), k)
		}
	}
	for v := range s.small {
		s.small[v] = s.sumText(int64(v))
	}
	return s
}

var process = sync.OnceValue(NewSeeded)

// Process returns the seeds which the whole process shares. All decoders use
// them, so a sum made while walking a listpack equals the sum which a hash
// table's reader makes of the same bytes.
func Process() *Seeded { return process() }

// Sum returns the fingerprint of b.
func (s *Seeded) Sum(b []byte) Sum {
	return Sum{Hi: maphash.Bytes(s.hi, b), Lo: maphash.Bytes(s.lo, b)}
}

// Short returns a fingerprint of b that costs half as much as [Seeded.Sum] and must not be compared with it. Only Lo is keyed and of all bytes, Hi adds
// to it what the length and both ends are: where two strings share a Short, odds of 2^-64 a pair if nobody but chance and malice made them,
// they are to be compared themselves.
func (s *Seeded) Short(b []byte) Sum {
	hi := uint64(0)
	if n := len(b); n >= 8 {
		hi = fold(binary.LittleEndian.Uint64(b)^mix1, binary.LittleEndian.Uint64(b[n-8:])^uint64(n)*mix0)
	} else {
		hi = QuickSum(b, 0, n)
	}
	return Sum{Hi: hi, Lo: maphash.Bytes(s.lo, b)}
}

// Hash returns the hash of b that a [Filter] is told.
func (s *Seeded) Hash(b []byte) uint64 {
	if len(b) <= MaxPlaceLen && canHashShort() {
		return s.hashShort(b)
	}
	return maphash.Bytes(s.lo, b)
}

// InSpace returns the hash of a name in a numbered space, such as a key's in its database, made of that of the name. It serves for Sum.Lo too.
func InSpace(hash, space uint64) uint64 { return hash + space*mix0 }

// SumInt returns the fingerprint of v's decimal text, without allocating.
// Servers compare members as text, whichever way a packed encoding stores them.
func (s *Seeded) SumInt(v int64) Sum {
	if uint64(v) < uint64(len(s.small)) {
		return s.small[v]
	}
	return s.sumText(v)
}

func (s *Seeded) sumText(v int64) Sum {
	var text [20]byte // "-9223372036854775808"
	return s.Sum(strconv.AppendInt(text[:0], v, 10))
}

// Hasher makes the fingerprint of a string that arrives in pieces. Reset comes
// first; then the sum is the one [Seeded.Sum] gives for the whole.
type Hasher struct{ hi, lo maphash.Hash }

// Reset starts a new string under the seeds of s.
func (h *Hasher) Reset(s *Seeded) {
	h.hi.SetSeed(s.hi)
	h.lo.SetSeed(s.lo)
}

// Write adds a piece. It never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	_, _ = h.hi.Write(p)
	return h.lo.Write(p)
}

// Sum returns the fingerprint of the pieces so far.
func (h *Hasher) Sum() Sum { return Sum{Hi: h.hi.Sum64(), Lo: h.lo.Sum64()} }
