package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// Values of -real.
const (
	realCheckRDB = "check-rdb"
	realServer   = "server"
	realCheckAOF = "check-aof"
)

var realPrograms = map[string]string{realCheckRDB: oracle.RedisCheckRDB, realServer: oracle.RedisServer, realCheckAOF: oracle.RedisCheckAOF}

// find sets the path of the real program.
func (o *options) find() (err error) {
	name, ok := realPrograms[o.real]
	switch {
	case !ok:
		return fmt.Errorf("-real %s: there is check-rdb, server and check-aof", o.real)
	case o.path != "":
		return nil
	case o.newest && !oracle.HasNewest(oracle.Redis86, name):
		return fmt.Errorf("no %s of %s; %s names the folder of the releases", name, oracle.Redis86, oracle.FolderEnv)
	case o.newest:
		o.path = oracle.FindNewest(asTest{}, oracle.Redis86, name)
		return nil
	}
	if o.path, err = exec.LookPath(name); err == nil {
		o.path, err = filepath.Abs(o.path)
	}
	return err
}

func (o *options) contest() (contest, error) {
	release, err := releaseOf(o.path)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "kvfsck-diff-")
	if err != nil {
		return nil, err
	}
	switch o.real {
	case realServer:
		return &serverContest{rdbFiles: rdbFiles{release: release, dir: dir}, path: o.path}, nil
	case realCheckAOF:
		return newAOFContest(o, release, dir)
	}
	return &checkerContest{rdbFiles: rdbFiles{release: release, dir: dir}, path: o.path, text: o.text}, nil
}

// release is what is asked about a real program.
type release struct {
	major, minor int
	valkey       bool
}

var versionPattern = regexp.MustCompile(`(?:v=| )([0-9]+)\.([0-9]+)\.[0-9]+`)

// releaseOf asks a program for its version. 7.9 is 8.0 before it was released.
func releaseOf(path string) (r release, err error) {
	server := filepath.Join(filepath.Dir(path), oracle.RedisServer)
	if _, err := os.Stat(server); err != nil {
		server = path
	}
	out, err := exec.Command(server, "--version").CombinedOutput()
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return r, fmt.Errorf("%s --version: %w: %q", server, errors.Join(err, errors.New("no version")), out)
	}
	_, err = fmt.Sscan(string(m[1])+" "+string(m[2]), &r.major, &r.minor)
	r.valkey = bytes.Contains(bytes.ToLower(out), []byte("valkey"))
	return r, err
}

// newest says whether its rules are those that this module foretells.
func (r release) newest() bool { return r.valkey && r.major >= 9 || r.major >= 8 && r.minor >= 6 }

// targets are the versions of the format that the release reads.
func (r release) targets() []rdb.Target {
	switch {
	case r.valkey: // this module judges a file of Redis as Redis does
		return []rdb.Target{80}
	case r.newest():
		return []rdb.Target{6, 7, 8, 9, 10, 11, 12, 13}
	case r.major >= 8 || r.minor >= 4:
		return []rdb.Target{6, 7, 8, 9, 10, 11, 12}
	case r.minor >= 2:
		return []rdb.Target{6, 7, 8, 9, 10, 11}
	}
	return []rdb.Target{6, 7, 8, 9, 10}
}

// patience is how long a checker may take for one file. It needs milliseconds.
const patience = 4 * time.Second

// runReal runs a checker. One that took its time without using it was kept waiting by a busy machine, and gets more.
func runReal(dir string, patience time.Duration, path string, args ...string) (v verdict, err error) {
	v, used, err := runOnce(dir, patience, path, args)
	if v.hung && used < patience/2 {
		v, _, err = runOnce(dir, 5*patience, path, args)
	}
	return v, err
}

// runOnce runs it and tells how much of the processor it used.
func runOnce(dir string, patience time.Duration, path string, args []string) (v verdict, used time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	out, err := cmd.CombinedOutput()
	v.text = string(out)
	if st := cmd.ProcessState; st != nil {
		used = st.UserTime() + st.SystemTime()
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		v.hung = true
	case errors.As(err, &exit):
		ws, ok := exit.Sys().(syscall.WaitStatus)
		v.crashed = ok && ws.Signaled() || strings.Contains(v.text, "BUG REPORT START")
	case err != nil:
		return v, used, err
	default:
		v.accepts = true
	}
	v.plain = plain(v.text)
	return v, used, nil
}

var (
	logLine    = regexp.MustCompile(`(?m)^[0-9]+:[A-Z] [0-9]{2} .*\n`)
	sourceLine = regexp.MustCompile(`rdb\.c:[0-9]+`)
)

// plain takes out what differs from run to run: lines of a log, and numbers of lines of C.
func plain(text string) string {
	return sourceLine.ReplaceAllString(logLine.ReplaceAllString(text, ""), "rdb.c:0")
}

// asTest stands in for a test: package oracle is made for tests.
type asTest struct {
	testing.TB
	dir     string
	cleanup *[]func()
}

func (asTest) Helper() {}

func (a asTest) TempDir() string {
	dir, err := os.MkdirTemp(a.dir, "")
	if err != nil {
		panic(err)
	}
	return dir
}

func (a asTest) Cleanup(f func())           { *a.cleanup = append(*a.cleanup, f) }
func (asTest) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (asTest) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
