package repair

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/kvfsck/kvfsck/crc64"
)

// Two blocks of a disk in each other's place. Let c[s] be the checksum of block s alone, B the size of blocks, and i < j. The wrong bits are the
// same in both places, those of c[i] xor c[j], so that
//
//	residue = (c[i] + c[j]) * (x^(8(n - end of i)) + x^(8(n - end of j)))
//
// Divided by the second power, with g = j-i and X = x^(8B):
//
//	u^(n - end of j)(residue) * 1/(1 + X^g) = c[i] + c[j]
//
// The left factor is computed once for every j, the inverse once for every g, by which a table makes multiplying cheap; then every pair is
// one product and one comparison. As many distances g are tried as a limit of work allows: all of them in small files.

const (
	sectorWork  = 1 << 26 // pairs
	sectorBytes = 16      // of memory for a block
)

// swappedBlocks looks for two blocks in each other's place.
func (s *search) swappedBlocks() error {
	for _, size := range []int64{sector, 8 * sector} {
		if err := s.swappedOf(size); err != nil {
			return err
		}
	}
	return nil
}

// swappedOf looks for two blocks of a size.
func (s *search) swappedOf(size int64) error {
	m := s.n / size
	if m < 2 {
		return nil
	}
	if m*sectorBytes > s.opt.MaxMemory {
		s.tried(DamageSwappedBlocks, 0, 0, fmt.Sprintf("too many blocks of %d bytes for the memory", size))
		return nil
	}
	sums, left, err := s.blockSums(size, m)
	if err != nil {
		return err
	}
	apart, skipped := m-1, ""
	if apart > sectorWork/m {
		apart = sectorWork / m
		skipped = fmt.Sprintf("blocks of %d bytes up to %d apart", size, apart)
	}
	odds := chance(float64(m)*float64(apart), 0)
	s.tried(DamageSwappedBlocks, m*apart, odds, skipped)
	s.meter.expect(m * apart)
	power := fieldPow(fieldX, uint64(8*size))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers() {
		wg.Go(func() {
			var t productTable
			for g := next.Add(1); g <= apart && s.ctx.Err() == nil; g = next.Add(1) {
				t.set(fieldPow(fieldOne^fieldPow(power, uint64(g)), groupOrder-1)) // the inverse
				for j := g; j < m; j++ {
					if t.times(left[j]) == sums[j]^sums[j-g] && sums[j] != sums[j-g] {
						s.swapBack(size, j-g, j, odds)
					}
				}
				s.meter.did(m)
			}
		})
	}
	wg.Wait()
	return s.ctx.Err()
}

// blockSums returns for each of m blocks its checksum and the residue divided by what zeros behind the block make of 1.
func (s *search) blockSums(size, m int64) (sums, left []uint64, err error) {
	sums, left = make([]uint64, m), make([]uint64, m)
	buf := make([]byte, min(walkBlock, m*size))
	for j := int64(0); j < m; {
		p := buf[:min(int64(len(buf)), (m-j)*size)]
		if err := s.read(p, j*size); err != nil {
			return nil, nil, err
		}
		for ; len(p) > 0; p = p[size:] {
			sums[j] = crc64.Checksum(p[:size])
			j++
		}
	}
	for j := range left {
		left[j] = crc64.Unshift(s.residue, s.n-int64(j+1)*size)
	}
	return sums, left, s.ctx.Err()
}

// swapBack offers the word with two blocks exchanged.
func (s *search) swapBack(size, i, j int64, odds float64) {
	first, second := make([]byte, size), make([]byte, size)
	if s.read(first, i*size) != nil || s.read(second, j*size) != nil {
		return
	}
	s.found(Candidate{Kind: DamageSwappedBlocks, Odds: odds, Edits: []Edit{{i * size, size, second}, {j * size, size, first}}})
}

// productTable multiplies by a number that stays the same: the products of every byte in every place.
type productTable [8][256]uint64

func (t *productTable) set(factor uint64) {
	for v := 1; v < 256; v++ {
		low := v & -v
		if low != v {
			for place := range t {
				t[place][v] = t[place][low] ^ t[place][v^low]
			}
			continue
		}
		p := fieldMul(factor, uint64(v)<<56)
		for place := 7; place >= 0; place-- {
			t[place][v] = p
			p = crc64.Shift(p, 1)
		}
	}
}

// times returns the product of v and the number.
func (t *productTable) times(v uint64) uint64 {
	return t[0][byte(v)] ^ t[1][byte(v>>8)] ^ t[2][byte(v>>16)] ^ t[3][byte(v>>24)] ^
		t[4][byte(v>>32)] ^ t[5][byte(v>>40)] ^ t[6][byte(v>>48)] ^ t[7][v>>56]
}
