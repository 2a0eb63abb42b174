package repair

import (
	"fmt"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Two flipped bits anywhere. Each adds a power of x to the residue (see heal_bit.go), x^a + x^b with 64 <= a, b < 8n+64. The two meet in the
// middle: the powers of a range of exponents a go into a table, and the table is asked for residue + x^b for all b. Ranges as long as the
// memory allows follow each other; so the work is about (8n)^2 / 2 / range.
//
// The table holds 32 bits of each power in open addressing, eight bytes of memory an exponent; whatever matches is confirmed by the
// logarithm of residue + x^b, which yields a as well. In front of it is a filter of two bytes an exponent, of which one question reads one word:
// nearly all are answered there, by a branch that goes the same way each time, so that the processor fetches many words at once.

// twoBitsWork is how many questions to the table are asked in files whose kinds were not chosen.
const twoBitsWork = 1 << 28

// twoBitsChunk is how many exponents a goroutine takes at a time.
const twoBitsChunk = 1 << 18

// powerTable is the table of a range of exponents.
type powerTable struct {
	from, to uint64
	slots    []uint32 // 0 is free
	shift    uint
	filter   []uint64 // two bits for each power, in the word that its highest bits name
	fshift   uint
}

// newPowerTable returns a table for so many exponents, a power of two.
func newPowerTable(size uint64) *powerTable {
	log := uint(bits.TrailingZeros64(size))
	return &powerTable{slots: make([]uint32, 2*size), shift: 64 - log - 1, filter: make([]uint64, size/4), fshift: 64 - log + 2}
}

// filterBits returns the two bits of v.
func filterBits(v uint64) uint64 { return 1<<(v&63) | 1<<(v>>6&63) }

const twoBitsEntry = 2*4 + 8/4 // bytes

// twoBitsRange returns how many exponents the memory allows in the table of a word with so many bits.
func (s *search) twoBitsRange(exponents uint64) uint64 {
	size := uint64(1) << 10
	for 2*size*twoBitsEntry <= uint64(s.opt.MaxMemory) && size < exponents {
		size *= 2
	}
	return size
}

// twoBits looks for two flipped bits.
func (s *search) twoBits() error {
	if s.n > math.MaxInt64>>8 {
		return nil
	}
	exponents := uint64(s.n) * 8
	size := s.twoBitsRange(exponents)
	ranges := (exponents + size - 1) / size
	work := float64(exponents) * (float64(ranges) + 1) / 2
	odds := chance(float64(exponents)*float64(exponents)/2, 0)
	if s.opt.Kinds&DamageTwoBits == 0 && work > twoBitsWork {
		s.tried(DamageTwoBits, s.n*maxNear, s.odds(nearPlan, 0), fmt.Sprintf("only bits up to %d bytes apart: it would take %.2g steps", maxNear, work))
		return nil
	}
	s.tried(DamageTwoBits, int64(exponents), odds, "")
	s.meter.expect(int64(work))
	t := newPowerTable(size)
	for from := uint64(64); from < exponents+64; from += size {
		t.build(from, min(from+size, exponents+64))
		if err := s.askPowers(t, exponents+64, odds); err != nil {
			return err
		}
	}
	return nil
}

// build fills the table with the powers of a range.
func (t *powerTable) build(from, to uint64) {
	clear(t.slots)
	clear(t.filter)
	t.from, t.to = from, to
	v := fieldPow(fieldX, from)
	for range to - from {
		i := v >> t.shift
		for t.slots[i] != 0 {
			i = (i + 1) & uint64(len(t.slots)-1)
		}
		t.slots[i] = uint32(v) | 1
		t.filter[v>>t.fshift] |= filterBits(v)
		v = fieldStep(v)
	}
}

// maybe is false for most v that the table does not hold.
func (t *powerTable) maybe(v uint64) bool {
	return ^t.filter[v>>t.fshift]&filterBits(v) == 0
}

// has reports whether the table may hold v, with far greater certainty.
func (t *powerTable) has(v uint64) bool {
	want := uint32(v) | 1
	for i := v >> t.shift; ; i = (i + 1) & uint64(len(t.slots)-1) {
		switch t.slots[i] {
		case want:
			return true
		case 0:
			return false
		}
	}
}

// askPowers asks the table for the partner of every exponent from that of the table to the end.
func (s *search) askPowers(t *powerTable, end uint64, odds float64) error {
	var next atomic.Uint64
	next.Store(t.from)
	var wg sync.WaitGroup
	var failed atomic.Value
	for range workers() {
		wg.Go(func() {
			for failed.Load() == nil {
				from := next.Add(twoBitsChunk) - twoBitsChunk
				if from >= end {
					return
				}
				to := min(from+twoBitsChunk, end)
				if err := s.askChunk(t, from, to, odds); err != nil {
					failed.Store(err)
				}
				s.meter.did(int64(to - from))
			}
		})
	}
	wg.Wait()
	err, _ := failed.Load().(error)
	return err
}

// askChunk asks for the partners of the exponents from one to another.
func (s *search) askChunk(t *powerTable, from, to uint64, odds float64) error {
	v := fieldPow(fieldX, from)
	for b := from; b < to; b++ {
		if partner := s.residue ^ v; t.maybe(partner) && t.has(partner) && partner != 0 {
			if a := fieldLog(partner); a >= t.from && a < t.to && a < b {
				if err := s.flipTwo(a, b, odds); err != nil {
					return err
				}
			}
		}
		v = fieldStep(v)
	}
	return s.ctx.Err()
}

// flipTwo offers the word with the bits of two exponents flipped; that of b comes first.
func (s *search) flipTwo(a, b uint64, odds float64) error {
	c := Candidate{Kind: DamageTwoBits, Odds: odds}
	for _, e := range []uint64{b, a} {
		at, bit, _ := bitPosition(fieldPow(fieldX, e), s.n)
		old := make([]byte, 1)
		if err := s.read(old, at); err != nil {
			return err
		}
		flipped := []byte{old[0] ^ 1<<bit}
		if last := len(c.Edits) - 1; last >= 0 && c.Edits[last].Offset == at {
			c.Edits[last].Insert[0] ^= 1 << bit
			continue
		} else if last >= 0 && c.Edits[last].Offset == at-1 {
			c.Edits[last].Remove++
			c.Edits[last].Insert = append(c.Edits[last].Insert, flipped...)
			continue
		}
		c.Edits = append(c.Edits, Edit{at, 1, flipped})
	}
	s.found(c)
	return nil
}
