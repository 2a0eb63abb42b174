//go:build !purego

package rdb

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/lzf"
)

// A table is plain, or not, whether assembly reads it or not, and whether its names are looked up or collected.
func TestTableKernel(t *testing.T) {
	r := newReader(ReaderOptions{})
	require.True(t, r.dec.hasTableKernel())
	rng := rand.New(rand.NewPCG(21, 22))
	plain, kinds := 0, map[string]int{}
	tables := 40_000
	if testing.Short() {
		tables = 4000
	}
	for range tables {
		typ := []Type{TypeSet, TypeZset2, TypeHash}[rng.IntN(3)]
		n := 1 + rng.IntN(12)
		names := []string{"12", "-3", "300", "a"}[rng.IntN(4)] // what may come again
		b := []byte("before")
		for i := range n {
			name := fmt.Sprintf("%d%s", i, strings.Repeat("n", rng.IntN(40)))
			switch rng.IntN(12) {
			case 0:
				name = names
			case 1:
				name = fmt.Sprint(rng.Int64() >> (20 + rng.IntN(44)))
			case 2:
				name += strings.Repeat("long", rng.IntN(100))
			}
			b = appendTestString(b, name, rng)
			switch typ {
			case TypeZset2:
				score := rng.NormFloat64()
				if rng.IntN(100) == 0 {
					score = math.NaN()
				}
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(score))
			case TypeHash:
				b = appendTestString(b, strings.Repeat("v", rng.IntN(100)), rng)
			}
		}
		end := len(b)
		if b = append(b, make([]byte, 40)...)[:end+rng.IntN(40)]; rng.IntN(3) == 0 {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
		want := r.quickFewGeneric(b, typ, 6, n)
		require.Equal(t, want, r.quickFew(b, typ, 6, n), "%v of %d in %x", typ, n, b)

		var ends [2]int
		for i, add := range []func([]byte, Type, int, int, *nameKinds, *dupset.Many) int{r.addNamesGeneric, r.addNames} {
			var kinds nameKinds
			many := r.dec.newMany(1)
			if ends[i] = add(b, typ, 6, n, &kinds, many); kinds.mixed() || !many.AllNew() {
				ends[i] = 0
			}
			many.Close()
		}
		require.Equal(t, [2]int{want, want}, ends, "%v of %d in %x", typ, n, b)
		if want != 0 {
			plain++
			kinds[typ.String()]++
		}
	}
	require.Greater(t, plain, tables/4)
	require.Len(t, kinds, 3)
}

// appendTestString appends a string in one of the forms that it may have, or one that it may not have.
func appendTestString(b []byte, s string, rng *rand.Rand) []byte {
	var v int64
	if _, err := fmt.Sscan(s, &v); err == nil && fmt.Sprint(v) == s && v == int64(int32(v)) && rng.IntN(10) > 0 {
		switch wide := rng.IntN(100) == 0; {
		case v == int64(int8(v)) && !wide:
			return append(b, 0xC0, byte(v))
		case v == int64(int16(v)):
			return binary.LittleEndian.AppendUint16(append(b, 0xC1), uint16(v))
		}
		return binary.LittleEndian.AppendUint32(append(b, 0xC2), uint32(v))
	}
	if len(s) > 20 && rng.IntN(4) == 0 {
		packed := make([]byte, len(s))
		if size, ok := lzf.Compress(packed, []byte(s)); ok {
			b = appendLength(append(b, 0xC3), uint64(size))
			return append(appendLength(b, uint64(len(s))), packed[:size]...)
		}
	}
	if rng.IntN(100) == 0 {
		return append(append(b, 0x40|byte(len(s)>>8), byte(len(s))), s...)
	}
	return append(appendLength(b, uint64(len(s))), s...)
}
