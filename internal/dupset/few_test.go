package dupset

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var f Few
	for round := range 200 {
		f.Reset()
		if round == 100 {
			f.gen = 1<<64 - 1<<32 // the last one
		}
		seen := map[uint64]bool{}
		for i := range FewSlots + 10 {
			h := rng.Uint64()
			if round%2 == 0 {
				h = rng.Uint64N(uint64(1 + i))
			}
			fresh := f.New(h)
			if fresh && seen[h] {
				t.Fatal("a sum that came before is new")
			}
			if !fresh {
				break
			}
			seen[h] = true
		}
		if round%2 != 0 && len(seen) < fewMost-1 {
			t.Fatalf("full with %d", len(seen))
		}
	}
}

// The same bytes have the same hash wherever they stand.
func TestQuickSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	sums := map[uint64]string{}
	for n := range 300 {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(rng.Uint32())
		}
		sum := QuickSum(want, 0, n)
		if other, ok := sums[sum]; ok {
			t.Errorf("%x and %x share a hash", want, other)
		}
		sums[sum] = string(want)
		for range 20 {
			before, behind := rng.IntN(20), rng.IntN(20)
			b := bytes.Repeat([]byte{byte(rng.Uint32())}, before+n+behind)
			copy(b[before:], want)
			if QuickSum(b, before, n) != sum {
				t.Fatalf("%d bytes at %d of %d: another hash", n, before, len(b))
			}
		}
	}
}

// All ways to add names agree on which are new.
func TestNewNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	var few, want Few
	for range 20_000 {
		b := make([]byte, rng.IntN(400))
		for i := range b {
			b[i] = byte(rng.IntN(3))
		}
		b = b[:rng.IntN(len(b)+1)]
		var names []Name
		for p := 0; len(names) < 40; {
			n := Name{At: p + rng.IntN(3), Len: rng.IntN(1 + []int{3, 20, 40, 100}[rng.IntN(4)])}
			if p = n.At + n.Len; p > len(b) {
				break
			}
			names = append(names, n)
		}
		few.Reset()
		want.Reset()
		if got, ok := few.NewNames(b, names), newNamesGeneric(&want, b, names); got != ok {
			t.Fatalf("%v, one by one %v: %v of %x", got, ok, names, b)
		} else if ok {
			for i, slot := range few.slots {
				if slot != want.slots[i] && max(slot, want.slots[i]) >= few.gen {
					t.Fatalf("slot %d is %x, not %x: %v of %x", i, slot, want.slots[i], names, b)
				}
			}
		}
	}
	few.Reset()
	if few.NewNames(nil, make([]Name, MaxNames+1)) {
		t.Fatal("there are too many")
	}
}

func BenchmarkNewNames(b *testing.B) {
	var f Few
	var names []Name
	text := bytes.Repeat([]byte("some text in which names lie, of some bytes each"), 10)
	for at := range 10 {
		names = append(names, Name{at * 40, at*3 + at/8*20})
	}
	for b.Loop() {
		f.Reset()
		if !f.NewNames(text, names) {
			b.Fatal("twice")
		}
	}
}

func BenchmarkFew(b *testing.B) {
	var f Few
	x, i := uint64(1), 0
	for b.Loop() {
		x = x*6364136223846793005 + 1442695040888963407
		if i++; i > 10 {
			i = 0
			f.Reset()
		}
		f.New(x)
	}
}
