// Package dice draws the random numbers of the generators. The same seed gives the same draws on every platform and in every
// release of Go: everything is made of the 64-bit numbers of a PCG, whose sequence math/rand/v2 promises, by arithmetic that stands here.
package dice

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// Dice is a sequence of draws. It is not safe for concurrent use.
type Dice struct{ pcg *rand.PCG }

// New returns the sequence of a seed. A stream is a second number: sequences of different streams have nothing in common, so that
// what one part of a generator draws does not move what another does.
func New(seed, stream uint64) *Dice {
	return &Dice{rand.NewPCG(seed, stream^0x9E3779B97F4A7C15)}
}

// Uint64 draws any number.
func (d *Dice) Uint64() uint64 { return d.pcg.Uint64() }

// N draws a number of 0 to n-1, and 0 if n is not positive.
func (d *Dice) N(n int) int {
	if n <= 0 {
		return 0
	}
	return int(d.Below(uint64(n)))
}

// Below draws a number of 0 to n-1, where n is not 0.
func (d *Dice) Below(n uint64) uint64 {
	hi, _ := bits.Mul64(d.Uint64(), n)
	return hi
}

// Between draws a number of lo to hi, both included.
func (d *Dice) Between(lo, hi int) int { return lo + d.N(hi-lo+1) }

// Percent is true in so many of a hundred cases.
func (d *Dice) Percent(p int) bool { return d.N(100) < p }

// Coin is true in half of all cases.
func (d *Dice) Coin() bool { return d.Uint64()>>63 == 1 }

// Size draws a size around mean: mostly up to twice as much, now and then eight times as much. It is at least 1.
func (d *Dice) Size(mean int) int {
	if d.Percent(3) {
		return d.Between(1, 8*mean)
	}
	return d.Between(1, 2*mean)
}

// Bytes appends n random bytes to dst.
func (d *Dice) Bytes(dst []byte, n int) []byte {
	for ; n >= 8; n -= 8 {
		dst = binary.LittleEndian.AppendUint64(dst, d.Uint64())
	}
	if n > 0 {
		for v := d.Uint64(); n > 0; n-- {
			dst = append(dst, byte(v))
			v >>= 8
		}
	}
	return dst
}

// Weighted draws an index, each as often as its weight says; 0 if there is no weight.
func (d *Dice) Weighted(weights []int) int {
	sum := 0
	for _, w := range weights {
		sum += max(w, 0)
	}
	at := d.N(sum)
	for i, w := range weights {
		if at -= max(w, 0); at < 0 {
			return i
		}
	}
	return 0
}

// Pick draws one of the choices, of which there must be one.
func Pick[T any](d *Dice, choices []T) T { return choices[d.N(len(choices))] }

// Shuffle puts the elements into a random order.
func Shuffle[T any](d *Dice, s []T) {
	for i := len(s) - 1; i > 0; i-- {
		j := d.N(i + 1)
		s[i], s[j] = s[j], s[i]
	}
}
