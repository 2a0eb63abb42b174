package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/oracle"
)

// memFile is a file of a result that is being written.
type memFile struct {
	bytes.Buffer
	done func([]byte)
}

func (f *memFile) Close() error { f.done(f.Bytes()); return nil }

// written writes the set into memory.
func written(t *testing.T, s *SalvagedSet) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := s.Write(func(name string) (io.WriteCloser, error) {
		return &memFile{done: func(b []byte) { out[name] = string(b) }}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	setA = "appendonlydir/appendonly.aof.1.base.aof"
	setB = "appendonlydir/appendonly.aof.1.incr.aof"
	setC = "appendonlydir/appendonly.aof.2.incr.aof"
	setM = "appendonlydir/appendonly.aof.manifest"
)

var setManifest = "file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n"

// dataDir is a file system of files, all of them changed at the time at.
func dataDir(at int64, files ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1]), Mode: 0o644, ModTime: time.Unix(at, 0)}
	}
	return m
}

func stamped(at int64, lines ...string) string {
	return fmt.Sprintf("#TS:%d\r\n", at) + commands(lines...)
}

func TestSalvageSet(t *testing.T) {
	base := stamped(100, "SELECT 0", "SET a 1")
	one := stamped(110, "SELECT 0", "SET b 1") + stamped(120, "SET c 1")
	two := stamped(130, "SELECT 0", "SET d 1")
	for _, c := range []struct {
		name    string
		fs      fstest.MapFS
		opt     AOFSetOptions
		want    map[string]string // by name, without the prefix "appendonly.aof."
		blocked bool
		err     error
	}{
		{name: "a middle file is torn", fs: dataDir(200, setA, base, setB, one+"*3\r\n$3", setC, two, setM, setManifest),
			want: map[string]string{"1.base.aof": base, "1.incr.aof": one, "2.incr.aof": two, "manifest": setManifest}},
		{name: "the manifest is lost", fs: dataDir(200, setA, base, setB, one, setC, two),
			want: map[string]string{"1.base.aof": base, "1.incr.aof": one, "2.incr.aof": two, "manifest": setManifest}},
		{name: "the manifest is bad", fs: dataDir(200, setA, base, setB, one, setC, two, setM, "junk\n"),
			want: map[string]string{"1.base.aof": base, "1.incr.aof": one, "2.incr.aof": two, "manifest": setManifest}},
		{name: "a rewrite had ended", fs: dataDir(200, setA, base, setB, one, setC, two, "appendonlydir/appendonly.aof.2.base.aof", stamped(125, "SELECT 0", "SET all 1")),
			want: map[string]string{"2.base.aof": stamped(125, "SELECT 0", "SET all 1"), "2.incr.aof": two,
				"manifest": "file appendonly.aof.2.base.aof seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n"}},
		{name: "no times tell", fs: dataDir(0, setA, commands("SET a 1"), setB, commands("SET b 1"), "appendonlydir/appendonly.aof.2.base.aof", commands("SET c 1")), blocked: true},
		{name: "the base is lost", fs: dataDir(200, setB, one, setC, two), blocked: true},
		{name: "an incr is missing", fs: dataDir(200, setA, base, setC, two, setM, setManifest), blocked: true},
		{name: "an incr is missing, and may", fs: dataDir(200, setA, base, setC, two, setM, setManifest), opt: AOFSetOptions{SkipMissing: true},
			want: map[string]string{"1.base.aof": base, "2.incr.aof": two, "manifest": strings.Replace(setManifest, "file appendonly.aof.1.incr.aof seq 1 type i\n", "", 1)}},
		{name: "all are missing, and may", fs: dataDir(200, setM, setManifest), opt: AOFSetOptions{SkipMissing: true}, blocked: true},
		{name: "until", fs: dataDir(200, setA, base, setB, one, setC, two, setM, setManifest), opt: AOFSetOptions{AOFOptions: AOFOptions{Until: 115}},
			want: map[string]string{"1.base.aof": base, "1.incr.aof": stamped(110, "SELECT 0", "SET b 1"),
				"manifest": strings.Replace(setManifest, "file appendonly.aof.2.incr.aof seq 2 type i\n", "", 1)}},
		{name: "until before all", fs: dataDir(200, setA, base, setB, one, setC, two, setM, setManifest), opt: AOFSetOptions{AOFOptions: AOFOptions{Until: 5}}, err: ErrNothingBefore},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := SalvageSet(context.Background(), c.fs, c.opt)
			if !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if (s.Blocked != "") != c.blocked {
				t.Fatalf("blocked: %q, choices %+v", s.Blocked, s.Choices)
			}
			if c.blocked {
				return
			}
			got := written(t, s)
			for name, text := range c.want {
				if got["appendonly.aof."+name] != text {
					t.Errorf("%s: %q, want %q", name, got["appendonly.aof."+name], text)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("%d files, want %d", len(got), len(c.want))
			}
		})
	}
}

// failing is a file that cannot be written, or not be closed.
type failing struct{ write, close error }

func (f failing) Write(p []byte) (int, error) { return len(p), f.write }
func (f failing) Close() error                { return f.close }

// TestSetDecisions asks for decisions, makes them, and fails to write.
func TestSetDecisions(t *testing.T) {
	fsys := dataDir(0, setA, commands("SET a 1"), setB, commands("SET b 1"), "appendonlydir/appendonly.aof.2.base.aof", commands("SET c 1"))
	s, err := SalvageSet(t.Context(), fsys, AOFSetOptions{})
	if err != nil || s.Blocked == "" || len(s.Choices) < 2 {
		t.Fatalf("blocked %q, choices %+v, %v", s.Blocked, s.Choices, err)
	}
	if err := s.Write(nil); !errors.Is(err, ErrBlocked) {
		t.Errorf("a blocked set was written: %v", err)
	}
	for i, c := range s.Choices {
		chosen, err := SalvageSet(t.Context(), fsys, AOFSetOptions{Choice: i + 1})
		if err != nil || chosen.Blocked != "" {
			t.Fatal(err, chosen.Blocked)
		}
		got := written(t, chosen)
		if _, ok := got[c.Base]; !ok || len(got) != 2+len(c.Incrs) || len(chosen.Aside)+len(got) != 4 {
			t.Errorf("choice %d: %v, aside %v", i+1, got, chosen.Aside)
		}
		again, err := SalvageSet(t.Context(), memFS(got), AOFSetOptions{})
		if err != nil || again.Blocked != "" || again.Rebuilt {
			t.Errorf("choice %d is no set: %v, %q", i+1, err, again.Blocked)
		}
		for _, f := range []failing{{write: io.ErrShortWrite}, {close: io.ErrShortWrite}} {
			if err := chosen.Write(func(string) (io.WriteCloser, error) { return f, nil }); !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("%+v: %v", f, err)
			}
		}
		if err := chosen.Write(func(string) (io.WriteCloser, error) { return nil, io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	}
}

// TestSetOfOneFile salvages an old-style file, and finds an orphan beside a sound set.
func TestSetOfOneFile(t *testing.T) {
	s, err := SalvageSet(t.Context(), dataDir(0, "appendonly.aof", commands("SET a 1")+"junk"), AOFSetOptions{})
	if err != nil || s.Blocked != "" {
		t.Fatal(err, s.Blocked)
	}
	if got := written(t, s); len(got) != 1 || got["appendonly.aof"] != commands("SET a 1") {
		t.Errorf("%q", got)
	}
	orphan := "appendonlydir/appendonly.aof.9.incr.aof"
	s, err = SalvageSet(t.Context(), dataDir(0, setA, "", setB, "", setC, "", orphan, commands("SET no 1"), setM, setManifest), AOFSetOptions{})
	if err != nil || len(s.Aside) != 1 || len(written(t, s)) != 4 {
		t.Errorf("aside %v, %v", s.Aside, err)
	}
	if _, err := SalvageSet(t.Context(), dataDir(0, "dump.rdb", "REDIS0009"), AOFSetOptions{}); err != nil {
		t.Error(err)
	}
	two := dataDir(0, setA, "", "appendonlydir/other.aof.1.base.aof", "")
	if s, err = SalvageSet(t.Context(), two, AOFSetOptions{}); err != nil || s.Blocked == "" {
		t.Errorf("two sets: %v", err)
	}
	if s, err = SalvageSet(t.Context(), two, AOFSetOptions{Discover: aof.DiscoverOptions{DirName: "appendonlydir", FileName: "appendonly.aof"}}); err != nil || s.Blocked != "" {
		t.Errorf("one of two sets: %v, %q", err, s.Blocked)
	}
	base := "REDIS0009\xfa\x05ctime\xc2\x00\x00\x00\x70\xff\x00\x00\x00\x00\x00\x00\x00\x00"
	late := dataDir(0, "appendonlydir/appendonly.aof.1.base.rdb", base, setM, "file appendonly.aof.1.base.rdb seq 1 type b\n")
	if _, err = SalvageSet(t.Context(), late, AOFSetOptions{AOFOptions: AOFOptions{Until: 1000}}); !errors.Is(err, ErrNothingBefore) {
		t.Errorf("a snapshot of a later time: %v", err)
	}
}

// TestServerLosses are the two recoveries in which servers lose data that is there.
func TestServerLosses(t *testing.T) {
	rdb := "REDIS0009\xff\x00\x00\x00\x00\x00\x00\x00\x00"
	s, out := salvageBytes(t, []byte(rdb+"*3\r\n$3\r\nSET\r\n$1"), AOFOptions{})
	if string(out) != rdb || s.Preamble != int64(len(rdb)) {
		t.Errorf("short first command behind an RDB: %q", out)
	}
	s, out = salvageBytes(t, []byte(commands("SELECT 0", "SET a 1", "MULTI", "SET b 1")+"*3\r\n$3\r\nSE"), AOFOptions{})
	if string(out) != commands("SELECT 0", "SET a 1") || s.Transactions != 1 {
		t.Errorf("short command in a transaction: %q", out)
	}
}

func TestTruncateAOF(t *testing.T) {
	good := commands("SELECT 0", "SET a 1")
	for in, want := range map[string]string{
		good: good, good + "*3\r\n$3": good, good + "junk" + good: good, good + commands("MULTI", "SET b 1"): good,
	} {
		c, err := TruncateAOF(context.Background(), strings.NewReader(in), int64(len(in)), AOFOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := c.WriteTo(&out, strings.NewReader(in)); err != nil || out.String() != want {
			t.Errorf("%q: %q, %v", in, out.String(), err)
		}
	}
}

// TestSalvagedAOFLoads has real servers load what is left of damaged logs.
func TestSalvagedAOFLoads(t *testing.T) {
	servers := map[string]string{"debian": oracle.Find(t, oracle.RedisServer)}
	if oracle.HasNewest(oracle.Redis86, oracle.RedisServer) {
		servers[oracle.Redis86] = oracle.FindNewest(t, oracle.Redis86, oracle.RedisServer)
	}
	good := commands("SELECT 0", "SET a 1", "MULTI", "SET b 1", "EXEC")
	for name, in := range map[string]string{
		"header":      good + "?3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n1\r\n" + commands("SET d 1"),
		"zeros":       good + strings.Repeat("\x00", 512) + commands("SET c 1", "SET d 1"),
		"transaction": good + commands("MULTI", "SET no 1") + "junk" + commands("SET no 2", "EXEC", "SET c 1", "SET d 1"),
		"name":        good + commands("SXT no 1", "SET c 1", "SET d 1"),
	} {
		_, out := salvageBytes(t, []byte(in), AOFOptions{})
		for server, binary := range servers {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "appendonly.aof"), out, 0o600); err != nil {
				t.Fatal(err)
			}
			s := oracle.StartServer(t, binary, dir, "--appendonly", "yes", "--aof-load-truncated", "no")
			if s.Exited() {
				t.Errorf("%s on %s: %s", name, server, s.Log())
				continue
			}
			if n, err := s.KeyCount(); n != 4 || err != nil {
				t.Errorf("%s on %s: %d keys, %v", name, server, n, err)
			}
			s.Kill()
		}
	}
}

// FuzzSalvageAOF salvages anything: the result is accepted, and a file that is sound comes out as it went in.
func FuzzSalvageAOF(f *testing.F) {
	good := commands("SELECT 0", "SET a 1", "MULTI", "SET b 1", "EXEC") + "#TS:100\r\n"
	for _, seed := range []string{
		"", good, good + good[10:], "*1\r\n$4\r\nEXEC\r\n", strings.ReplaceAll(good, "$1", "$2"), toLF(good),
		toCRLF(good), loneToCR(good + strings.Repeat(resp("SET", "k", "a\nb\n"), 4)), toLF(good + resp("SET", "k", "a\nb\r\nc") + good), toLF("REDIS0009\xff\x00\x00\x00\x00\x00\x00\x00\x00" + good),
		"REDIS0009\xff\x00\x00\x00\x00\x00\x00\x00\x00" + good, "REDIS0009\xfe" + good, good + strings.Repeat("\x00", 64) + good,
		resp("SET", "k", good) + "*" + good, "\x00" + resp("SET", "k", good)[1:] + good, resp("SET", "k", good)[:30] + "?" + good + "\r\n" + good,
		strings.Replace(good, "SET", "S\r\nET", 1) + good, resp("SET", "k", "a log:\r\n"+good) + "\r\n$3\r\nabc\r\n" + good, "\x00REDIS" + good,
		"*2\r\n$5\r\nMULTI\x00\r\n$1\r\nx\r\n", good + resp("XGR\x0fUP", "CREATE", "k", "g", "$") + resp("FUNCTION", "LOAD", "code") + resp("XGROUP") + good,
	} {
		f.Add([]byte(seed), false, uint16(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, doubtful bool, until uint16) {
		opt := AOFOptions{Doubtful: doubtful, KeepUnknown: doubtful, Until: int64(until)}
		s, out := salvageBytes(t, b, opt)
		acceptAOF(t, s, out)
		opt.Until = 0
		if again, _ := salvageBytes(t, out, opt); !again.Sound {
			t.Errorf("%q is left, in which there is damage: %v", out, again.Regions)
		}
		for _, x := range []aof.Strictness{aof.AsServer, aof.AsChecker} {
			r := aof.NewReaderOptions(bytes.NewReader(b), aof.ReaderOptions{Strictness: x})
			for r.Next() {
				if c, ok := r.Record().(*aof.Command); ok && opt.insane(c) != "" {
					return
				}
			}
			if r.Err() != nil {
				return
			}
		}
		if opt.KeepUnknown && until == 0 && !bytes.Equal(out, b) {
			t.Errorf("sound, and changed: %q to %q", b, out)
		}
	})
}

// TestHopelessBase: a base of which nothing is left is as good as gone, and whether to go on without it is nobody's decision but the user's.
func TestHopelessBase(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"appendonly.aof.manifest":   "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
		"appendonly.aof.1.base.rdb": strings.Repeat("\x00", 400), "appendonly.aof.1.incr.aof": commands("SET a 1"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, skip := range []bool{false, true} {
		p, err := NewLogPlan(context.Background(), os.DirFS(dir), "", LogPlanOptions{AOFSetOptions: AOFSetOptions{SkipMissing: skip}})
		if err != nil {
			t.Fatal(err)
		}
		if s := p.Salvaged; (s.Blocked == "") != skip || s.Skippable == skip || (p.Chosen != nil) != skip {
			t.Errorf("skip %v: blocked %q, skippable %v, chosen %v", skip, s.Blocked, s.Skippable, p.Chosen)
		}
	}
}
