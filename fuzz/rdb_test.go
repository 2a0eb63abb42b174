package fuzz

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// flawless demands that a file has no fault that a server of its family or a careful keeper minds.
func flawless(t testing.TB, b []byte) {
	t.Helper()
	rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Hints: true})
	require.NoError(t, err)
	for _, f := range rep.Faults {
		if f.Code == rdb.CodeBacklenValkey || f.Code == rdb.CodeBacklenRedis {
			continue // entries of some sizes that the other family cannot read
		}
		require.LessOrEqual(t, f.Severity(), rdb.Note, "%v", f)
	}
}

// checkRDB demands that a generated file is flawless, reads back as what it is known to hold, and comes out the same when written anew.
func checkRDB(t testing.TB, seed uint64, opt RDBOptions) (size int) {
	t.Helper()
	b, want := RDB(seed, opt)
	flawless(t, b)
	got, err := ReadContents(bytes.NewReader(b))
	require.NoError(t, err)
	require.Empty(t, want.Diff(got))
	return len(b)
}

func TestReadsBack(t *testing.T) {
	n := uint64(1500)
	if testing.Short() {
		n = 200
	}
	size := 0
	for seed := range n {
		opt := AnyOptions(seed)
		if seed%3 == 0 {
			opt = opt.WithModules(seed)
		}
		size += checkRDB(t, seed, opt)
		if t.Failed() {
			t.Fatalf("seed %d, %+v", seed, opt)
		}
	}
	t.Logf("%d files of %d bytes on average", n, size/int(n))
}

// TestCoversEveryType generates files until every type that a reader knows was there, but those of release candidates and of Redis 8.8.
func TestCoversEveryType(t *testing.T) {
	seen := map[rdb.Family]map[rdb.Type]bool{rdb.Redis: {}, rdb.Valkey: {}}
	for seed := range uint64(400) {
		b, _ := RDB(seed, AnyOptions(seed).WithModules(seed))
		rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{})
		require.NoError(t, err)
		for c := range rep.Types {
			seen[rep.Family][c.Type] = true
		}
	}
	without := map[rdb.Type]bool{rdb.TypeModulePreGA: true, rdb.TypeHashTTLPreGA: true, rdb.TypeHashListpackPreGA: true, rdb.TypeStream5: true}
	for typ := range rdb.Type(64) {
		if rdb.Redis.Known(typ) && !without[typ] {
			require.True(t, seen[rdb.Redis][typ], "%v", typ)
		}
	}
	require.True(t, seen[rdb.Valkey][rdb.TypeHash2])
}
