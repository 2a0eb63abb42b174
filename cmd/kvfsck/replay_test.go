package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/jsonl/truthtest"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// replayer feeds exports to servers, one process for each release.
type replayer struct {
	servers map[string]*oracle.Server
}

// server returns the server that what was written by another is fed to: the newest of the family, Debian's for what is as old as it.
// Servers since 7.0 store the score -0 of a small sorted set as 0, older ones do not: for the latter's files sorted sets are never
// small.
func (r *replayer) server(t *testing.T, writer string) *oracle.Server {
	t.Helper()
	release, debian := oracle.Redis86, false
	var args []string
	switch {
	case strings.HasPrefix(writer, "valkey"):
		release = oracle.Valkey91
	case writer < "redis-7.0":
		release, debian, args = "old", true, []string{"--zset-max-listpack-entries", "0"}
	case writer == "redis-7.0":
		release, debian = "debian", true
	}
	if s := r.servers[release]; s != nil {
		return s
	}
	binary := ""
	switch {
	case debian:
		binary = oracle.Find(t, oracle.RedisServer)
	case oracle.HasNewest(release, oracle.RedisServer):
		binary = oracle.FindNewest(t, release, oracle.RedisServer)
	default:
		return nil
	}
	s := oracle.StartServer(t, binary, "", args...)
	r.servers[release] = s
	return s
}

// export runs the program and returns its output.
func exportRESP(t *testing.T, path string) []byte {
	t.Helper()
	var out, stderr bytes.Buffer
	code := run(context.Background(), []string{"export", path, "--format", "resp"}, &env{stdin: strings.NewReader(""), stdout: &out, stderr: &stderr})
	require.Equal(t, exitClean, code, "%s: %s", path, stderr.String())
	return out.Bytes()
}

// feed empties a server, has it execute a stream of commands, and returns the errors it answered.
func feed(t *testing.T, s *oracle.Server, stream []byte) (errs []string) {
	t.Helper()
	_, err := s.Do("FLUSHALL")
	require.NoError(t, err)
	_, err = s.Do("FUNCTION", "FLUSH")
	require.NoError(t, err)
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	const mark = "end of the stream"
	go func() {
		conn.Write(stream) // what fails here fails the reading too
		fmt.Fprintf(conn, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len(mark), mark)
	}()
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		switch text := strings.TrimSpace(line); {
		case text == "$"+strconv.Itoa(len(mark)):
			body, err := in.ReadString('\n')
			require.NoError(t, err)
			if strings.TrimSpace(body) == mark {
				return errs
			}
		case line[0] == '$':
			n, err := strconv.Atoi(text[1:])
			require.NoError(t, err)
			if n >= 0 {
				_, err = io.CopyN(io.Discard, in, int64(n)+2)
				require.NoError(t, err)
			}
		case line[0] == '-':
			errs = append(errs, text)
		}
	}
}

// saved returns what a server writes to its snapshot.
func saved(t *testing.T, s *oracle.Server) []byte {
	t.Helper()
	_, err := s.Do("SAVE")
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(s.Dir, "dump.rdb"))
	require.NoError(t, err)
	return b
}

// digestAs computes the digest that a server of that release has of a snapshot.
func digestAs(t *testing.T, file []byte, server string) string {
	t.Helper()
	dialect := rdb.DigestRedis
	switch {
	case strings.HasPrefix(server, "redis") && server < "redis-7.2":
		dialect = rdb.DigestOld
	case server == oracle.Valkey91:
		dialect = rdb.DigestValkey
	}
	d := rdb.Digest{Dialect: dialect}
	for rec, err := range rdb.NewReader(bytes.NewReader(file)).Records() {
		require.NoError(t, err)
		if e, ok := rec.(*rdb.Entry); ok {
			require.NoError(t, d.Add(e))
		}
	}
	return d.String()
}

// compare returns in what a server differs from what another held.
func compare(t *testing.T, s *oracle.Server, server, truth, digest string, libraries []corpus.Library) []string {
	t.Helper()
	file := saved(t, s)
	keys, err := truthtest.Read(file)
	require.NoError(t, err)
	diffs := (&truthtest.Comparison{Replayed: true}).Differences(t, keys, truth)
	if got := digestAs(t, file, server); digest != "" && got != digest && server >= "redis-3.2" {
		diffs = append(diffs, fmt.Sprintf("digest %s, want %s", got, digest))
	}
	var codes [][]byte
	for rec, err := range rdb.NewReader(bytes.NewReader(file)).Records() {
		require.NoError(t, err)
		if f, ok := rec.(*rdb.Function); ok {
			codes = append(codes, bytes.Clone(f.Code))
		}
	}
	if len(codes) != len(libraries) {
		diffs = append(diffs, fmt.Sprintf("%d function libraries, want %d", len(codes), len(libraries)))
	}
	for _, l := range libraries {
		found := false
		for _, c := range codes {
			found = found || bytes.Equal(c, l.Code)
		}
		if !found {
			diffs = append(diffs, "function library "+l.Name+" is missing or another")
		}
	}
	return diffs
}

// TestReplayOfLogs feeds every set of the corpus to a server and compares what it holds then with what the server that wrote the set
// held after loading it.
func TestReplayOfLogs(t *testing.T) {
	r := replayer{map[string]*oracle.Server{}}
	sets, keys, differences, without := 0, 0, 0, 0
	for i, set := range corpus.AOFSets(t) {
		if testing.Short() && i%8 != 0 {
			continue
		}
		s := r.server(t, set.Server)
		if s == nil {
			without++
			continue
		}
		path := set.EntryPath()
		if i%2 == 0 {
			path = set.Path // the directory is as good
		}
		errs := feed(t, s, exportRESP(t, path))
		diffs := compare(t, s, set.Server, set.TruthPath, set.Digest, set.Functions)
		sets, keys, differences = sets+1, keys+set.Keys, differences+len(diffs)
		if len(errs) > set.LoadErrors {
			t.Errorf("%s: %d errors, at loading %d: %.3q", set.ID, len(errs), set.LoadErrors, errs)
		}
		for _, d := range diffs[:min(len(diffs), 5)] {
			t.Errorf("%s: %s", set.ID, d)
		}
	}
	t.Logf("%d sets, %d keys, %d differences; %d sets without a server", sets, keys, differences, without)
}

// notReplayed are snapshots that need modules which the servers do not have.
var notReplayed = map[string]string{"modules": "values of test modules"}

// TestReplayOfSnapshots does so with snapshots: all of them where KVFSCK_LONG_TESTS is 1, and some otherwise.
func TestReplayOfSnapshots(t *testing.T) {
	r := replayer{map[string]*oracle.Server{}}
	step := 4
	if os.Getenv("KVFSCK_LONG_TESTS") == "1" {
		step = 1
	}
	files, keys, differences := 0, 0, 0
	for i, f := range corpus.RDBs(t) {
		if i%step != 0 || notReplayed[strings.TrimSuffix(f.File, ".rdb")] != "" {
			continue
		}
		s := r.server(t, f.Server)
		if s == nil {
			continue
		}
		errs := feed(t, s, exportRESP(t, f.Path))
		diffs := compare(t, s, f.Server, f.TruthPath, f.Digest, f.Functions)
		files, keys, differences = files+1, keys+f.Keys, differences+len(diffs)
		if len(errs) > 0 {
			t.Errorf("%s: %d errors: %.3q", f.ID, len(errs), errs)
		}
		for _, d := range diffs[:min(len(diffs), 5)] {
			t.Errorf("%s: %s", f.ID, d)
		}
	}
	t.Logf("%d files, %d keys, %d differences", files, keys, differences)
}

// TestOlderServer exports snapshots of the newest servers for an older one, which has nothing against any command. What it could not
// hold is left out.
func TestOlderServer(t *testing.T) {
	s := oracle.StartServer(t, oracle.Find(t, oracle.RedisServer), "")
	files, kept, all := 0, int64(0), 0
	for i, f := range corpus.RDBs(t) {
		if f.RDBVersion < 12 || testing.Short() && i%4 != 0 {
			continue
		}
		var out, stderr bytes.Buffer
		code := run(t.Context(), []string{"export", f.Path, "--format", "resp", "--server", "7.0"}, &env{stdout: &out, stderr: &stderr})
		require.Contains(t, []int{exitClean, exitDamaged}, code, "%s", stderr.String())
		require.Equal(t, code == exitDamaged, strings.Contains(stderr.String(), "Redis 7.0 has no command for"), "%s: %s", f.ID, stderr.String())
		require.NotContains(t, stderr.String(), "the file is damaged")
		if f.File != "modules.rdb" { // the test server has no modules
			require.Empty(t, feed(t, s, out.Bytes()), "%s", f.ID)
			n, err := s.KeyCount()
			require.NoError(t, err)
			files, kept, all = files+1, kept+n, all+f.Keys
		}
	}
	t.Logf("%d files, %d of %d keys", files, kept, all)
}

// TestPipe has redis-cli --pipe take a set.
func TestPipe(t *testing.T) {
	cli := oracle.Find(t, oracle.RedisCLI)
	s := oracle.StartServer(t, oracle.Find(t, oracle.RedisServer), "")
	for _, set := range corpus.AOFSets(t) {
		if set.Server != "redis-7.0" || set.LoadErrors > 0 {
			continue
		}
		_, err := s.Do("FLUSHALL")
		require.NoError(t, err)
		_, err = s.Do("FUNCTION", "FLUSH")
		require.NoError(t, err)
		_, port, err := net.SplitHostPort(s.Addr)
		require.NoError(t, err)
		cmd := exec.Command(cli, "-p", port, "--pipe")
		cmd.Stdin = bytes.NewReader(exportRESP(t, set.Path))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "errors: 0,", "%s", set.ID)
		n, err := s.KeyCount()
		require.NoError(t, err)
		require.EqualValues(t, set.Keys, n, "%s", set.ID)
	}
}
