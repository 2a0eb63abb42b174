package rdb_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// allFiles makes the servers load all of the corpus instead of the files that differ most.
var allFiles = os.Getenv("KVFSCK_LONG_TESTS") == "1"

// telling are the files that hold all there is, in every encoding.
var telling = map[string]bool{"everything.rdb": true, "random1.rdb": true, "smallcfg.rdb": true, "streams.rdb": true, "vectors.rdb": true}

// merged writes the contents of files of the corpus into one file of the version, each with databases of its own, without what the
// version cannot hold and what only a server with a module would take.
func merged(t testing.TB, target rdb.Target, opt rdb.WriterOptions, vectors bool) (out []byte, files int) {
	t.Helper()
	const step = 16 // databases for each file
	var buf bytes.Buffer
	w := rdb.NewWriter(&buf, target, opt)
	libraries := map[string]bool{}
	for i, f := range corpus.RDBs(t) {
		if !allFiles && !telling[f.File] {
			continue
		}
		b, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
			require.NoError(t, err)
			switch rec := rec.(type) {
			case *rdb.Entry:
				rec.DB += uint64(i) * step
				if rec.Kind() == rdb.KindModule && (!vectors || !strings.Contains(f.ID, "vectors")) {
					continue
				}
			case *rdb.SelectDB:
				rec.DB += uint64(i) * step
			case *rdb.Function:
				if libraries[string(rec.Code)] {
					continue
				}
				libraries[string(rec.Code)] = true
			case *rdb.ModuleAux, *rdb.EOF:
				continue
			}
			if e, ok := rec.(*rdb.Entry); ok && e.Kind() == rdb.KindSortedSet && strings.HasSuffix(f.ID, "smallcfg.rdb") && string(e.Key) == "z:edge-zl" {
				continue // a small one that is not packed, with a score of -0: servers pack it when they load it, and make 0 of that
			}
			var u *rdb.UnsupportedError
			if err := w.WriteRecord(rec); !errors.As(err, &u) {
				require.NoError(t, err)
			}
		}
		files++
	}
	require.NoError(t, w.Close())
	return buf.Bytes(), files
}

// servers are the real servers that load what is written, and what they load.
var servers = []struct {
	name    string
	dialect rdb.DigestDialect
	targets []rdb.Target
}{
	{debian, rdb.DigestOld, []rdb.Target{6, 7, 8, 9, 10}},
	{oracle.Redis86, rdb.DigestRedis, []rdb.Target{6, 7, 8, 9, 10, 11, 12, 13}},
	{oracle.Valkey91, rdb.DigestValkey, []rdb.Target{9, 11, 80}},
}

// debian stands for the server on PATH, which has to be a Redis 7.0, as Debian's is.
const debian = "redis-7.0"

func serverBinary(t testing.TB, name string) string {
	if name != debian {
		return oracle.FindNewest(t, name, oracle.RedisServer)
	}
	path := oracle.Find(t, oracle.RedisServer)
	if v := oracle.VersionOf(t, path); v.AtLeast(7, 2) || !v.AtLeast(7, 0) {
		t.Skipf("skipped: %s is not a Redis 7.0", path)
	}
	return path
}

// TestServersLoad has real servers load, checking everything, all of the corpus in every version that they read, and compares what
// they then hold: all keys by DEBUG DIGEST, streams, of which that covers little, by DUMP.
func TestServersLoad(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			l := oracle.NewLoader(t, serverBinary(t, s.name), oracle.LoadOptions{})
			for i, target := range s.targets {
				// Copying and encoding anew in turn; between them the servers see both of every version.
				opt := rdb.WriterOptions{Reencode: i%2 == len(s.name)%2}
				b, files := merged(t, target, opt, s.name == oracle.Redis86)
				got := l.Load(b)
				require.True(t, got.OK, "%v: %s", target, got.Log)
				digest := &rdb.Digest{Dialect: s.dialect}
				keys := addAll(t, digest, b)
				count, err := got.Server.KeyCount()
				require.NoError(t, err)
				require.EqualValues(t, keys, count)
				sum, err := got.Server.Digest()
				require.NoError(t, err)
				require.Equal(t, sum, digest.String(), "%v", target)
				streams := compareStreams(t, got.Server, b)
				t.Logf("%v: %d files, %d keys, digest %s; %d streams", target, files, keys, sum, streams)
			}
		})
	}
}

func addAll(t testing.TB, d *rdb.Digest, b []byte) (keys int) {
	t.Helper()
	for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
		require.NoError(t, err)
		if e, ok := rec.(*rdb.Entry); ok {
			require.NoError(t, d.Add(e))
			keys++
		}
	}
	require.Empty(t, d.Unknown())
	return keys
}

// compareStreams compares every stream in b with what the server makes of it when it dumps it.
func compareStreams(t testing.TB, s *oracle.Server, b []byte) (n int) {
	t.Helper()
	for _, k := range contents(t, b) {
		want, ok := k.Value.(*rdb.Stream)
		if !ok {
			continue
		}
		_, err := s.Do("SELECT", k.DB)
		require.NoError(t, err)
		payload, err := oracle.Text(s.Do("DUMP", k.Key))
		require.NoError(t, err)
		d, err := rdb.ParseDump([]byte(payload))
		require.NoError(t, err)
		require.NoError(t, d.Check())
		got, err := d.Value()
		require.NoError(t, err)
		// Both as the version that the server dumps, with what it fills in made by the writer.
		sameHeld(t, keyed{Key: k.Key, Value: throughDump(t, want, rdb.Target(d.Version))}, keyed{Value: got}, rdb.Target(d.Version))
		n++
	}
	return n
}

// throughDump writes and reads a value as a DUMP payload of the version.
func throughDump(t testing.TB, v rdb.Value, target rdb.Target) rdb.Value {
	t.Helper()
	d, err := rdb.ParseDump(payload(t, v, target))
	require.NoError(t, err)
	got, err := d.Value()
	require.NoError(t, err)
	return got
}

func payload(t testing.TB, v rdb.Value, target rdb.Target) []byte {
	t.Helper()
	b, err := rdb.AppendValueDump(nil, v, target, rdb.WriterOptions{})
	require.NoError(t, err)
	return b
}

// sameHeld compares what a version holds of two values: by their encodings, and where these differ in words.
func sameHeld(t testing.TB, want, got keyed, target rdb.Target) {
	t.Helper()
	a, b := want.asHeld(target).Value, got.asHeld(target).Value
	if !bytes.Equal(payload(t, a, target), payload(t, b, target)) {
		require.Empty(t, cmp.Diff(a, b, cmpopts.EquateEmpty()), "%q", want.Key)
		t.Fatalf("%q: equal values in different encodings", want.Key)
	}
}

// TestServersRestore gives values to servers with RESTORE, encoded for the version that the server writes, and demands that DUMP
// answers the same type and an equal value: the encoding is the one that the server itself keeps.
func TestServersRestore(t *testing.T) {
	for _, c := range []struct {
		name   string
		files  string
		target rdb.Target
	}{{debian, "redis-7.0", 10}, {oracle.Redis86, "redis-8.6", 13}, {oracle.Valkey91, "valkey-9.1", 80}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := oracle.StartServer(t, serverBinary(t, c.name), "", "--sanitize-dump-payload", "yes")
			n := 0
			for _, f := range corpus.RDBs(t) {
				if f.Server != c.files || f.Size > 100<<10 {
					continue
				}
				b, err := os.ReadFile(f.Path)
				require.NoError(t, err)
				for _, k := range contents(t, b) {
					if k.Value.Kind() == rdb.KindModule {
						continue
					}
					restore(t, s, k, c.target)
					n++
				}
			}
			t.Logf("%d values", n)
		})
	}
}

func restore(t testing.TB, s *oracle.Server, k keyed, target rdb.Target) {
	t.Helper()
	given := payload(t, k.Value, target)
	replies, err := s.Pipeline([][]any{{"RESTORE", "k", 0, given, "REPLACE"}, {"DUMP", "k"}})
	require.NoError(t, err)
	require.Equal(t, "OK", replies[0], "%q", k.Key)
	back := []byte(replies[1].(string))
	require.Equal(t, given[0], back[0], "%q: type", k.Key)
	d, err := rdb.ParseDump(back)
	require.NoError(t, err)
	require.True(t, d.Valid())
	v, err := d.Value()
	require.NoError(t, err)
	sameHeld(t, k, keyed{Value: v}, target)
}
