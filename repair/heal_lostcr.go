package repair

import (
	"slices"

	"github.com/kvfsck/kvfsck/crc64"
)

// CRs that a transfer as text took away, by making LF of every CR LF or by dropping every CR. Which they were cannot be read off the file;
// but there are few places where one may have stood, before an LF or anywhere, and each is right or wrong for the checksum.
//
// Let i1 < i2 < ... < it be the places, and D[i] what a CR before byte i alone changes in the register behind all n bytes. A CR further on
// makes the word a byte longer, which shifts what came before by a zero byte more, F. So with t CRs put in, the word is sound if
//
//	F^(t-1)(D[i1]) xor ... xor F(D[i(t-1)]) xor D[it] = residue
//
// Two are found by looking up one in a table of the other, three by looking up every pair. (One is a lost byte as any other.) Where places are
// very few, any number of CRs is found: the registers that the first half of the places can lead to, put in or not, meet those that the
// second half can come from.

const (
	subsetPlaces   = 36      // any subset of so many
	triplePlaces   = 1 << 12 // any three
	doublePlaces   = 1 << 18 // any two
	bytePlaces     = 1 << 16 // any two, before any byte
	placeMemory    = tableEntrySize + 16
	carriageReturn = '\r'
)

// place is where a CR may have stood.
type place struct {
	at      int64  // before this byte
	a       uint64 // A[at]
	changes uint64 // D[at]
}

// lostCRs looks for CRs that are gone.
func (s *search) lostCRs() error {
	if s.text.crlf > 0 {
		s.tried(DamageLostCR, 0, 0, "CRs before LFs are there")
		return nil
	}
	limit := min(doublePlaces, s.opt.MaxMemory/placeMemory)
	anywhere := s.text.cr == 0 && s.n < min(bytePlaces, limit)
	switch {
	case !anywhere && s.text.lf > limit:
		s.tried(DamageLostCR, 0, 0, "too many LFs")
		return nil
	case !anywhere && s.text.lf == 0:
		return nil
	}
	lines, err := s.places(func(b byte) bool { return b == '\n' })
	if err == nil {
		err = s.fewPlaces(lines)
	}
	if err == nil && anywhere {
		var all []place
		if all, err = s.places(func(byte) bool { return true }); err == nil {
			s.pairsOf(all)
		}
	}
	return err
}

// fewPlaces tries the places before LFs.
func (s *search) fewPlaces(lines []place) error {
	if len(lines) == 0 {
		return nil
	}
	s.pairsOf(lines)
	if len(lines) <= subsetPlaces {
		return s.subsetsOf(lines)
	}
	if len(lines) <= triplePlaces {
		return s.triplesOf(lines)
	}
	s.tried(DamageLostCR, 0, 0, "not more than two")
	return nil
}

// places returns where a byte stands before which a CR may have been.
func (s *search) places(may func(byte) bool) ([]place, error) {
	var all []place
	buf := make([]byte, min(s.n, walkBlock))
	for at := int64(0); at < s.n; at += walkBlock {
		p := buf[:min(walkBlock, s.n-at)]
		if err := s.read(p, at); err != nil {
			return nil, err
		}
		done, a := 0, s.marks[at/walkBlock]
		for i, b := range p {
			if !may(b) {
				continue
			}
			a = crc64.Update(a, p[done:i])
			done = i
			here := at + int64(i)
			change := crc64.Update(a, []byte{carriageReturn}) ^ a
			all = append(all, place{here, a, crc64.Shift(change, s.n-here)})
		}
	}
	return all, s.ctx.Err()
}

// insertCRs offers the word with CRs before the bytes.
func (s *search) insertCRs(odds float64, at ...int64) {
	var edits []Edit
	for _, i := range at {
		edits = append(edits, Edit{Offset: i, Insert: []byte{carriageReturn}})
	}
	s.found(Candidate{Kind: DamageLostCR, Edits: edits, Odds: odds})
}

// tableOf returns the table of what each place changes.
func tableOf(places []place) *registerTable {
	t := newRegisterTable(int64(len(places)))
	for i := range places {
		t.put(places[i].changes, uint32(i))
	}
	return t
}

func (s *search) pairsOf(places []place) {
	m := float64(len(places))
	odds := chance(m*m/2, 0)
	s.tried(DamageLostCR, int64(len(places)), odds, "")
	t := tableOf(places)
	for i := range places {
		if j, ok := t.get(s.residue ^ crc64.Shift(places[i].changes, 1)); ok && int(j) > i {
			s.insertCRs(odds, places[i].at, places[j].at)
		}
	}
}

func (s *search) triplesOf(places []place) error {
	m := len(places)
	odds := chance(float64(m)*float64(m)*float64(m)/6, 0)
	s.tried(DamageLostCR, int64(m)*int64(m)/2, odds, "")
	t := tableOf(places)
	once := make([]uint64, m)
	for i := range places {
		once[i] = crc64.Shift(places[i].changes, 1)
	}
	for i := range places {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		rest := s.residue ^ crc64.Shift(once[i], 1)
		for j := i + 1; j < m; j++ {
			if l, ok := t.get(rest ^ once[j]); ok && int(l) > j {
				s.insertCRs(odds, places[i].at, places[j].at, places[l].at)
			}
		}
	}
	return nil
}

// subsetsOf tries every subset of at most subsetPlaces places.
func (s *search) subsetsOf(places []place) error {
	half := len(places) / 2
	middle := places[half].at
	odds := chance(float64(int64(1)<<len(places)), 0)
	s.tried(DamageLostCR, 1<<(half+1), odds, "")
	// Forward from the first place to the middle: a state for every subset of the first half, whose bits tell the subset.
	forward := []uint64{places[0].a}
	for i, pl := range places[:half] {
		for _, a := range forward {
			forward = append(forward, crc64.Update(a, []byte{carriageReturn}))
		}
		if err := s.advance(forward, pl.at, places[i+1].at, false); err != nil {
			return err
		}
	}
	t := newRegisterTable(int64(len(forward)))
	for set, a := range forward {
		t.put(a, uint32(set))
	}
	// Backward from the end to the middle.
	backward, next := []uint64{0}, s.n
	for _, pl := range slices.Backward(places[half:]) {
		if err := s.advance(backward, pl.at, next, true); err != nil {
			return err
		}
		next = pl.at
		for _, r := range backward {
			backward = append(backward, crc64.Undo(r, []byte{carriageReturn}))
		}
	}
	if next != middle {
		panic("repair: the halves do not meet")
	}
	for set, r := range backward {
		if first, ok := t.get(r); ok {
			s.insertCRs(odds, chosen(places, half, uint(first), uint(set))...)
		}
	}
	return nil
}

// chosen returns the places of two subsets: bit i of first is place i, bit i of second is place i from the end.
func chosen(places []place, half int, first, second uint) (at []int64) {
	for i := range places {
		bit := first >> i
		if i >= half {
			bit = second >> (len(places) - 1 - i)
		}
		if bit&1 != 0 {
			at = append(at, places[i].at)
		}
	}
	return at
}

// advance steps all registers over the bytes from one offset to another, or back over them.
func (s *search) advance(registers []uint64, from, to int64, back bool) error {
	sum, err := s.sumBetween(from, to)
	if err != nil {
		return err
	}
	var zeros productTable // steps over as many zero bytes; by linearity the rest is the sum
	if back {
		zeros.set(crc64.Unshift(fieldOne, to-from))
		for i, v := range registers {
			registers[i] = zeros.times(v ^ sum)
		}
		return nil
	}
	zeros.set(crc64.Shift(fieldOne, to-from))
	for i, v := range registers {
		registers[i] = zeros.times(v) ^ sum
	}
	return nil
}

// sumBetween returns the checksum of the bytes between two offsets.
func (s *search) sumBetween(from, to int64) (uint64, error) {
	if to-from > walkBlock {
		a, err := s.register(from)
		if err != nil {
			return 0, err
		}
		b := s.residue
		if to < s.n {
			b, err = s.register(to)
		}
		return b ^ crc64.Shift(a, to-from), err
	}
	p := make([]byte, to-from)
	err := s.read(p, from)
	return crc64.Checksum(p), err
}
