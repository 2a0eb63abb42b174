package fuzz_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

// damaged makes a file and damages it. Without a new checksum, as damage by accident leaves it.
func damaged(seed, damage uint64) (file, broken []byte, m fuzz.Mutation) {
	opt := fuzz.AnyOptions(seed)
	opt.Keys, opt.NoChecksum = min(opt.Keys, 10), false
	file, _ = fuzz.RDB(seed, opt)
	broken, m = fuzz.Mutate(damage, file)
	return file, broken, m
}

// checkSalvage demands that what salvage writes is flawless, whatever the input, and that an undamaged file loses nothing.
func checkSalvage(t testing.TB, broken []byte, m fuzz.Mutation) {
	t.Helper()
	s, err := repair.Salvage(context.Background(), bytes.NewReader(broken), int64(len(broken)), repair.SalvageOptions{})
	require.NoError(t, err, "%v", m)
	var out bytes.Buffer
	_, err = s.WriteTo(&out)
	require.NoError(t, err, "%v", m)
	rep, err := rdb.Verify(context.Background(), &out, rdb.VerifyOptions{DuplicateKeys: true, KeepGoing: true})
	require.NoError(t, err, "%v", m)
	require.Equal(t, s.Keys, rep.Keys, "%v", m)
	if m.Kind == "" {
		require.Zero(t, s.LostBytes)
	}
}

// checkHeal demands that a healing that calls itself proven is the file as it was.
func checkHeal(t testing.TB, file, broken []byte, m fuzz.Mutation) {
	t.Helper()
	h, err := repair.Heal(context.Background(), bytes.NewReader(broken), int64(len(broken)), repair.HealOptions{MaxMemory: 1 << 20})
	require.NoError(t, err, "%v", m)
	best := h.Best()
	if best == nil || m.Stamped || m.Kind == "checksum-zero" || m.Kind == "splice" {
		return // with a new checksum the damaged file is as good as another
	}
	healed, err := io.ReadAll(best.Open(bytes.NewReader(broken)))
	require.NoError(t, err)
	require.True(t, bytes.Equal(file, healed), "healed to another file: %v", m)
}

func FuzzSalvage(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, seed*17)
	}
	f.Fuzz(func(t *testing.T, seed, damage uint64) {
		_, broken, m := damaged(seed, damage)
		checkSalvage(t, broken, m)
	})
}

// FuzzSalvageBytes lets the engine damage files by itself.
func FuzzSalvageBytes(f *testing.F) {
	for _, target := range rdb.Targets() {
		b, _ := fuzz.RDB(1, fuzz.RDBOptions{Target: target, Keys: 8, Elements: 3, Functions: 1, Loose: 50, Edge: fuzz.Never})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 1<<14 {
			checkSalvage(t, b, fuzz.Mutation{Kind: "bytes"})
		}
	})
}

func FuzzHeal(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, seed*19)
	}
	f.Fuzz(func(t *testing.T, seed, damage uint64) {
		file, broken, m := damaged(seed, damage)
		checkHeal(t, file, broken, m)
	})
}

func TestRepairOfMutatedFiles(t *testing.T) {
	n := uint64(200)
	if testing.Short() {
		n = 40
	}
	for seed := range n {
		file, broken, m := damaged(seed/4, seed)
		checkSalvage(t, broken, m)
		checkSalvage(t, file, fuzz.Mutation{})
		checkHeal(t, file, broken, m)
	}
}
