package repair

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
)

// Damage to the stored checksum. As the checksum is part of the word, the walk finds it where it is small; what is special about it is the
// odds. That structure and values are right up to the end mark says little of the bytes inside strings. But damage elsewhere leaves stored
// and computed checksums that differ in half of their bits, so that a difference of a few bits or bytes speaks for the data.

// footerOdds returns the odds that two checksums that have nothing to do with each other differ by no more than diff does: in as few bits, or
// in as few bytes.
func footerOdds(diff uint64) float64 {
	inBits, inBytes := 0.0, 1.0
	for k := range bits.OnesCount64(diff) + 1 {
		inBits += choose(64, k)
	}
	wrong := 0
	for ; diff > 0; diff >>= 8 {
		if diff&0xFF != 0 {
			wrong++
		}
	}
	inBytes = choose(8, wrong) * math.Ldexp(1, 8*wrong)
	return min(1, math.Ldexp(min(inBits, inBytes), -64))
}

// choose returns how many sets of k there are of n.
func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c *= float64(n-i) / float64(i+1)
	}
	return c
}

// relabel makes damage to the checksum of a candidate that changes nothing else.
func (s *search) relabel(c *Candidate) {
	if c.transform != asIs || len(c.Edits) == 0 || c.Edits[0].Offset < s.n-crc64.Size || sizeOf(s.n, c.Edits) != s.n {
		return
	}
	c.Kind, c.Odds = DamageChecksum, footerOdds(s.stored()^s.computed())
}

// footerFromReport considers a file that passes the verifier up to the end mark and whose checksum is wrong or cut short.
func (s *search) footerFromReport(rep *rdb.Report, most float64) error {
	switch fault := s.h.Fault; {
	case fault == nil && rep.Complete && rep.EOF.HasChecksum:
		s.footerDiffers(rep.EOF.End(), rep.EOF.Stored, rep.EOF.Computed, most)
	case fault != nil && fault.Code == rdb.CodeTruncated && fault.Phase == rdb.PhaseChecksum:
		return s.footerCut(fault.Offset, most)
	}
	return nil
}

// footerDiffers offers the computed checksum in place of a stored one, behind which the word ends, if the odds are at most so high.
func (s *search) footerDiffers(end int64, stored, computed uint64, most float64) {
	odds := footerOdds(stored ^ computed)
	if odds > most || !s.wants(DamageChecksum) {
		return
	}
	s.tried(DamageChecksum, 1, odds, "")
	old, right := checksumBytes(stored), checksumBytes(computed)
	s.foundUpTo(end, Candidate{Kind: DamageChecksum, Odds: odds, Edits: overwrite(end-crc64.Size, old, right)})
}

// footerCut completes a checksum of which the first bytes are there, from the offset to the end of the input.
func (s *search) footerCut(at int64, most float64) error {
	have := s.size - at
	odds := chance(1, int(64-8*have))
	if odds > most || !s.wants(DamageLostBytes) {
		return nil
	}
	s.tried(DamageLostBytes, 1, odds, "")
	stub := make([]byte, have)
	sum, err := s.sumTo(at)
	if err == nil {
		err = s.read(stub, at)
	}
	if right := checksumBytes(sum); err == nil && bytes.Equal(stub, right[:have]) {
		s.foundUpTo(s.size, Candidate{Kind: DamageLostBytes, Odds: odds, Edits: []Edit{{s.size, 0, right[have:]}}})
	}
	return err
}

// sumTo returns the checksum of the first n bytes of the input.
func (s *search) sumTo(n int64) (sum uint64, err error) {
	buf := make([]byte, min(n, walkBlock))
	for at := int64(0); at < n && err == nil; at += walkBlock {
		p := buf[:min(walkBlock, n-at)]
		if err = s.read(p, at); err == nil {
			sum = crc64.Update(sum, p)
		}
	}
	return sum, err
}

func checksumBytes(sum uint64) []byte { return binary.LittleEndian.AppendUint64(nil, sum) }
