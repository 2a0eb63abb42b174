package rdbcheck_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/internal/rdbcheck"
	"github.com/kvfsck/kvfsck/rdb"
)

// tiny are options for files of one key of the n-th kind, in the encodings that servers of the n-th version choose or in others.
func tiny(n uint64) fuzz.RDBOptions {
	targets := rdb.Targets()
	kinds := []fuzz.Weights{{String: 1}, {List: 1}, {Set: 1}, {SortedSet: 1}, {Hash: 1}, {Stream: 1}, {Stream: 1}}
	o := fuzz.RDBOptions{
		Target: targets[n%8], // but Valkey's
		Keys:   1, Databases: 1, Elements: 3, StringSize: 3, Edge: fuzz.Never, NoAux: true, NoCompression: n%3 != 0,
		Weights: kinds[n/8%7], FieldExpire: 50, Metadata: 50, Expire: 10, Functions: int(n % 9 / 8), Loose: int(n % 2 * 100),
	}
	if n%5 == 0 {
		o.Limits = &rdb.Limits{ListSize: 1, ListEntries: 1, ListValue: 1, HashEntries: 1, HashValue: 1, SetInts: 1, SetEntries: 1, SetValue: 1, ZsetEntries: 1, ZsetValue: 1, StreamBytes: 1, StreamEntries: 1}
	}
	return o
}

// edited returns the file cut or changed at a place, mostly so that a length, a type or an opcode is another there. The checksum is taken out.
func edited(rnd *rand.Rand, b []byte) (out []byte, what string) {
	at := 9 + rnd.IntN(len(b)-9)
	bytewise := []byte{0x82, 0x80, 0xc3, 0xc5, 0xff, 0, b[at] + 1, b[at] - 1, 0xc1}
	lengths := []string{"\x81\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\x00\x10\x00\x00\x00\x00\x00\x00", "\x80\x10\x00\x00\x00"}
	switch n := rnd.IntN(len(bytewise) + len(lengths) + 2); {
	case n < len(bytewise):
		out = bytes.Clone(b)
		out[at] = bytewise[n]
		what = fmt.Sprintf("%#x at %d", bytewise[n], at)
	case n < len(bytewise)+len(lengths):
		length := lengths[n-len(bytewise)]
		out = append(append(bytes.Clone(b[:at]), length...), b[at+1:]...)
		what = fmt.Sprintf("%x at %d", length, at)
	default:
		return b[:at], fmt.Sprintf("cut at %d", at)
	}
	if len(out) > 17 {
		copy(out[len(out)-8:], make([]byte, 8))
	}
	return out, what
}

// TestSweepAgainstTheRealTool compares everything printed about small files of every type that are edited in one place. KVFSCK_BIG=1 makes it a long one.
func TestSweepAgainstTheRealTool(t *testing.T) {
	binary := oracle.FindNewest(t, oracle.Redis86, oracle.RedisCheckRDB)
	cases := 250
	if os.Getenv("KVFSCK_BIG") == "1" {
		cases = 20_000
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	hung := 0
	for range cases {
		n := rnd.Uint64N(500)
		b, _ := fuzz.RDB(n, tiny(n))
		b, what := edited(rnd, b)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), b, 0o600))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		cmd := exec.CommandContext(ctx, binary, "x")
		cmd.Dir, cmd.WaitDelay = dir, time.Second
		want, _ := cmd.CombinedOutput()
		cancel()
		if ctx.Err() == context.DeadlineExceeded {
			hung++ // over a number of elements that is not true, or data of a module that ends
			continue
		}
		var got bytes.Buffer
		rdbcheck.Check(&got, "x", bytes.NewReader(b))
		assert.Equal(t, masked(string(want)), masked(got.String()), "file %d, %s", n, what)
	}
	require.Less(t, hung, cases/20+1)
}
