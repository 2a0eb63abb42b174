package repair

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// loaders are the real servers that load what salvage writes: those that there are.
func loaders(t *testing.T) map[string]*oracle.Loader {
	all := map[string]*oracle.Loader{}
	if oracle.Installed(oracle.RedisServer) {
		all["installed"] = oracle.NewLoader(t, oracle.Find(t, oracle.RedisServer), oracle.LoadOptions{})
	}
	for _, name := range []string{oracle.Redis86, oracle.Valkey91} {
		if oracle.HasNewest(name, oracle.RedisServer) {
			all[name] = oracle.NewLoader(t, oracle.FindNewest(t, name, oracle.RedisServer), oracle.LoadOptions{})
		}
	}
	if len(all) == 0 {
		oracle.Find(t, oracle.RedisServer)
	}
	return all
}

// loaderFor names the server for a file.
func loaderFor(s *Salvaged) string {
	switch {
	case s.Family == rdb.Valkey:
		return oracle.Valkey91
	case s.Version <= 10:
		return "installed"
	default:
		return oracle.Redis86
	}
}

// TestSalvageServersLoad has real servers load what was salvaged from damaged files of the corpus, and compares the number of keys.
func TestSalvageServersLoad(t *testing.T) {
	every := 40
	if big() {
		every = 5
	}
	servers := loaders(t)
	loaded := map[string]int{}
	n := 0
	for r := range corpus.RDBRecipes(t) {
		if n++; n%every != 0 {
			continue
		}
		base, err := os.ReadFile(r.BasePath(t))
		require.NoError(t, err)
		b, _ := r.Apply(base)
		s, err := Salvage(context.Background(), bytes.NewReader(b), int64(len(b)), SalvageOptions{})
		require.NoError(t, err)
		l := servers[loaderFor(s)]
		if l == nil || needsModule(t, s) {
			continue
		}
		var out bytes.Buffer
		_, err = s.WriteTo(&out)
		require.NoError(t, err)
		got := l.Load(out.Bytes())
		if !got.OK && s.Libraries > 0 { // damage inside the source of a library shows only when it is compiled
			t.Logf("%s: a library that does not compile", r.ID)
			continue
		}
		require.True(t, got.OK, "%s %s: %s", r.ID, r.Base, got.Log)
		keys, err := got.Server.KeyCount()
		require.NoError(t, err)
		require.LessOrEqual(t, keys, s.Keys, r.ID)
		if s.Expires == 0 {
			require.EqualValues(t, s.Keys, keys, "%s %s", r.ID, r.Base)
		}
		loaded[loaderFor(s)]++
	}
	t.Log(loaded)
}

// needsModule reports whether what is kept has data that a server without modules refuses.
func needsModule(t testing.TB, s *Salvaged) bool {
	var out bytes.Buffer
	_, err := s.WriteTo(&out)
	require.NoError(t, err)
	rep, _ := rdb.Verify(context.Background(), bytes.NewReader(out.Bytes()), rdb.VerifyOptions{KeepGoing: true})
	for _, f := range rep.Faults {
		if f.Code == rdb.CodeModuleNeeded || f.Code == rdb.CodeMetaClass {
			return true
		}
	}
	return false
}

// TestSalvageServersLoadBehindLead has real servers load what stood behind other bytes, and behind which others stand.
func TestSalvageServersLoadBehindLead(t *testing.T) {
	servers := loaders(t)
	mark := []byte("$EOF:0123456789abcdef0123456789abcdef01234567\r\n")
	for i, target := range []rdb.Target{rdb.Version10, rdb.Version13, rdb.Version80} {
		o := generated(t, target, 100, uint64(i))
		s, out := salvage(t, slices.Concat(mark, o.bytes, mark[5:45]), SalvageOptions{})
		require.EqualValues(t, len(mark), s.lead)
		l := servers[loaderFor(s)]
		if l == nil || needsModule(t, s) {
			continue
		}
		got := l.Load(out)
		require.True(t, got.OK, "%v: %s", target, got.Log)
		keys, err := got.Server.KeyCount()
		require.NoError(t, err)
		require.LessOrEqual(t, keys, int64(len(o.keys))) // some expire
		require.GreaterOrEqual(t, keys, s.Keys-s.Expires)
		require.EqualValues(t, len(o.keys), s.Keys)
	}
}
