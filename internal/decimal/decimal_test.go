package decimal

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func check(t *testing.T, v uint64) {
	require.Equal(t, "x"+strconv.FormatUint(v, 10), string(Append([]byte("x"), v)))
	require.Equal(t, "x"+strconv.FormatInt(int64(v), 10), string(AppendInt([]byte("x"), int64(v))))
}

func TestAppend(t *testing.T) {
	for v := range uint64(2000) {
		check(t, v)
	}
	for p := uint64(1); ; p *= 10 {
		for _, v := range []uint64{p - 1, p, p + 1, -p, 1 - p, p * 9, p * 5} {
			check(t, v)
		}
		if p > math.MaxUint64/10 {
			break
		}
	}
	for i := range 64 {
		check(t, 1<<i)
		check(t, 1<<i-1)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		check(t, random.Uint64()>>random.IntN(64))
	}
}

// TestRoom appends where there is just enough room and writes nothing behind it.
func TestRoom(t *testing.T) {
	for _, v := range []int64{0, 7, 42, 123, -1, math.MaxInt64, math.MinInt64} {
		want := strconv.FormatInt(v, 10)
		b := append(make([]byte, 0, len(want)+1), want...)
		b = append(b, '!')
		got := AppendInt(b[:0:len(want)], v)
		require.Equal(t, want, string(got))
		require.Equal(t, want+"!", string(b))
		require.Same(t, &b[0], &got[0])
	}
}

func FuzzAppend(f *testing.F) {
	f.Add(uint64(0))
	f.Add(uint64(math.MaxUint64))
	f.Fuzz(check)
}

func BenchmarkAppend(b *testing.B) {
	var buf [MaxLen]byte
	for i := range b.N {
		Append(buf[:0], uint64(i)*0x9E3779B97F4A7C15>>(i&63))
	}
}

// TestAppendFraction compares with strconv on fractions of all lengths, on their neighbours, and on any doubles.
func TestAppendFraction(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	taken := 0
	demand := func(f float64) {
		got, ok := AppendFraction([]byte("x"), f)
		if !ok {
			require.Equal(t, "x", string(got))
			return
		}
		taken++
		require.Equal(t, "x"+strconv.FormatFloat(f, 'f', -1, 64), string(got))
	}
	for range 50_000 {
		f := float64(r.Int64N(1<<(1+r.IntN(62)))) / math.Pow10(r.IntN(9))
		if r.IntN(2) == 0 {
			f = -f
		}
		demand(f)
		demand(math.Nextafter(f, math.Inf(1-2*r.IntN(2))))
		demand(math.Float64frombits(r.Uint64()))
		demand(r.Float64())
	}
	require.Greater(t, taken, 25_000)
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 1.5e-6, 9e-7, 1e-7, 0.000001, 123456789.123456, 999999999.999999, 1e9, 1e15, math.Inf(1), math.NaN(), math.MaxFloat64, 5e-324} {
		demand(f)
	}
}

func BenchmarkAppendFraction(b *testing.B) {
	var buf []byte
	for i := 0; b.Loop(); i++ {
		buf, _ = AppendFraction(buf[:0], float64(i&0xFFFF)/100)
	}
}
