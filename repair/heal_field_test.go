package repair

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
)

// slowMul multiplies bit by bit.
func slowMul(a, b uint64) (product uint64) {
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 63)
		b = fieldStep(b)
	}
	return product
}

func TestFieldMul(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		a, b := rng.Uint64(), rng.Uint64()
		require.Equal(t, slowMul(a, b), fieldMul(a, b))
	}
	for n := range int64(100) {
		a := rng.Uint64()
		require.Equal(t, crc64.Shift(a, n), fieldMul(a, fieldPow(fieldX, uint64(8*n))))
	}
}

// TestFieldLog compares the logarithm with a walk through the powers, and with powers of any size.
func TestFieldLog(t *testing.T) {
	v := uint64(fieldOne)
	for e := range uint64(1000) {
		require.Equal(t, e, fieldLog(v))
		v = fieldStep(v)
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		e := rng.Uint64() % groupOrder
		require.Equal(t, e, fieldLog(fieldPow(fieldX, e)))
		v := rng.Uint64() | 1
		require.Equal(t, v, fieldPow(fieldX, fieldLog(v)))
	}
}

// TestBitPosition finds every bit of a message, and every bit of a long one by its register alone.
func TestBitPosition(t *testing.T) {
	for _, n := range []int64{1, 9, 64} {
		for at := range n {
			for bit := range 8 {
				p := make([]byte, n)
				p[at] = 1 << bit
				pos, b, ok := bitPosition(crc64.Checksum(p), n)
				require.True(t, ok)
				require.Equal(t, at, pos)
				require.Equal(t, bit, b)
			}
		}
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		n := rng.Int64N(1<<50) + 1
		at, bit := rng.Int64N(n), rng.IntN(8)
		pos, b, ok := bitPosition(crc64.Shift(1<<bit, n-at), n)
		require.True(t, ok)
		require.Equal(t, at, pos)
		require.Equal(t, bit, b)
	}
	for range 300 {
		_, _, ok := bitPosition(rng.Uint64()|1, 1<<30)
		require.False(t, ok)
	}
}

func BenchmarkFieldLog(b *testing.B) {
	fieldLog(1)
	v := uint64(0x123456789abcdef)
	for b.Loop() {
		fieldLog(v)
		v = fieldStep(v)
	}
}
