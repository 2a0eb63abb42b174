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
