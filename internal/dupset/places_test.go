package dupset

import (
	"math/rand/v2"
	"testing"
)

// A string has one hash wherever it lies, whatever is behind it, and whether it is hashed alone or among others; different ones have different hashes.
func TestHashPlaces(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	seeds := NewSeeded()
	hashes := map[uint64]string{}
	for range 300 {
		b := make([]byte, 0, 600)
		places, want := make([]Place, 0, 40), make([]uint64, 0, 40)
		space := rng.Uint64N(3)
		for len(b) < 500 {
			n := rng.IntN(40)
			p := Place{At: uint32(len(b)), Len: uint32(n)}
			for range n {
				b = append(b, byte(rng.Uint32()))
			}
			name := string(b[p.At:])
			hash := InSpace(seeds.Hash([]byte(name)), space)
			if n > MaxPlaceLen {
				hash = 7
			} else if other, ok := hashes[hash-space*mix0]; ok && other != name {
				t.Fatalf("%x and %x share a hash", name, other)
			}
			hashes[hash-space*mix0] = name
			places, want = append(places, p), append(want, hash)
		}
		b = b[: len(b) : len(b)+rng.IntN(20)*rng.IntN(2)]
		got := make([]uint64, len(places))
		for i := range got {
			got[i] = 7
		}
		seeds.HashPlaces(b, places, got, space)
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("string %d of %d, %v: %x, not %x", i, len(got), places[i], got[i], want[i])
			}
		}
	}
}

// Strings that differ in a bit, or in length alone, have hashes that differ in half of their bits.
func TestHashSpreads(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	seeds := NewSeeded()
	var bits, pairs [64]int
	for range 20_000 {
		b := make([]byte, 8+rng.IntN(MaxPlaceLen-7)) // of shorter ones there are too few
		for i := range b {
			b[i] = "0:"[rng.IntN(2)]
		}
		was := seeds.Hash(b)
		if rng.IntN(4) == 0 {
			b = b[:len(b)-1]
		} else {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
		diff := was ^ seeds.Hash(b)
		for i := range bits {
			bits[i] += int(diff >> i & 1)
			pairs[i]++
		}
	}
	for i, n := range bits {
		if share := float64(n) / float64(pairs[i]); share < 0.48 || share > 0.52 {
			t.Errorf("bit %d differs in %.1f %% of all pairs", i, 100*share)
		}
	}
}

func TestHashPlacesOfNone(t *testing.T) {
	NewSeeded().HashPlaces(nil, nil, nil, 0)
	hashes := []uint64{1}
	NewSeeded().HashPlaces(nil, []Place{{Len: MaxPlaceLen + 1}}, hashes, 0)
	if hashes[0] != 1 {
		t.Error("a string that is too long was hashed")
	}
}

func BenchmarkHash(b *testing.B) {
	names := [][]byte{[]byte("key:0000000001"), []byte("user:17"), []byte("session:0123456789abcdef"), []byte("n")}
	seeds := NewSeeded()
	i := 0
	for b.Loop() {
		seeds.Hash(names[i%len(names)])
		i++
	}
}

func BenchmarkHashPlaces(b *testing.B) {
	buf := make([]byte, 64<<10)
	rng := rand.New(rand.NewPCG(1, 2))
	var places []Place
	for at := 0; at < len(buf)-200; at += 60 + rng.IntN(100) {
		places = append(places, Place{uint32(at), uint32(5 + rng.IntN(28))})
	}
	hashes := make([]uint64, len(places))
	seeds := NewSeeded()
	for b.Loop() {
		seeds.HashPlaces(buf, places, hashes, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(places)), "ns/name")
}
