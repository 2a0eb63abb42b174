package crc64

import (
	"encoding/binary"
	"sync"
)

// braid is the number of independent registers the portable kernel keeps.
//
// One register costs a chain: the next eight bytes cannot be looked up before
// the last look-ups are in. The kernel therefore deals the data out in words of
// eight bytes to three registers, as strands of a braid:
//
//	word       0   1   2   3   4   5   6   7   8  ...
//	register   0   1   2   0   1   2   0   1   2  ...
//
// Each register skips the words of the others by looking up "this byte, then
// 24 bytes of nothing" instead of "then 8 bytes". The last round joins the
// strands: its words are taken in file order, each register added to its own.
// Three were measured against one (with 8 and 16 tables), two and four; see
// Mark Adler's notes in zlib's crc32.c for the same idea.
const braid = 3

// slice is a set of eight tables: slice[k][v] is the register after byte v and
// then k+gap zero bytes, where gap distinguishes the sets.
type slice [8][256]uint64

// tables is what stepping a register needs. slice[0] of the set near is the
// classic byte table.
type tables struct {
	near slice       // gap 0: the next word follows at once
	far  slice       // gap 8*(braid-1): the words of the other strands lie between
	back [256]uint64 // by the top byte of the register after a step, see undo
}

var (
	shared     tables
	sharedOnce sync.Once
)

// stepTables returns the tables, building them at the first call. After that it
// costs one atomic load.
func stepTables() *tables {
	sharedOnce.Do(shared.build)
	return &shared
}

func (t *tables) build() {
	for v := range t.near[0] {
		crc := uint64(v)
		for range 8 {
			crc = crc>>1 ^ polyLow&-(crc&1)
		}
		t.near[0][v] = crc
		t.back[crc>>56] = crc<<8 | uint64(v)
	}
	for v := range t.near[0] {
		crc := t.near[0][v]
		for k := 1; k < 8*braid; k++ {
			crc = t.feed(crc, 0)
			switch {
			case k < 8:
				t.near[k][v] = crc
			case k >= 8*(braid-1):
				t.far[k-8*(braid-1)][v] = crc
			}
		}
	}
}

// feed returns the register after the byte v.
func (t *tables) feed(crc uint64, v byte) uint64 {
	return crc>>8 ^ t.near[0][byte(crc)^v]
}

// undo returns the register before a zero byte, given the register after it. If
// the byte was v, the register before it is the result xor v.
//
// A step is crc' = crc>>8 xor near[0][i] with i = low byte of crc xor v. The
// shift leaves the top byte of crc' to the row alone, and no two rows share it,
// so it gives i; then crc = (crc' xor near[0][i])<<8 | (i xor v). The table
// back holds near[0][i]<<8 | i, by top byte.
func (t *tables) undo(crc uint64) uint64 {
	return crc<<8 ^ t.back[crc>>56]
}

// word returns the register after eight bytes, given the register xor these
// bytes in little-endian order, and after the gap of the set s.
func (s *slice) word(v uint64) uint64 {
	return (s[7][byte(v)] ^ s[6][byte(v>>8)]) ^ (s[5][byte(v>>16)] ^ s[4][byte(v>>24)]) ^
		(s[3][byte(v>>32)] ^ s[2][byte(v>>40)]) ^ (s[1][byte(v>>48)] ^ s[0][v>>56])
}

// updateGeneric is Update in portable Go.
func updateGeneric(crc uint64, p []byte) uint64 {
	t := stepTables()
	if len(p) >= 2*8*braid {
		crc, p = t.braided(crc, p)
	}
	for len(p) >= 8 {
		crc = t.near.word(crc ^ binary.LittleEndian.Uint64(p))
		p = p[8:]
	}
	for _, v := range p {
		crc = t.feed(crc, v)
	}
	return crc
}

// braided feeds all of p but a remainder shorter than a round of 8*braid bytes,
// which it returns with the register. p must hold at least one round.
func (t *tables) braided(crc uint64, p []byte) (uint64, []byte) {
	const round = 8 * braid
	far, near := &t.far, &t.near
	var crc1, crc2 uint64
	for len(p) >= 2*round {
		crc = far.word(crc ^ binary.LittleEndian.Uint64(p))
		crc1 = far.word(crc1 ^ binary.LittleEndian.Uint64(p[8:]))
		crc2 = far.word(crc2 ^ binary.LittleEndian.Uint64(p[16:]))
		p = p[round:]
	}
	crc = near.word(crc ^ binary.LittleEndian.Uint64(p))
	crc = near.word(crc ^ crc1 ^ binary.LittleEndian.Uint64(p[8:]))
	crc = near.word(crc ^ crc2 ^ binary.LittleEndian.Uint64(p[16:]))
	return crc, p[round:]
}
