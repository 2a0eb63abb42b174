package dupset

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

func TestFilterFindsWhatAMapFinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, tc := range []struct {
		name  string
		n     int
		limit int64
		hash  func(i int) uint64
	}{
		{"nothing", 0, 0, nil},
		{"a few", 40, 0, func(i int) uint64 { return fixed.Hash([]byte{byte(i % 30)}) }},
		{"all different", 100_000, 0, func(i int) uint64 { return uint64(i) * mix0 }},
		{"many", 300_000, 0, func(i int) uint64 { return uint64(rng.IntN(10*i+1)) * mix0 }},
		{"in a file", 600_000, 3 << 20, func(i int) uint64 { return uint64(rng.IntN(10*i+1)) * mix0 }},
		{"in a file, little memory", 100_000, MinMemory, func(i int) uint64 { return uint64(rng.IntN(10*i+1)) * mix0 }},
		{"all in one partition, in rounds", 60_000, MinMemory, func(int) uint64 { return uint64(rng.IntN(50_000)) * mix0 >> 12 }},
		{"unevenly", 60_000, MinMemory, func(i int) uint64 { return uint64(i) << 12 }},
		{"the lowest hashes", 5, 0, func(i int) uint64 { return uint64(i/2) << tailAt }},
		{"one again and again", 1000, MinMemory, func(int) uint64 { return 5 }},
	} {
		for _, workers := range []int{1, 3} {
			t.Run(tc.name, func(t *testing.T) {
				dir := t.TempDir()
				f := NewFilter(Options{MemoryLimit: tc.limit, TempDir: dir, MaxDups: tc.n + 1})
				seen := map[uint64]int{}
				for i := range tc.n {
					h := tc.hash(i)
					seen[h]++
					if err := f.Add([]uint64{h}); err != nil {
						t.Fatal(err)
					}
				}
				twice := 0
				for _, n := range seen {
					if n > 1 {
						twice++
					}
				}
				s, err := f.Finish(workers)
				if err != nil {
					t.Fatal(err)
				}
				if (s != nil) != (twice > 0) && tc.name != "unevenly" {
					t.Errorf("suspects %v, %d stand twice", s != nil, twice)
				}
				for h, n := range seen {
					if n > 1 && (s == nil || !s.Has(h)) {
						t.Fatalf("%x stands %d times and is no suspect", h, n)
					}
					if n == 1 && s != nil && s.hashes != nil && s.Has(h) {
						t.Fatalf("%x stands once and is a suspect", h)
					}
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

func TestFilterOfManySuspects(t *testing.T) {
	for _, workers := range []int{1, 2} {
		f := NewFilter(Options{MaxDups: 1000})
		for i := range uint64(50_000) {
			if err := f.Add([]uint64{i % 20_000 * mix0}); err != nil {
				t.Fatal(err)
			}
		}
		s, err := f.Finish(workers)
		if err != nil || s == nil || !s.Has(12345) {
			t.Errorf("%v, %v", s, err)
		}
		_ = f.Close()
	}
}

func TestFilterWithoutAPlace(t *testing.T) {
	f := NewFilter(Options{MemoryLimit: MinMemory, TempDir: filepath.Join(t.TempDir(), "missing")})
	defer f.Close()
	var err error
	for i := uint64(0); err == nil && i < 2_000_000; i++ {
		err = f.Add([]uint64{i * mix0})
	}
	if err == nil {
		t.Fatal("no error")
	}
	if _, again := f.Finish(1); !errors.Is(again, err) {
		t.Errorf("Finish: %v", again)
	}
}

func BenchmarkFilter(b *testing.B) {
	hashes := make([]uint64, 1<<20)
	for i := range hashes {
		hashes[i] = rand.Uint64()
	}
	for b.Loop() {
		f := NewFilter(Options{TempDir: b.TempDir()})
		for h := hashes; len(h) > 0; h = h[1<<10:] {
			_ = f.Add(h[:1<<10])
		}
		_, _ = f.Finish(1)
		_ = f.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<20), "ns/hash")
}
