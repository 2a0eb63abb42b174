package fuzz

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMutateSet sees every kind of damage of logs, that it comes out the same again, and that the input stays.
func TestMutateSet(t *testing.T) {
	seen := map[string]int{}
	for base := range few(60) {
		files, _ := AOFSet(base, AnyAOFOptions(base))
		kept, _ := AOFSet(base, AnyAOFOptions(base))
		for seed := base << 10; seed < base<<10+60; seed++ {
			mutated, m := MutateSet(seed, files)
			again, m2 := MutateSet(seed, files)
			require.Equal(t, m, m2)
			require.True(t, slices.EqualFunc(mutated, again, sameFile))
			seen[m.Kind]++
		}
		require.True(t, slices.EqualFunc(kept, files, sameFile))
	}
	for _, kind := range append(kinds(logged, listed), fileMissing, fileEmpty) {
		require.True(t, seen[kind] > 0 || testing.Short(), kind)
	}
	require.Subset(t, SetMutationKinds(), AOFMutationKinds())
}

func sameFile(a, b File) bool { return a.Name == b.Name && bytes.Equal(a.Data, b.Data) }

// TestMutateNothing makes nothing of no files.
func TestMutateNothing(t *testing.T) {
	for seed := range uint64(50) {
		files, m := MutateSet(seed, nil)
		require.Empty(t, files)
		require.Empty(t, m)
	}
}
