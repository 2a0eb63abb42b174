package repair

import "math/bits"

// A single flipped bit needs no walk. Bit b of byte i adds x^L to the register after all n bytes, with
//
//	L = 8(n-i) + 63-b
//
// as the bit enters the register as its bit b, which is x^(63-b), and each of the n-i bytes from there on multiplies by x^8. The
// residue is thus a power of x and its logarithm the position; a residue that other damage left is one too, with an exponent beyond the
// file in all but 8n of 2^64 cases.

// bitPosition returns the byte and the bit in it whose flip leaves the residue, which is not 0, behind n bytes.
func bitPosition(residue uint64, n int64) (at int64, bit int, ok bool) {
	high, low := bits.Mul64(uint64(n), 8)
	l := fieldLog(residue)
	if l < 64 || high == 0 && l > low+63 {
		return 0, 0, false
	}
	return n - int64((l-56)/8), 7 - int(l%8), true
}

// bit looks for a single flipped bit.
func (s *search) bit() error {
	s.tried(DamageFlippedBit, 8*s.n, chance(8*float64(s.n), 0), "")
	at, bit, ok := bitPosition(s.residue, s.n)
	if !ok {
		return nil
	}
	old := make([]byte, 1)
	if err := s.read(old, at); err != nil {
		return err
	}
	s.found(s.sameLength(at, old, []byte{old[0] ^ 1<<bit}))
	return nil
}
