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
	mix2 = 0x8CB92BA72F3D8DD7
	mix3 = 0xBEA225F9EB34556D
)

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// QuickSum is the hash of the n bytes at b[i:]. What is behind them in b, up to its capacity, may be looked at and does not count.
func QuickSum(b []byte, i, n int) uint64 {
	if n <= 16 && i <= cap(b)-16 {
		// Two words, less what is behind the string: no branch that depends on its length, which could be predicted wrong.
		p := (*[16]byte)(b[i : i+16])
		x := binary.LittleEndian.Uint64(p[:8]) & (1<<(8*uint(n)) - 1)
		y := binary.LittleEndian.Uint64(p[8:]) &^ (^uint64(0) << (8 * uint(max(n, 8)-8)))
		return fold(x^mix1, y^uint64(n)^mix0)
	}
	return longSum(b[i : i+n])
}

// longSum is QuickSum for what is long or has nothing behind it. Of strings of up to 64 bytes both halves are read as if they were 16 or 32 bytes long,
// so that some bytes may count twice: again hardly a branch depends on the length.
func longSum(p []byte) uint64 {
	le := binary.LittleEndian
	n := len(p)
	switch {
	case n <= 16:
		var end [16]byte
		copy(end[:], p)
		return fold(le.Uint64(end[:])^mix1, le.Uint64(end[8:])^uint64(n)^mix0)
	case n <= 32:
		last := p[n-16:]
		return fold(le.Uint64(p)^mix1, le.Uint64(p[8:])^mix0) ^ fold(le.Uint64(last)^mix2, le.Uint64(last[8:])^uint64(n)^mix3)
	case n <= 64:
		last := p[n-32:]
		h := fold(le.Uint64(p)^mix1, le.Uint64(p[8:])^mix0) ^ fold(le.Uint64(p[16:])^mix0, le.Uint64(p[24:])^mix2)
		return h ^ fold(le.Uint64(last)^mix2, le.Uint64(last[8:])^mix1) ^ fold(le.Uint64(last[16:])^mix3, le.Uint64(last[24:])^uint64(n)^mix3)
	}
	last := p[n-16:]
	h := uint64(n) ^ mix0
	for ; len(p) > 16; p = p[16:] {
		h = fold(le.Uint64(p)^h, le.Uint64(p[8:])^mix1)
	}
	// The last sixteen bytes, some of which may count twice.
	return fold(le.Uint64(last)^h, le.Uint64(last[8:])^mix1)
}
