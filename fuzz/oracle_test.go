package fuzz

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// big makes the tests against real servers as long as a night allows.
var big = os.Getenv("KVFSCK_BIG") == "1"

// loaders are the real servers that load generated files, and the versions that they read.
var loaders = []struct {
	name    string
	dialect rdb.DigestDialect
	targets []rdb.Target
}{
	{"", rdb.DigestOld, []rdb.Target{6, 7, 8, 9, 10}},
	{oracle.Redis86, rdb.DigestRedis, []rdb.Target{6, 7, 8, 9, 10, 11, 12, 13}},
	{oracle.Valkey91, rdb.DigestValkey, []rdb.Target{6, 7, 8, 9, 10, 11, 80}},
}

func serverBinary(t testing.TB, name string) string {
	if name == "" {
		return oracle.Find(t, oracle.RedisServer)
	}
	return oracle.FindNewest(t, name, oracle.RedisServer)
}

// TestServersLoadRDB has real servers load generated files and compares what they then hold with what the generator knows: all keys by
// DEBUG DIGEST, streams, of which that covers little, by DUMP, and libraries by their code.
func TestServersLoadRDB(t *testing.T) {
	files, batch := uint64(400), uint64(200)
	switch {
	case big:
		files, batch = 100_000/uint64(len(loaders))+1, 1000
	case testing.Short():
		files, batch = 60, 60
	}
	for _, s := range loaders {
		t.Run(s.name, func(t *testing.T) {
			binary := serverBinary(t, s.name)
			var sum loadCount
			for from := uint64(0); from < files; from += batch {
				t.Run(fmt.Sprint(from), func(t *testing.T) {
					l := oracle.NewLoader(t, binary, oracle.LoadOptions{Databases: 16, Args: []string{"--loglevel", "warning"}})
					for seed := from; seed < min(from+batch, files); seed++ {
						sum.load(t, l, seed, AnyOptions(seed, s.targets...), s.dialect)
					}
				})
			}
			t.Logf("%d files, %d keys, %d streams, %d libraries, %d files with listpacks that only Redis reads: %d differences",
				sum.files, sum.keys, sum.streams, sum.libraries, sum.foreign, sum.differences)
		})
	}
}

// TestServerLoadsVectorSets has the server that has vector sets load some, of every form.
func TestServerLoadsVectorSets(t *testing.T) {
	l := oracle.NewLoader(t, serverBinary(t, oracle.Redis86), oracle.LoadOptions{Databases: 16, Args: []string{"--loglevel", "warning"}})
	var sum loadCount
	for seed := range uint64(60) {
		opt := RDBOptions{Target: rdb.Version13, Keys: 5, Weights: Weights{VectorSet: 1}, Edge: 20}
		sum.load(t, l, seed, opt, rdb.DigestRedis)
	}
	require.Equal(t, 300, sum.keys)
}

// loadCount counts what was loaded.
type loadCount struct{ files, keys, streams, libraries, foreign, differences int }

func (n *loadCount) load(t *testing.T, l *oracle.Loader, seed uint64, opt RDBOptions, dialect rdb.DigestDialect) {
	t.Helper()
	b, want := RDB(seed, opt)
	got := l.Load(b)
	n.files++
	if dialect == rdb.DigestValkey && opt.Target.Family() == rdb.Redis && hasRedisListpack(b) {
		n.foreign++
		require.False(t, got.OK, "seed %d: Valkey reads a listpack entry whose size only Redis writes so", seed)
		return
	}
	if !got.OK {
		n.differences++
		t.Errorf("seed %d, %+v: refused:\n%s", seed, opt, got.Log)
		return
	}
	n.compare(t, got.Server, seed, opt, want, dialect)
}

// compare compares what a server holds with what it should.
func (n *loadCount) compare(t *testing.T, server *oracle.Server, seed uint64, opt any, want *Contents, dialect rdb.DigestDialect) {
	t.Helper()
	digest, err := want.Digest(dialect)
	require.NoError(t, err)
	sum, err := server.Digest()
	require.NoError(t, err)
	if sum != digest {
		n.differences++
		t.Errorf("seed %d, %+v: digest %s, want %s\n%s", seed, opt, sum, digest, differingKeys(t, server, want, dialect))
	}
	n.keys += len(want.Keys)
	for i := range want.Keys {
		if k := &want.Keys[i]; k.Value.Kind() == rdb.KindStream {
			n.streams++
			if d := streamDiff(t, server, k); d != "" {
				n.differences++
				t.Errorf("seed %d, %+v: %s", seed, opt, d)
			}
		}
	}
	if len(want.Functions) > 0 {
		n.libraries += len(want.Functions)
		reply, err := server.Do("FUNCTION", "LIST", "WITHCODE")
		require.NoError(t, err)
		text := fmt.Sprint(reply)
		for _, code := range want.Functions {
			require.Contains(t, text, string(code))
		}
	}
}

// hasRedisListpack reports whether the file has a listpack with an entry of a size that Redis writes in a way that Valkey 9.1 refuses.
func hasRedisListpack(b []byte) bool {
	rep, _ := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{KeepGoing: true})
	return slices.ContainsFunc(rep.Faults, func(f *rdb.FormatError) bool { return f.Code == rdb.CodeBacklenValkey })
}

// differingKeys names the keys whose own digests differ.
func differingKeys(t testing.TB, s *oracle.Server, want *Contents, dialect rdb.DigestDialect) (names string) {
	t.Helper()
	for i := range want.Keys {
		k := &want.Keys[i]
		_, err := s.Do("SELECT", k.DB)
		require.NoError(t, err)
		got, err := oracle.Texts(s.Do("DEBUG", "DIGEST-VALUE", k.Name))
		require.NoError(t, err)
		e, err := k.entry()
		require.NoError(t, err)
		sum, _, err := rdb.DigestValue(e, dialect)
		require.NoError(t, err)
		if got[0] != sum.String() {
			names += fmt.Sprintf("%.2000s\n", k.describe(nil))
		}
	}
	return names
}

// streamDiff compares a stream with what the server makes of it when it dumps it, both as the version that it dumps.
func streamDiff(t testing.TB, s *oracle.Server, k *Key) string {
	t.Helper()
	replies, err := s.Pipeline([][]any{{"SELECT", k.DB}, {"DUMP", k.Name}})
	require.NoError(t, err)
	require.IsType(t, "", replies[1])
	dump, err := rdb.ParseDump([]byte(replies[1].(string)))
	require.NoError(t, err)
	require.NoError(t, dump.Check())
	got, err := dump.Value()
	require.NoError(t, err)
	payload, err := rdb.AppendValueDump(nil, k.Value, rdb.Target(dump.Version), rdb.WriterOptions{Drop: rdb.DropAll()})
	require.NoError(t, err)
	mine, err := rdb.ParseDump(payload)
	require.NoError(t, err)
	want, err := mine.Value()
	require.NoError(t, err)
	for _, v := range []rdb.Value{want, got} {
		if st := v.(*rdb.Stream); len(st.Entries) == 0 {
			st.FirstID = rdb.StreamID{} // servers that load type 15 make 2^64-1 of both numbers
		}
	}
	a, b := *k, *k
	a.Value, b.Value = want, got
	return a.diff(&b)
}
