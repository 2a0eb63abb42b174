package oracle

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// LoadOptions says how a server is given a file. The zero value is the strictest server
// that still knows many databases.
type LoadOptions struct {
	// Databases is how many the server has; 0 means 10000. More let more damaged SELECTDB
	// records pass, but Redis 8.6 takes 6 kB and 9 microseconds for each at every start.
	Databases int
	// SkipSanitize leaves out "sanitize-dump-payload yes", the deep check of packed
	// encodings that 6.2 and later can do while loading.
	SkipSanitize bool
	// SkipChecksum has the server ignore the checksum.
	SkipChecksum bool
	// Timeout bounds the loading of one file; 0 means 30 s.
	Timeout time.Duration
	// Args are further configuration; they win over everything else.
	Args []string
}

func (o LoadOptions) timeout() time.Duration {
	if o.Timeout == 0 {
		return startTimeout
	}
	return o.Timeout
}

const dumpName = "dump.rdb"

func (o LoadOptions) args(v Version) []string {
	n := o.Databases
	if n == 0 {
		n = 10000
	}
	args := []string{"--databases", strconv.Itoa(n), "--dbfilename", dumpName, "--rdbchecksum", "yes"}
	if o.SkipChecksum {
		args[len(args)-1] = "no"
	}
	if v.AtLeast(6, 2) && !o.SkipSanitize {
		args = append(args, "--sanitize-dump-payload", "yes")
	}
	return append(args, o.Args...)
}

// Loaded is what a server did with a file.
type Loaded struct {
	OK       bool
	TimedOut bool // it was still loading at the time-out, and was killed
	Crashed  bool // it did not refuse the file but failed an assertion or got a signal
	Log      string
	// Server holds the data when OK; else nil.
	Server *Server
}

// LoadRDB starts a server on a file, as an operator does, and tells whether it came up.
func LoadRDB(t testing.TB, binary string, rdb []byte, opts LoadOptions) Loaded {
	t.Helper()
	dir := t.TempDir()
	writeDump(t, dir, rdb)
	s, err := start(t, binary, dir, opts.timeout(), opts.args(VersionOf(t, binary)))
	if err == nil && !s.Exited() {
		return Loaded{OK: true, Log: s.Log(), Server: s}
	}
	return refused(s.Log(), err != nil)
}

func refused(log string, timedOut bool) Loaded {
	return Loaded{TimedOut: timedOut, Crashed: strings.Contains(log, "BUG REPORT START"), Log: log}
}

func writeDump(t testing.TB, dir string, rdb []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, dumpName), rdb, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Loader loads many files with few processes: one server reads file after file with DEBUG
// RELOAD, and is started anew only when a file ended it, as most damaged ones do. Its
// verdicts are those of LoadRDB. It is not safe for concurrent use.
type Loader struct {
	t      testing.TB
	binary string
	dir    string
	opts   LoadOptions
	server *Server // nil before the first file and after one that ended it
	starts int
}

// NewLoader returns a Loader whose servers end with t. It needs a server from 6.0 on.
func NewLoader(t testing.TB, binary string, opts LoadOptions) *Loader {
	t.Helper()
	return &Loader{t: t, binary: binary, dir: t.TempDir(), opts: opts}
}

// Load gives the server one file. The Server of the result holds that file's data until
// the next Load.
func (l *Loader) Load(rdb []byte) Loaded {
	l.t.Helper()
	if l.server == nil || l.server.Exited() {
		l.restart()
	}
	s := l.server
	logStart := len(s.Log())
	if s.Version.AtLeast(7, 0) {
		// RELOAD empties the databases and keeps the libraries, which then collide.
		if _, err := s.Do("FUNCTION", "FLUSH", "SYNC"); err != nil {
			l.t.Fatal(err)
		}
	}
	writeDump(l.t, l.dir, rdb)
	s.Timeout = l.opts.timeout()
	_, err := s.Do("DEBUG", "RELOAD", "NOSAVE")
	s.Timeout = time.Minute
	if err == nil {
		return Loaded{OK: true, Log: s.Log()[logStart:], Server: s}
	}
	var reply Error
	timedOut := false
	if !errors.As(err, &reply) {
		timedOut = errors.Is(err, os.ErrDeadlineExceeded)
		if !timedOut && !s.WaitExit(l.opts.timeout()) {
			l.t.Fatalf("oracle: the connection broke and the server runs on: %v\n%s", err, s.Log())
		}
	}
	// A server that answered with an error lives, with part of the data: a new one is
	// certain to be empty.
	s.Kill()
	l.server = nil
	return refused(s.Log()[logStart:], timedOut)
}

// Starts returns how many processes the files took so far.
func (l *Loader) Starts() int { return l.starts }

func (l *Loader) restart() {
	l.t.Helper()
	if err := os.Remove(filepath.Join(l.dir, dumpName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	s, err := start(l.t, l.binary, l.dir, startTimeout, l.opts.args(VersionOf(l.t, l.binary)))
	if err != nil || s.Exited() {
		l.t.Fatalf("oracle: a server without a file does not come up: %v\n%s", err, s.Log())
	}
	l.starts++
	l.server = s
}
