package fuzz

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
)

// TestMutate sees every kind of damage at work, that it changes what it says it changes, that the input stays, and that it comes out the same again.
func TestMutate(t *testing.T) {
	seen := map[string]int{}
	var b []byte
	for seed := range few(5000) {
		if seed%20 == 0 {
			b, _ = RDB(seed/20, AnyOptions(seed/20))
		}
		kept := bytes.Clone(b)
		mutated, m := Mutate(seed, b)
		require.True(t, bytes.Equal(kept, b))
		again, m2 := Mutate(seed, b)
		require.True(t, bytes.Equal(mutated, again))
		require.Equal(t, m, m2)
		require.NotEmpty(t, m.Kind)
		seen[m.Kind]++
		same := max(min(m.Offset, len(mutated)-8), 0)
		require.True(t, bytes.HasPrefix(mutated, b[:same]), "%v", m)
		if m.Stamped {
			n := len(mutated) - 8
			require.Equal(t, crc64.Checksum(mutated[:n]), le64(mutated[n:]), "%v", m)
		}
	}
	for _, kind := range MutationKinds() {
		require.True(t, seen[kind] > 0 || testing.Short(), kind)
	}
}

func le64(b []byte) (v uint64) {
	for i := 7; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

func TestMutateKind(t *testing.T) {
	b, _ := RDB(1, RDBOptions{})
	for _, kind := range MutationKinds() {
		_, m, ok := MutateKind(kind, 3, b)
		if ok {
			require.Equal(t, kind, m.Kind)
			require.Contains(t, m.String(), kind)
		}
	}
	_, _, ok := MutateKind("none", 3, b)
	require.False(t, ok)
}
