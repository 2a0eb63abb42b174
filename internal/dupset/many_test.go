package dupset

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// namesOf puts texts one behind the other.
func namesOf(texts []string) (b []byte, names []Name) {
	for _, s := range texts {
		names = append(names, Name{len(b), len(s)})
		b = append(b, s...)
	}
	return b, names
}

func TestMany(t *testing.T) {
	var m Many
	for _, n := range []int{0, 1, 2, 100, 3000, manyMost - 1, manyMost, manyMost + 1, 3 * manyMost} {
		for _, twice := range [][2]int{{0, 0}, {0, n - 1}, {n / 2, n/2 + 1}, {n / 3, n - 2}} {
			if twice[0] < 0 || twice[1] < 0 || twice[1] >= n {
				continue
			}
			m.Reset(Options{MemoryLimit: 1 << 20, TempDir: t.TempDir()}, 1+n%2)
			going := true
			for from := 0; from < n && going; from += 300 {
				var texts []string
				for i := from; i < min(from+300, n); i++ {
					name := i
					if i == twice[1] {
						name = twice[0]
					}
					texts = append(texts, fmt.Sprint("name ", name))
				}
				b, names := namesOf(texts)
				if from%900 == 0 {
					for _, n := range names {
						m.Add(QuickSum(b, n.At, n.Len))
					}
					continue
				}
				going = m.AddNames(b, names)
			}
			if got, want := going && m.AllNew(), twice[0] == twice[1]; got != want {
				t.Fatalf("%d names, %v twice: all new: %v", n, twice, got)
			}
			m.Close()
		}
	}
}

func BenchmarkMany(b *testing.B) {
	for _, n := range []int{1000, 100_000, 3_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var m Many
			text := make([]byte, 8*500+16)
			names := make([]Name, 500)
			rng := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				m.Reset(Options{}, 1)
				for range n / 500 {
					for i := range names {
						at := 8 * i
						names[i] = Name{at, 8}
						v := rng.Uint64()
						for k := range 8 {
							text[at+k] = byte(v >> (8 * k))
						}
					}
					m.AddNames(text, names)
				}
				if !m.AllNew() {
					b.Fatal("twice")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/name")
		})
	}
}
