package fuzz

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// golden are the first bytes of the SHA-256 of what seeds give. A change here means that others' seeds mean other files from then on, which
// belongs into the release notes.
var golden = map[string]string{
	"REDIS 10": "e86753b95cb1bfa1", "REDIS 11": "c935eb7f65fea9a0", "REDIS 12": "bffa795bf93a61d6", "REDIS 13": "c3547a62ed454a28", "REDIS 6": "26a6a6ce74e937b1",
	"REDIS 7": "c73cbcc11d3da257", "REDIS 8": "20696a95ad527f4f", "REDIS 9": "530ff5a4faa658bb", "VALKEY 80": "ab3d660e0c0cb953",
	"log": "0c8eebf7c32c1251", "mutated": "bbc4d7766dc618ef",
}

// TestSameBytesForever runs on every platform, 32-bit ones too.
func TestSameBytesForever(t *testing.T) {
	got := map[string]string{}
	sums := func(name string, write func(seed uint64, w io.Writer)) {
		h := sha256.New()
		for seed := range uint64(40) {
			write(seed, h)
		}
		got[name] = hex.EncodeToString(h.Sum(nil)[:8])
	}
	for _, target := range rdb.Targets() {
		sums(target.String(), func(seed uint64, w io.Writer) {
			require.NoError(t, WriteRDB(w, seed, AnyOptions(seed, target).WithModules(seed), nil))
		})
	}
	sums("mutated", func(seed uint64, w io.Writer) {
		b, _ := RDB(seed, AnyOptions(seed))
		b, m := Mutate(seed, b)
		w.Write(append(b, m.String()...))
	})
	sums("log", func(seed uint64, w io.Writer) {
		files, _ := AOFSet(seed, AnyAOFOptions(seed))
		files, m := MutateSet(seed, files)
		for _, f := range files {
			w.Write(append([]byte(f.Name+m.String()), f.Data...))
		}
	})
	require.Equal(t, golden, got)
}

// TestStream writes more than fits a small memory in one go, and the same as RDB returns.
func TestStream(t *testing.T) {
	opt := RDBOptions{Bytes: 1 << 20}
	whole, contents := RDB(5, opt)
	var buf bytes.Buffer
	keys := 0
	require.NoError(t, WriteRDB(&buf, 5, opt, func(k *Key) {
		require.Equal(t, contents.Keys[keys].Name, k.Name)
		keys++
	}))
	require.Equal(t, whole, buf.Bytes())
	require.Len(t, contents.Keys, keys)
	require.InDelta(t, 1<<20, len(whole), 1<<18)
	require.Error(t, WriteRDB(io.Discard, 1, RDBOptions{Target: 3}, nil))
	require.Panics(t, func() { RDB(1, RDBOptions{Target: 3}) })
}

// TestHuge verifies a string whose length needs 64 bits; only where tests may take long, as it is 4 GiB.
func TestHuge(t *testing.T) {
	sizes := []uint64{0, 63, 64, 16383, 16384, 1 << 20}
	if big {
		sizes = append(sizes, 1<<32-1, 1<<32, 1<<32+1)
	}
	for _, target := range []rdb.Target{rdb.Version8, rdb.Version13, rdb.Version80} {
		for _, n := range sizes {
			r, w := io.Pipe()
			go func() { w.CloseWithError(WriteHuge(w, target, n)) }()
			rep, err := rdb.Verify(context.Background(), r, rdb.VerifyOptions{})
			require.NoError(t, err, "%v, %d", target, n)
			require.EqualValues(t, 1, rep.Keys)
			require.True(t, rep.EOF.Valid())
		}
	}
}
