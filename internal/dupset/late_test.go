package dupset

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

func TestLateFindsWhatAMapFinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, tc := range []struct {
		name  string
		n     int
		limit int64
		sum   func(i int) Sum
	}{
		{"nothing", 0, 0, nil},
		{"a few", 40, 0, func(i int) Sum { return fixed.Short([]byte{byte(i % 30)}) }},
		{"many", 300_000, 0, func(i int) Sum { return fixed.SumInt(int64(rng.IntN(10*i + 1))) }},
		{"in a file", 300_000, 3 << 20, func(i int) Sum { return fixed.SumInt(int64(rng.IntN(10*i + 1))) }},
		{"in a file, and partitions too", 300_000, MinMemory, func(i int) Sum { return fixed.SumInt(int64(rng.IntN(10*i + 1))) }},
		{"one again and again", 100_000, MinMemory, func(int) Sum { return Sum{1, 2} }},
		{"all in one partition", 30_000, MinMemory, func(int) Sum { return Sum{rng.Uint64(), rng.Uint64() >> 30} }},
	} {
		for _, workers := range []int{1, 3} {
			t.Run(tc.name, func(t *testing.T) {
				dir := t.TempDir()
				l := NewLate(Options{MemoryLimit: tc.limit, TempDir: dir, MaxDups: tc.n + 1})
				sums := make([]Sum, tc.n)
				for i := range sums {
					sums[i] = tc.sum(i)
					if err := l.Add([]Note{NoteOf(sums[i], int64(3*i))}); err != nil {
						t.Fatal(err)
					}
				}
				want := naive(sums)
				for i := range want {
					want[i] = Dup{3 * want[i].First, 3 * want[i].Second}
				}
				got, seen, err := l.Finish(workers)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want) || seen != int64(len(want)) {
					t.Errorf("%d duplicates, %d seen, want %d", len(got), seen, len(want))
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

func TestLateMaxDups(t *testing.T) {
	l := NewLate(Options{MaxDups: 5})
	defer l.Close()
	for i := range int64(50_000) {
		if err := l.Add([]Note{NoteOf(fixed.SumInt(i%20_000), i)}); err != nil {
			t.Fatal(err)
		}
	}
	got, seen, err := l.Finish(2)
	want := []Dup{{0, 20_000}, {1, 20_001}, {2, 20_002}, {3, 20_003}, {4, 20_004}}
	if err != nil || !slices.Equal(got, want) || seen != 30_000 {
		t.Errorf("%v of %d, %v", got, seen, err)
	}
}

func TestLateWithoutAPlace(t *testing.T) {
	l := NewLate(Options{MemoryLimit: MinMemory, TempDir: filepath.Join(t.TempDir(), "missing")})
	defer l.Close()
	var err error
	for i := int64(0); err == nil && i < 1_000_000; i++ {
		err = l.Add([]Note{NoteOf(fixed.SumInt(i), i)})
	}
	if err == nil {
		t.Fatal("no error")
	}
	if _, _, again := l.Finish(1); again != err {
		t.Errorf("Finish: %v", again)
	}
}

func BenchmarkLate(b *testing.B) {
	notes := make([]Note, 1<<20)
	for i := range notes {
		notes[i] = NoteOf(Sum{rand.Uint64(), rand.Uint64()}, int64(i))
	}
	for b.Loop() {
		l := NewLate(Options{TempDir: b.TempDir()})
		for n := notes; len(n) > 0; n = n[1<<10:] {
			_ = l.Add(n[:1<<10])
		}
		_, _, _ = l.Finish(1)
		_ = l.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<20), "ns/sum")
}
