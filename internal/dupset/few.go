package dupset

import (
	"encoding/binary"
	"math/bits"
)

// Few tells quickly that some strings are surely all different, where they are few, as in a collection of default packed size. It
// knows them by a hash of 64 bits that anybody can make collide: what it says of doubles is a guess, and a [Set] has the truth.
// The zero value is ready for [Few.Reset].
type Few struct {
	gen   uint64 // in the upper half
	n     int
	slots [fewSlots]uint64 // generation and the upper half of a hash
}

const (
	fewSlots = 1024
	fewMost  = fewSlots * 3 / 4
)

// Reset empties it.
func (f *Few) Reset() {
	f.n = 0
	if f.gen += 1 << 32; f.gen == 0 {
		f.slots = [fewSlots]uint64{}
		f.gen = 1 << 32
	}
}

// New adds a string by its [QuickSum] and reports whether it is surely new; if not, it may have come before, or there are too many.
func (f *Few) New(h uint64) bool {
	tag := f.gen | h>>32
	for i := h; ; i++ {
		s := &f.slots[i%fewSlots]
		if *s < f.gen {
			*s = tag
			f.n++
			return f.n < fewMost
		}
		if *s == tag {
			return false
		}
	}
}

// Odd constants for mixing.
const (
	mix0 = 0x9E3779B97F4A7C15
	mix1 = 0xD1B54A32D192ED03
)

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// QuickSum is the hash of the n bytes at b[i:]. What is behind them in b may be looked at and does not count.
func QuickSum(b []byte, i, n int) uint64 {
	le := binary.LittleEndian
	if n > 8 {
		p := b[i : i+n]
		h := uint64(n) ^ mix0
		for ; len(p) > 16; p = p[16:] {
			h = fold(le.Uint64(p)^h, le.Uint64(p[8:])^mix1)
		}
		// The last sixteen bytes or less, some of which may count twice.
		if len(p) > 8 {
			return fold(le.Uint64(p)^h, le.Uint64(p[len(p)-8:])^mix1)
		}
		return fold(le.Uint64(b[i+n-8:])^h, mix1)
	}
	var x uint64
	if i+8 <= len(b) {
		x = le.Uint64(b[i:]) & (1<<(8*uint(n)) - 1)
	} else {
		for j, c := range b[i : i+n] {
			x |= uint64(c) << (8 * j)
		}
	}
	return fold(x^mix1, uint64(n)^mix0)
}
