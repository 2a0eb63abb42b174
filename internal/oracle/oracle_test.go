package oracle

import (
	"bufio"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

// recorder stands in for the test that asks, to see whether it would be skipped or failed.
type recorder struct {
	testing.TB
	skipped, failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.skipped = true; runtime.Goexit() }
func (r *recorder) Fatalf(string, ...any) { r.failed = true; runtime.Goexit() }

// outcome runs f as a test of its own.
func outcome(t *testing.T, f func(testing.TB)) *recorder {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() { defer close(done); f(r) }()
	<-done
	return r
}

func TestFindWithoutPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(FolderEnv, t.TempDir())
	find := func(t testing.TB) { Find(t, RedisServer) }

	t.Setenv(RequireEnv, "")
	if r := outcome(t, find); !r.skipped || r.failed {
		t.Errorf("Find: skipped %v, failed %v; want a skip", r.skipped, r.failed)
	}
	t.Setenv(RequireEnv, "1")
	if r := outcome(t, find); r.skipped || !r.failed {
		t.Errorf("Find of a required program: skipped %v, failed %v; want a failure", r.skipped, r.failed)
	}
	if r := outcome(t, func(t testing.TB) { FindNewest(t, Redis86, RedisServer) }); !r.skipped || r.failed {
		t.Errorf("FindNewest: skipped %v, failed %v; want a skip", r.skipped, r.failed)
	}
	if Installed(RedisServer) || HasNewest(Redis86, RedisServer) {
		t.Error("found a program in an empty folder")
	}
}

func TestFindNewest(t *testing.T) {
	folder := t.TempDir()
	bin := filepath.Join(folder, Redis86, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	name := RedisServer
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	want := filepath.Join(bin, name)
	if err := os.WriteFile(want, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv(FolderEnv, folder)
	if got := FindNewest(t, Redis86, name); got != want || !HasNewest(Redis86, name) {
		t.Errorf("FindNewest = %s, want %s", got, want)
	}
}

func TestParseVersion(t *testing.T) {
	for _, c := range []struct {
		out      string
		want     Version
		from72   bool
		unparsed bool
	}{
		{out: "Redis server v=7.0.15 sha=00000000:0 malloc=libc", want: Version{Major: 7}},
		{out: "Redis server v=8.6.3 sha=00000000:0 malloc=libc", want: Version{Major: 8, Minor: 6}, from72: true},
		{out: "Valkey server v=9.1.2 sha=00000000:0 malloc=libc", want: Version{Valkey: true, Major: 9, Minor: 1}, from72: true},
		{out: "nonsense", unparsed: true},
		{out: "Redis server v=x.y.z", unparsed: true},
	} {
		got, err := parseVersion(c.out)
		if (err != nil) != c.unparsed || !c.unparsed && (got != c.want || got.AtLeast(7, 2) != c.from72) {
			t.Errorf("%q: %+v, %v", c.out, got, err)
		}
	}
	if v := (Version{Valkey: true, Major: 9}); v.AtLeast(7, 4) {
		t.Error("a Valkey was taken for a Redis 7.4")
	}
}

func TestReadReply(t *testing.T) {
	for _, c := range []struct {
		wire string
		want any
		fail bool
	}{
		{wire: "+OK\r\n", want: "OK"},
		{wire: "-ERR no\r\n", want: Error("ERR no")},
		{wire: ":-12\r\n", want: int64(-12)},
		{wire: "$-1\r\n", want: nil},
		{wire: "*-1\r\n", want: nil},
		{wire: "$0\r\n\r\n", want: ""},
		{wire: "$4\r\na\r\nb\r\n", want: "a\r\nb"},
		{wire: "*0\r\n", want: []any{}},
		{wire: "*3\r\n:1\r\n*1\r\n$1\r\nx\r\n-ERR in\r\n", want: []any{int64(1), []any{"x"}, Error("ERR in")}},
		{wire: "", fail: true},
		{wire: "+OK\n", fail: true},
		{wire: "?1\r\n", fail: true},
		{wire: "$-2\r\n", fail: true},
		{wire: "$x\r\n", fail: true},
		{wire: "$4\r\nab", fail: true},
		{wire: "*2\r\n:1\r\n", fail: true},
		{wire: strings.Repeat("*1\r\n", maxDepth+2) + ":1\r\n", fail: true},
	} {
		got, err := readReply(bufio.NewReader(strings.NewReader(c.wire)), 0)
		if (err != nil) != c.fail || !reflect.DeepEqual(got, c.want) && !c.fail {
			t.Errorf("%.40q: %#v, %v; want %#v", c.wire, got, err, c.want)
		}
	}
}

func TestClient(t *testing.T) {
	s := StartServer(t, Find(t, RedisServer), "")
	if s.Exited() {
		t.Fatalf("the server ended with %d:\n%s", s.ExitCode(), s.Log())
	}
	binary := "\x00\r\n\xff"
	if got, err := Text(s.Do("SET", binary, []byte(binary))); got != "OK" || err != nil {
		t.Errorf("SET: %q, %v", got, err)
	}
	if got, err := Text(s.Do("GET", binary)); got != binary || err != nil {
		t.Errorf("GET: %q, %v", got, err)
	}
	if got, err := s.Do("GET", "absent"); got != nil || err != nil {
		t.Errorf("GET of an absent key: %v, %v", got, err)
	}
	var refusal Error
	if _, err := s.Do("FROB"); !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Error(), "ERR") {
		t.Errorf("an unknown command: %v", err)
	}
	if _, err := s.Do(); err == nil {
		t.Error("a command without a name was sent")
	}

	if n, err := Int(s.Do("RPUSH", "l", 1, uint64(1<<63), -1.5)); n != 3 || err != nil {
		t.Errorf("RPUSH: %d, %v", n, err)
	}
	want := []string{"1", "9223372036854775808", "-1.5"}
	if got, err := Texts(s.Do("LRANGE", "l", 0, -1)); !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("LRANGE: %q, %v", got, err)
	}
	if _, err := Int(s.Do("LRANGE", "l", 0, -1)); err == nil {
		t.Error("a list was taken for a number")
	}
	if _, err := Texts(s.Do("FROB")); !errors.As(err, &refusal) {
		t.Errorf("Texts hides the error of the server: %v", err)
	}

	if _, err := s.Do("XADD", "x", "1-2", "f", "v"); err != nil {
		t.Error(err)
	}
	if got, err := List(s.Do("XRANGE", "x", "-", "+")); err != nil || !reflect.DeepEqual(got, []any{[]any{"1-2", []any{"f", "v"}}}) {
		t.Errorf("XRANGE: %v, %v", got, err)
	}
	if got, err := List(s.Do("XINFO", "STREAM", "x", "FULL")); err != nil || len(got) == 0 {
		t.Errorf("XINFO STREAM FULL: %v, %v", got, err)
	}

	const many = 5000
	cmds := make([][]any, many)
	for i := range cmds {
		cmds[i] = []any{"INCR", "n"}
	}
	cmds[many-1] = []any{"INCR", "l"}
	replies, err := s.Pipeline(cmds)
	if err != nil || len(replies) != many {
		t.Fatalf("pipeline: %d replies, %v", len(replies), err)
	}
	if replies[many-2] != int64(many-1) {
		t.Errorf("pipeline: reply %v", replies[many-2])
	}
	if _, wrong := replies[many-1].(Error); !wrong {
		t.Errorf("pipeline: %v for a command on the wrong type", replies[many-1])
	}
}

func TestServerState(t *testing.T) {
	s := StartServer(t, Find(t, RedisServer), "", "--databases", "3", "--hz", "50")
	if s.Exited() {
		t.Fatal(s.Log())
	}
	if s.ExitCode() != -1 {
		t.Errorf("exit code %d while it runs", s.ExitCode())
	}
	empty := strings.Repeat("0", 40)
	if got, err := s.Digest(); got != empty || err != nil {
		t.Errorf("digest of nothing: %s, %v", got, err)
	}
	for db, key := range []string{"a", "b", "c"} {
		if _, err := s.Pipeline([][]any{{"SELECT", db}, {"SET", key, 1, "EX", 1000 + db}}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.KeyCount(); n != 3 || err != nil {
		t.Errorf("%d keys, %v; want 3", n, err)
	}
	if got, err := s.Digest(); got == empty || err != nil {
		t.Errorf("digest of three keys: %s, %v", got, err)
	}
	if got, err := Texts(s.Do("CONFIG", "GET", "hz")); err != nil || !reflect.DeepEqual(got, []string{"hz", "50"}) {
		t.Errorf("CONFIG GET hz: %v, %v", got, err)
	}
	dump, err := Text(s.Do("DUMP", "c"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Text(s.Do("RESTORE", "copy", 0, dump)); got != "OK" || err != nil {
		t.Errorf("RESTORE: %q, %v", got, err)
	}
	s.Kill()
	if !s.Exited() || !strings.Contains(s.Log(), "Ready to accept connections") {
		t.Errorf("exited %v, log:\n%s", s.Exited(), s.Log())
	}
	if ents, err := os.ReadDir(s.Dir); err != nil || len(ents) != 0 {
		t.Errorf("the server left %v, %v", ents, err)
	}
}

func TestStartServerThatEnds(t *testing.T) {
	s := StartServer(t, Find(t, RedisServer), "", "--no-such-option", "1")
	if !s.Exited() || s.ExitCode() != 1 || !strings.Contains(s.Log(), "no-such-option") {
		t.Errorf("exited %v with %d:\n%s", s.Exited(), s.ExitCode(), s.Log())
	}
}

// oneKey is what Redis 7.0 saves of SET k v, without aux fields and without a checksum.
func oneKey(t *testing.T) []byte {
	rdb, err := hex.DecodeString("524544495330303130" + "fe00" + "fb0100" + "00016b0176" + "ff" + "0000000000000000")
	if err != nil {
		t.Fatal(err)
	}
	return rdb
}

func TestLoadRDB(t *testing.T) {
	binary := Find(t, RedisServer)
	file := oneKey(t)
	got := LoadRDB(t, binary, file, LoadOptions{})
	if !got.OK || got.Server == nil {
		t.Fatalf("refused:\n%s", got.Log)
	}
	if v, err := Text(got.Server.Do("GET", "k")); v != "v" || err != nil {
		t.Errorf("GET: %q, %v", v, err)
	}

	file[len(file)-1] = 1
	if got := LoadRDB(t, binary, file, LoadOptions{}); got.OK || got.TimedOut || got.Crashed || !strings.Contains(got.Log, "checksum") {
		t.Errorf("a wrong checksum: %+v", got)
	}
	if got := LoadRDB(t, binary, file, LoadOptions{SkipChecksum: true}); !got.OK {
		t.Errorf("a wrong checksum that need not be looked at:\n%s", got.Log)
	}
	file[10] = 9 // the database
	if got := LoadRDB(t, binary, file, LoadOptions{SkipChecksum: true, Databases: 9}); got.OK {
		t.Error("database 9 of 9 was loaded")
	}
}

func TestLoader(t *testing.T) {
	l := NewLoader(t, Find(t, RedisServer), LoadOptions{})
	good := oneKey(t)
	cut := good[:len(good)-12]
	badSum := append(append([]byte(nil), good[:len(good)-1]...), 1)

	for i, c := range []struct {
		name   string
		rdb    []byte
		ok     bool
		starts int
	}{
		{"first", good, true, 1},
		{"again", good, true, 1},
		{"cut: the server ends", cut, false, 1},
		{"after an end", good, true, 2},
		{"wrong checksum: the server answers", badSum, false, 2},
		{"after an answer", good, true, 3},
		{"not an RDB file", []byte("nothing"), false, 3},
	} {
		got := l.Load(c.rdb)
		if got.OK != c.ok || got.TimedOut || got.Crashed || (got.Server != nil) != c.ok || l.Starts() != c.starts {
			t.Fatalf("%d %s: %+v after %d starts", i, c.name, got, l.Starts())
		}
		if !c.ok {
			continue
		}
		if n, err := got.Server.KeyCount(); n != 1 || err != nil {
			t.Errorf("%s: %d keys, %v", c.name, n, err)
		}
	}
}

// TestLoaderTimeout stops the server, so that it never answers.
func TestLoaderTimeout(t *testing.T) {
	l := NewLoader(t, Find(t, RedisServer), LoadOptions{Timeout: 200 * time.Millisecond})
	good := oneKey(t)
	if got := l.Load(good); !got.OK {
		t.Fatal(got.Log)
	}
	other, err := NewClient(l.server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go other.Do("DEBUG", "SLEEP", 5)
	time.Sleep(50 * time.Millisecond)
	// FUNCTION FLUSH would be the first to wait.
	l.server.Version = Version{Major: 6, Minor: 2}
	if got := l.Load(good); got.OK || !got.TimedOut {
		t.Errorf("a server that does not answer: %+v", got)
	}
	if got := l.Load(good); !got.OK {
		t.Errorf("after a time-out:\n%s", got.Log)
	}
}

// TestLoaderAgreesWithStart loads mutations of the corpus in both ways.
func TestLoaderAgreesWithStart(t *testing.T) {
	binary := Find(t, RedisServer)
	l := NewLoader(t, binary, LoadOptions{})
	want := 60
	if testing.Short() {
		want = 15
	}
	n, tried := 0, 0
	for r := range corpus.RDBRecipes(t) {
		// Debian's server reads no newer versions, and every tenth is a fair sample.
		if n++; n%10 != 0 || !strings.HasPrefix(r.Base, "rdb/redis-7.0") && !strings.HasPrefix(r.Base, "rdb/redis-6") {
			continue
		}
		if tried == want {
			break
		}
		tried++
		rdb := r.MustApply(t)
		started, batched := LoadRDB(t, binary, rdb, LoadOptions{}), l.Load(rdb)
		if started.OK != batched.OK || started.Crashed != batched.Crashed || started.TimedOut != batched.TimedOut {
			t.Errorf("%s: start: ok %v crash %v, batch: ok %v crash %v\n%s", r.ID,
				started.OK, started.Crashed, batched.OK, batched.Crashed, batched.Log)
			continue
		}
		if !started.OK {
			continue
		}
		a, err1 := started.Server.Digest()
		b, err2 := batched.Server.Digest()
		if a != b || err1 != nil || err2 != nil {
			t.Errorf("%s: digest %s (%v) at the start, %s (%v) in a batch", r.ID, a, err1, b, err2)
		}
		started.Server.Kill()
	}
	t.Logf("%d files with %d processes", tried, l.Starts())
}

// TestNewestVerdicts compares the newest servers with what the corpus recorded of them.
func TestNewestVerdicts(t *testing.T) {
	for _, c := range []struct{ release, prefix string }{{Redis86, "nr"}, {Valkey91, "nv"}} {
		t.Run(c.release, func(t *testing.T) {
			l := NewLoader(t, FindNewest(t, c.release, RedisServer), LoadOptions{})
			verdicts := corpus.RDBVerdicts(t)
			n, tried := 0, 0
			for r := range corpus.RDBRecipes(t) {
				if !strings.HasPrefix(r.ID, c.prefix) {
					continue
				}
				if n++; n%20 != 0 || testing.Short() && n%100 != 0 {
					continue
				}
				tried++
				want := verdicts[r.ID].Servers[c.release]
				got := l.Load(r.MustApply(t))
				if got.OK != want.Loaded {
					t.Errorf("%s: loaded %v, recorded %v (%s)\n%s", r.ID, got.OK, want.Loaded, want.Message, got.Log)
					continue
				}
				if !got.OK {
					continue
				}
				if digest, err := got.Server.Digest(); digest != want.Digest || err != nil {
					t.Errorf("%s: digest %s, %v; recorded %s", r.ID, digest, err, want.Digest)
				}
			}
			t.Logf("%d files with %d processes", tried, l.Starts())
		})
	}
}

func TestCheckRDB(t *testing.T) {
	binary := Find(t, RedisCheckRDB)
	path := filepath.Join(t.TempDir(), "x.rdb")
	file := oneKey(t)
	for _, c := range []struct {
		name string
		rdb  []byte
		exit int
		says string
	}{
		{"good", file, 0, "RDB looks OK"},
		{"cut", file[:len(file)-12], 1, "RDB ERROR DETECTED"},
	} {
		if err := os.WriteFile(path, c.rdb, 0o600); err != nil {
			t.Fatal(err)
		}
		exit, output, timedOut := CheckRDB(binary, path)
		if exit != c.exit || timedOut || !strings.Contains(output, c.says) {
			t.Errorf("%s: exit %d, timed out %v:\n%s", c.name, exit, timedOut, output)
		}
	}
}

func TestCheckAOF(t *testing.T) {
	binary := Find(t, RedisCheckAOF)
	dir := t.TempDir()
	path := filepath.Join(dir, "x.aof")
	whole := "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
	if err := os.WriteFile(path, []byte(whole+"*1\r\n$4\r\nPI"), 0o600); err != nil {
		t.Fatal(err)
	}
	if exit, output, _ := CheckAOF(binary, dir, "", "x.aof"); exit != 1 || !strings.Contains(output, "not valid") {
		t.Errorf("check: exit %d:\n%s", exit, output)
	}
	if exit, output, _ := CheckAOF(binary, dir, "n\n", "--fix", "x.aof"); exit != 1 || !strings.Contains(output, "Aborting") {
		t.Errorf("answer n: exit %d:\n%s", exit, output)
	}
	if exit, output, _ := CheckAOF(binary, dir, "y\n", "--fix", "x.aof"); exit != 0 {
		t.Errorf("answer y: exit %d:\n%s", exit, output)
	}
	if got, err := os.ReadFile(path); string(got) != whole || err != nil {
		t.Errorf("after --fix: %q, %v", got, err)
	}
}

func TestRun(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: needs a POSIX shell")
	}
	for _, c := range []struct {
		name, script string
		want         Result
	}{
		{"both outputs", "echo out; echo err >&2; exit 3", Result{Exit: 3, Stdout: "out\n", Stderr: "err\n", Output: "out\nerr\n"}},
		{"input", "cat", Result{Stdout: "y\n", Output: "y\n"}},
		{"signal", "kill -9 $$", Result{Exit: 137}},
		{"time-out", "exec sleep 20", Result{Exit: -1, TimedOut: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := run(time.Second, "/bin/sh", "", "y\n", []string{"-c", c.script})
			if c.name == "both outputs" {
				got.Output = c.want.Output // two pipes: the order is that of arrival
			}
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	if got := Run(filepath.Join(t.TempDir(), "absent"), "", ""); got.Err == nil || got.Exit != -1 {
		t.Errorf("an absent program: %+v", got)
	}
}

// TestHungCrash: a server that crashed, and hangs while it reports that, has ended; one that merely hangs is slow.
func TestHungCrash(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("skipped: needs a POSIX shell")
	}
	for says, want := range map[string]error{"=== REDIS BUG REPORT START: Cut & paste starting from here ===": nil, "Server initialized": errSlow} {
		path := filepath.Join(t.TempDir(), "server")
		script := "#!/bin/sh\ncase $1 in --version) echo 'Redis server v=7.0.15 sha=0';; *) echo '" + says + "'; exec sleep 20;; esac\n"
		if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		s, err := start(t, path, t.TempDir(), time.Second, nil)
		if !errors.Is(err, want) || !s.Exited() {
			t.Errorf("%s: %v, ended: %v", says, err, s.Exited())
		}
	}
}
