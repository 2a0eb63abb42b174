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
	names []Name           // empty
	slots [FewSlots]uint64 // generation and the upper half of a hash
}

const (
	FewSlots = 1024 // of the table of a [Few]
	fewMost  = FewSlots * 3 / 4
)

// Reset empties it. It returns room for the names that [Few.NewNames] is to be asked about, of which there may be as many as that is the capacity of.
func (f *Few) Reset() []Name {
	if f.names == nil {
		f.names = make([]Name, 0, MaxNames)
	}
	f.n = 0
	if f.gen += 1 << 32; f.gen == 0 {
		f.slots = [FewSlots]uint64{}
		f.gen = 1 << 32
	}
	return f.names
}

// Table empties it, too, for assembly that does what [Few.New] does for up to [MaxNames] strings, with a hash of its own. Of the slots a string has the one that
// the lower bits of its hash say, or the first behind it that is free, which is one below the generation. The generation and the upper half of the hash
// stand for it there.
func (f *Few) Table() (slots *[FewSlots]uint64, generation uint64) {
	f.Reset()
	return &f.slots, f.gen
}

// New adds a string by its [QuickSum] and reports whether it is surely new; if not, it may have come before, or there are too many.
func (f *Few) New(h uint64) bool {
	tag := f.gen | h>>32
	for i := h; ; i++ {
		s := &f.slots[i%FewSlots]
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
//
// Of up to 32 bytes the first and the last 16 are read, which may be the same, less what is behind them: no branch depends on the length, which
// could be predicted wrong.
func QuickSum(b []byte, i, n int) uint64 {
	e := i + max(n, 16)
	if n > 32 || e > cap(b) {
		return longSum(b[i : i+n])
	}
	m := &masks[min(uint(n), 16)]
	return halves((*[16]byte)(b[i:i+16]), (*[16]byte)(b[e-16:e]), m, n)
}

// halves is the hash of n bytes of which these are the first and the last 16, under a mask.
func halves(first, last *[16]byte, m *[2]uint64, n int) uint64 {
	le := binary.LittleEndian
	return fold(le.Uint64(first[:8])&m[0]^mix1, le.Uint64(first[8:])&m[1]^mix0) ^
		fold(le.Uint64(last[:8])&m[0]^mix2, le.Uint64(last[8:])&m[1]^uint64(n)^mix3)
}

// masks are for the first and the second eight of up to 16 bytes.
var masks = func() (t [17][2]uint64) {
	for n := range t {
		t[n] = [2]uint64{1<<(8*min(n, 8)) - 1, 1<<(8*max(n-8, 0)) - 1}
	}
	return t
}()

// longSum is QuickSum for what is long or has nothing behind it. Of strings of up to 64 bytes both halves are read as if they were 32 bytes long,
// so that some bytes may count twice: again hardly a branch depends on the length.
func longSum(p []byte) uint64 {
	le := binary.LittleEndian
	n := len(p)
	switch {
	case n <= 16:
		var all [16]byte
		copy(all[:], p)
		return halves(&all, &all, &masks[n], n)
	case n <= 32:
		return halves((*[16]byte)(p), (*[16]byte)(p[n-16:]), &masks[16], n)
	case n <= 64:
		last := p[n-32:]
		h := fold(le.Uint64(p)^mix1, le.Uint64(p[8:])^mix0) ^ fold(le.Uint64(p[16:])^mix0, le.Uint64(p[24:])^mix2)
		return h ^ fold(le.Uint64(last)^mix2, le.Uint64(last[8:])^mix1) ^ fold(le.Uint64(last[16:])^mix3, le.Uint64(last[24:])^uint64(n)^mix3)
	}
	// Two chains, and the last 32 bytes, some of which may count twice.
	last := p[n-32:]
	h, g := uint64(n)^mix0, uint64(mix2)
	for ; len(p) > 32; p = p[32:] {
		h, g = fold(le.Uint64(p)^h, le.Uint64(p[8:])^mix1), fold(le.Uint64(p[16:])^g, le.Uint64(p[24:])^mix3)
	}
	return fold(le.Uint64(last)^h, le.Uint64(last[8:])^mix1) ^ fold(le.Uint64(last[16:])^g, le.Uint64(last[24:])^mix3)
}
