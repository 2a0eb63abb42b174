package dupset

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"unsafe"
)

func Example() {
	seeds := Process()
	set := New(Options{MemoryLimit: 1 << 20})
	defer set.Close()
	for i, key := range []string{"a", "b", "c", "b"} {
		dup, err := set.Add(seeds.Sum([]byte(key)), int64(100*i))
		if dup || err != nil {
			fmt.Println(key, "came before", err)
		}
	}
	dups, err := set.Finish()
	fmt.Println(dups, err)
	// Output:
	// b came before <nil>
	// [{100 300}] <nil>
}

func TestSumsAgree(t *testing.T) {
	s, other := NewSeeded(), NewSeeded()
	rng := rand.New(rand.NewPCG(1, 2))
	var h Hasher
	for range 500 {
		b := make([]byte, rng.IntN(1000))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		want := s.Sum(b)
		h.Reset(s)
		for rest := b; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			_, _ = h.Write(rest[:n])
			rest = rest[n:]
		}
		if got := h.Sum(); got != want {
			t.Fatalf("%d bytes in pieces: %v, whole: %v", len(b), got, want)
		}
		if s.Sum(b) != want || other.Sum(b) == want || want.Hi == want.Lo {
			t.Fatal("seeds do not do what they are for")
		}
		v := int64(rng.Uint64() >> rng.IntN(64))
		for _, v := range []int64{v, -v} {
			if s.SumInt(v) != s.Sum(strconv.AppendInt(nil, v, 10)) {
				t.Fatalf("SumInt(%d) is not the sum of its text", v)
			}
		}
	}
	if first, second := Process(), Process(); first != second {
		t.Error("Process changes its mind")
	}
}

func TestSlotSize(t *testing.T) {
	if got := unsafe.Sizeof(slot{}); got != slotSize {
		t.Errorf("a slot has %d bytes, the budget thinks %d", got, slotSize)
	}
}

// naive is what a Set must say at the end.
func naive(sums []Sum) (dups []Dup) {
	first := map[Sum]int64{}
	for i, s := range sums {
		if f, ok := first[s]; ok {
			dups = append(dups, Dup{f, int64(i)})
		} else {
			first[s] = int64(i)
		}
	}
	return dups
}

func TestFindsWhatAMapFinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	any := func(int) Sum { return Sum{rng.Uint64(), rng.Uint64()} }
	for _, tc := range []struct {
		name    string
		n       int
		limit   int64
		sum     func(i int) Sum
		spilled bool
	}{
		{"nothing", 0, 0, any, false},
		{"a few, in memory", 40, 0, any, false},
		{"one again and again, in memory", 5000, 0, func(int) Sum { return Sum{1, 2} }, false},
		{"many, in memory", 200_000, 0, any, false},
		{"spilled, one level", 15_000, MinMemory, any, true},
		{"spilled, three levels", 150_000, MinMemory, any, true},
		{"spilled, duplicates far apart", 60_000, MinMemory, func(i int) Sum {
			return fixed.SumInt(int64(i % 40_000))
		}, true},
		{"spilled, one sum for most", 60_000, MinMemory, func(i int) Sum {
			if i%8 == 0 {
				return fixed.SumInt(int64(i))
			}
			return Sum{7, 7}
		}, true},
		// No real sums do this; it must end all the same.
		{"spilled, all in one partition", 30_000, MinMemory, func(int) Sum { return Sum{0, rng.Uint64() >> 50} }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			set := New(Options{MemoryLimit: tc.limit, TempDir: dir, MaxDups: tc.n + 1})
			// A second use must not see the first one.
			for use := range 2 {
				sums := make([]Sum, tc.n)
				for i := range sums {
					sums[i] = tc.sum(i)
					if use == 0 && i > 0 && rng.IntN(50) == 0 {
						sums[i] = sums[rng.IntN(i)]
					}
				}
				want := naive(sums)
				told := int64(0)
				for i, s := range sums {
					dup, err := set.Add(s, int64(i))
					if err != nil {
						t.Fatal(err)
					}
					if dup {
						told++
					}
				}
				if set.Spilled() != tc.spilled {
					t.Errorf("spilled: %v", set.Spilled())
				}
				if !tc.spilled && told != int64(len(want)) || told > int64(len(want)) {
					t.Errorf("told %d of %d at once", told, len(want))
				}
				got, err := set.Finish()
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want) || set.Seen() != int64(len(want)) {
					t.Errorf("use %d: %d duplicates, want %d", use, len(got), len(want))
				}
				set.Reset()
			}
			if err := set.Close(); err != nil {
				t.Error(err)
			}
			if err := set.Close(); err != nil {
				t.Error(err)
			}
			if _, err := set.Add(Sum{1, 1}, 0); !errors.Is(err, ErrClosed) {
				t.Errorf("Add after Close: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// fixed gives sums that depend on their input.
var fixed = NewSeeded()

func TestMaxDupsKeepsTheFirst(t *testing.T) {
	for _, n := range []int64{10, 50_000} {
		set := New(Options{MemoryLimit: MinMemory, TempDir: t.TempDir(), MaxDups: 5})
		for round := range int64(4) {
			for i := range n {
				if _, err := set.Add(fixed.SumInt(i), round*n+i); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, err := set.Finish()
		want := []Dup{{0, n}, {1, n + 1}, {2, n + 2}, {3, n + 3}, {4, n + 4}}
		if err != nil || !slices.Equal(got, want) || set.Seen() != 3*n {
			t.Errorf("%v of %d, %v", got, set.Seen(), err)
		}
		_ = set.Close()
	}
}

// The tiers and buffers of every limit stay within it, and within reason of it.
func TestMemoryBudget(t *testing.T) {
	for _, limit := range []int64{1, MinMemory, 100_000, 1 << 20, 5 << 20, DefaultMemory, 100 << 20, 1 << 30} {
		set := New(Options{MemoryLimit: limit})
		used := set.spillTo.bufferBytes()
		for _, size := range set.sizes {
			used += int64(size) * slotSize
		}
		limit = max(limit, MinMemory)
		if used > limit || used < limit*9/10 {
			t.Errorf("limit %d: uses %d", limit, used)
		}
	}
}

func TestErrorsStayUntilReset(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	set := New(Options{MemoryLimit: MinMemory, TempDir: dir})
	defer set.Close()
	var failed error
	for i := range int64(5000) {
		_, err := set.Add(fixed.SumInt(i), i)
		if failed != nil && err == nil {
			t.Fatal("the error went away")
		}
		failed = err
	}
	if !errors.Is(failed, os.ErrNotExist) {
		t.Fatalf("got %v", failed)
	}
	if _, err := set.Finish(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Finish: %v", err)
	}
	set.Reset()
	if _, err := set.Add(Sum{1, 1}, 0); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

func TestNoAllocationOnceWarm(t *testing.T) {
	set := New(Options{})
	defer set.Close()
	use := func() {
		set.Reset()
		for i := range int64(1000) {
			_, _ = set.Add(fixed.SumInt(i), i)
		}
		for i := range int64(10) {
			_, _ = set.Add(fixed.SumInt(i), i)
		}
	}
	use()
	if n := testing.AllocsPerRun(10, use); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzSet adds the bytes of its input, one after the other, to a set that is
// about to spill.
func FuzzSet(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, before uint16) {
		set := New(Options{MemoryLimit: MinMemory, TempDir: t.TempDir()})
		defer set.Close()
		var sums []Sum
		for i := range int64(before) % 4096 {
			sums = append(sums, fixed.SumInt(1000+i))
		}
		for i := range b {
			sums = append(sums, fixed.SumInt(int64(b[i])), fixed.Sum(b[:i]))
		}
		for i, s := range sums {
			if _, err := set.Add(s, int64(i)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := set.Finish()
		if want := naive(sums); err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %v, %v; want %v", got, err, want)
		}
	})
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{1, 8, 16, 20, 64, 1024} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, p := Process(), make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				s.Sum(p)
			}
		})
	}
}

func BenchmarkSumInt(b *testing.B) {
	for _, v := range []int64{7, 12345, -1234567890123} {
		b.Run(strconv.FormatInt(v, 10), func(b *testing.B) {
			s := Process()
			for b.Loop() {
				s.SumInt(v)
			}
		})
	}
}

// BenchmarkAdd is for sets of n members, one set after the other, a fresh sum each.
func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{8, 128, 10_000, 500_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			set := New(Options{})
			defer set.Close()
			x := uint64(1)
			i := 0
			for b.Loop() {
				x = x*6364136223846793005 + 1442695040888963407
				if i++; i > n {
					i = 0
					set.Reset()
				}
				if dup, err := set.Add(Sum{x, x ^ x<<31}, int64(i)); dup || err != nil {
					b.Fatal("no duplicates here")
				}
			}
		})
	}
}

// BenchmarkSpill is a whole file's keys: 4 million of them in 32 MiB.
func BenchmarkSpill(b *testing.B) {
	const n = 4_000_000
	dir := b.TempDir()
	for b.Loop() {
		set := New(Options{TempDir: dir})
		x := uint64(1)
		for i := range int64(n) {
			x = x*6364136223846793005 + 1442695040888963407
			if _, err := set.Add(Sum{x, x ^ x<<31}, i); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := set.Finish(); err != nil {
			b.Fatal(err)
		}
		set.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
}
