package repair

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// aofServers are the servers that are here.
func aofServers(t *testing.T) map[string]string {
	t.Helper()
	servers := map[string]string{"debian": oracle.Find(t, oracle.RedisServer)}
	for _, release := range []string{oracle.Redis86, oracle.Valkey91} {
		if oracle.HasNewest(release, oracle.RedisServer) {
			servers[release] = oracle.FindNewest(t, release, oracle.RedisServer)
		} else if os.Getenv(oracle.RequireEnv) == "1" {
			t.Fatalf("%s is required", release)
		}
	}
	return servers
}

// TestRepairedSetsLoad damages sets in several files, and has real servers load what is left: they hold what the commands of the account
// make on the same server.
func TestRepairedSetsLoad(t *testing.T) {
	servers := aofServers(t)
	for seed := range uint64(aofRounds(3, 30)) {
		files, _ := fuzz.AOFSet(seed, fuzz.AOFOptions{Target: rdb.Version10, Layout: fuzz.AOFSetText, Commands: 120, Increments: 3})
		broken := files
		for i := range uint64(3) {
			broken, _ = fuzz.MutateSet(100*seed+i, broken)
		}
		fsys := fstest.MapFS{}
		for _, f := range broken {
			fsys[f.Name] = &fstest.MapFile{Data: f.Data}
		}
		s, err := SalvageSet(t.Context(), fsys, AOFSetOptions{SkipMissing: true})
		if err != nil {
			t.Fatal(err)
		}
		if s.Blocked != "" {
			t.Logf("seed %d: %s", seed, s.Blocked)
			continue
		}
		for name, binary := range servers {
			loadsAsReplayed(t, fmt.Sprintf("seed %d on %s", seed, name), binary, written(t, s))
		}
	}
}

// loadsAsReplayed compares a server that loads the set with one that is told its commands.
func loadsAsReplayed(t *testing.T, label, binary string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, fuzz.AOFDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, fuzz.AOFDir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loading := oracle.StartServer(t, binary, dir, "--appendonly", "yes", "--aof-load-truncated", "no")
	defer loading.Kill()
	if loading.Exited() {
		t.Errorf("%s: %s", label, loading.Log())
		return
	}
	told := oracle.StartServer(t, binary, "")
	defer told.Kill()
	set, err := aof.Discover(memFS(files), aof.DiscoverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := set.Replay(aof.ReplayOptions{})
	defer r.Close()
	db := 0
	for r.Next() {
		c, ok := r.Record().(*aof.Command)
		if !ok {
			continue
		}
		if c.DB != db && !c.InMulti { // a file begins in database 0
			tell(t, told, "SELECT", fmt.Sprint(c.DB))
			db = c.DB
		}
		args := make([]any, len(c.Args))
		for i, a := range c.Args {
			args[i] = bytes.Clone(a)
		}
		tell(t, told, args...)
		if c.Special == aof.Select {
			db = -1 // where it leads is known with the next command
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	want, err1 := told.Digest()
	got, err2 := loading.Digest()
	if want != got || err1 != nil || err2 != nil {
		n, _ := told.KeyCount()
		m, _ := loading.KeyCount()
		t.Errorf("%s: the server holds %d keys, the commands make %d: %v, %v", label, m, n, err1, err2)
	}
}

// tell sends a command, which may fail: servers that load go on.
func tell(t *testing.T, s *oracle.Server, args ...any) {
	t.Helper()
	if _, err := s.Pipeline([][]any{args}); err != nil {
		t.Fatal(err)
	}
}

// TestUntilAsChecker compares Until with the runs of redis-check-aof --truncate-to-timestamp.
func TestUntilAsChecker(t *testing.T) {
	compared := 0
	for _, v := range corpus.AOFTruncateToTimestamp(t) {
		b, err := os.ReadFile(filepath.Join(corpus.Path(t, v.Base), v.Check))
		if err != nil {
			t.Fatal(err)
		}
		run, ok := v.Checkers["redis-8.0"]
		if !ok || filepath.Ext(v.Check) != ".aof" {
			continue
		}
		_, out := salvageBytes(t, b, AOFOptions{Until: v.Timestamp})
		sum := sha256.Sum256(out)
		compared++
		switch changed, is := run.Changed[v.Check]; {
		case is && (int64(len(out)) != changed.Size || hex.EncodeToString(sum[:]) != changed.SHA256):
			t.Errorf("%s %s until %d: %d bytes are left, the program leaves %d", v.Base, v.Check, v.Timestamp, len(out), changed.Size)
		case !is && run.Accepted() && !bytes.Equal(out, b):
			t.Errorf("%s %s until %d: %d bytes are left, the program leaves all %d", v.Base, v.Check, v.Timestamp, len(out), len(b))
		case !run.Accepted() && len(out) > 0:
			t.Errorf("%s %s until %d: %d bytes are left, the program finds nothing: %q", v.Base, v.Check, v.Timestamp, len(out), run.Tail)
		}
	}
	t.Logf("%d runs", compared)
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

// TestTextTransfersLoad has real servers load sets in which a transfer has changed all ends of lines.
func TestTextTransfersLoad(t *testing.T) {
	servers := aofServers(t)
	for i, transfer := range []func(string) string{toLF, toCRLF, loneToCR} {
		files, _ := fuzz.AOFSet(uint64(i), fuzz.AOFOptions{Target: rdb.Version10, Layout: fuzz.AOFSetText, Commands: 200, Increments: 2})
		fsys := fstest.MapFS{}
		for _, f := range files {
			data := f.Data
			if strings.HasSuffix(f.Name, ".aof") {
				data = []byte(transfer(string(data)))
			}
			fsys[f.Name] = &fstest.MapFile{Data: data}
		}
		s, err := SalvageSet(t.Context(), fsys, AOFSetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		healed := int64(0)
		for k := range s.Files {
			healed += s.Files[k].Healed
		}
		if s.Blocked != "" || healed < 20 {
			t.Fatalf("rule %d: %d commands healed, %s", i, healed, s.Blocked)
		}
		for name, binary := range servers {
			loadsAsReplayed(t, fmt.Sprintf("rule %d on %s", i, name), binary, written(t, s))
		}
	}
}
