package lzf

import (
	"math/rand/v2"
	"testing"
)

// demandAll demands that ValidateAll judges a block as Validate does, alone and among sound ones, wherever it stands.
func demandAll(t *testing.T, src []byte, n int64, want bool) {
	t.Helper()
	sound, length := block(lit("abc"), ref(3, 9), ref(1, 200), lit("xyz")), 215
	rnd := rand.New(rand.NewPCG(uint64(len(src)), uint64(n)))
	for _, others := range []int{0, 1, 7, 40} {
		var b []byte
		var blocks []Block
		add := func(src []byte, n int) {
			blocks = append(blocks, Block{len(b), len(b) + len(src), n})
			b = append(b, src...)
		}
		at := rnd.IntN(others + 1)
		for i := range others + 1 {
			if i == at {
				add(src, int(n))
			}
			if i < others {
				add(sound, length)
			}
		}
		for range 2 {
			if got := ValidateAll(b, blocks); got != want {
				t.Fatalf("among %d, as number %d: %v\nblock %x\ndeclared %d", others, at, got, src, n)
			}
			b = append(b, "behind"...)
		}
	}
}

func TestValidateAll(t *testing.T) {
	rnd := newRand()
	var b []byte
	var blocks []Block
	for range 500 {
		src, n := randomBlock(rnd, rnd.IntN(200))
		blocks = append(blocks, Block{len(b), len(b) + len(src), n})
		b = append(b, src...)
		if rnd.IntN(8) == 0 {
			b = append(b, make([]byte, rnd.IntN(3))...)
		}
	}
	if !ValidateAll(b, blocks) || !ValidateAll(b, nil) {
		t.Fatal("sound blocks are refused")
	}
	for range 2000 {
		i := rnd.IntN(len(blocks))
		k := &blocks[i]
		old := *k
		switch rnd.IntN(4) {
		case 0:
			k.Length += rnd.IntN(5) - 2
		case 1:
			k.End = max(k.Start, k.End-rnd.IntN(4))
		case 2:
			k.End = min(k.End+rnd.IntN(40), len(b))
		case 3:
			k.Start = min(k.Start+rnd.IntN(3), k.End)
		}
		want := Validate(b[k.Start:k.End], int64(k.Length)) == nil
		from := max(0, i-rnd.IntN(60))
		if got := ValidateAll(b, blocks[from:min(len(blocks), i+rnd.IntN(60)+1)]); got != want {
			t.Fatalf("%v, want %v: block %x, declared %d", got, want, b[k.Start:k.End], k.Length)
		}
		*k = old
	}
}

func TestValidateAllNegativeLength(t *testing.T) {
	demandAll(t, nil, -1, false)
	demandAll(t, block(lit("abc")), -1, false)
	demandAll(t, nil, 0, true)
	demandAll(t, nil, 1, false)
}

func BenchmarkValidateAll(b *testing.B) {
	benchEach(b, func(b *testing.B, data, compressed []byte) {
		var all []byte
		var blocks []Block
		for len(all) < 128<<10 {
			blocks = append(blocks, Block{len(all), len(all) + len(compressed), len(data)})
			all = append(all, compressed...)
		}
		all = append(all, 0, 0, 0, 0)
		ops := 0
		for src := compressed; len(src) > 0; ops++ {
			o, _ := parseOp(src)
			if src = src[o.header:]; o.distance == 0 {
				src = src[o.length:]
			}
		}
		b.SetBytes(int64(len(data) * len(blocks)))
		for b.Loop() {
			if !ValidateAll(all, blocks) {
				b.Fatal("refused")
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*ops*len(blocks)), "ns/operation")
	})
}
