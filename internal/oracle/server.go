package oracle

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startTimeout is how long a server may take until it answers or ends, unless its caller
// says otherwise.
const startTimeout = 30 * time.Second

// Server is a running, or ended, server process.
type Server struct {
	// Client is a connection made at the start; nil when the server did not come up.
	*Client
	// Addr is "127.0.0.1:port".
	Addr string
	// Dir is its working folder.
	Dir string
	// Version is its release.
	Version Version

	cmd     *exec.Cmd
	logPath string
	done    chan struct{} // closed when the process has ended
}

// StartServer runs a server in dir (a fresh folder when empty) on a free port of
// 127.0.0.1, and returns when it answers PING or has ended, which Exited tells. A server
// that does neither in time fails t. The process is killed when t ends.
//
// It saves nothing by itself and allows DEBUG; args are further configuration
// ("--appendonly", "yes"), and win over what StartServer sets.
func StartServer(t testing.TB, binary, dir string, args ...string) *Server {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	s, err := start(t, binary, dir, startTimeout, args)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log())
	}
	return s
}

// errSlow says that a server neither answered nor ended in time. It is killed then.
var errSlow = errors.New("oracle: the server neither answered nor ended in time")

// start runs a server until it answers or ends; errSlow is its only error, everything
// else fails t. Another process can take the port that was free a moment ago, so a
// server that could not bind is started again on another one.
func start(t testing.TB, binary, dir string, timeout time.Duration, args []string) (*Server, error) {
	t.Helper()
	logPath := filepath.Join(t.TempDir(), "log")
	for range 8 {
		s := launch(t, binary, dir, logPath, args)
		err := s.await(timeout)
		if s.Exited() && strings.Contains(s.Log(), "Address already in use") {
			continue
		}
		return s, err
	}
	t.Fatal("oracle: no free port in 8 attempts")
	return nil, nil
}

// launch starts the process and sees to its end.
func launch(t testing.TB, binary, dir, logPath string, args []string) *Server {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		Addr: net.JoinHostPort("127.0.0.1", port), Dir: dir, Version: VersionOf(t, binary),
		logPath: logPath, done: make(chan struct{}),
	}
	all := []string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", "",
	}
	if s.Version.AtLeast(6, 2) {
		// Testing memory after a crash takes long and tells nothing about the file.
		all = append(all, "--crash-memcheck-enabled", "no")
	}
	if s.Version.AtLeast(7, 0) {
		all = append(all, "--enable-debug-command", "yes")
	}
	s.cmd = exec.Command(binary, append(all, args...)...)
	s.cmd.Dir = dir
	dieWithParent(s.cmd)
	// A file, not a pipe: it cannot fill up, and a child of the server that outlives it
	// cannot keep Wait from returning.
	log, err := os.Create(logPath)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // ExitCode tells how it ended
		close(s.done)
	}()
	t.Cleanup(s.Kill)
	return s
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// await returns nil when the server answers or has ended, and errSlow, having killed it,
// when neither happens in time. One that hangs in the report of its own crash has ended.
func (s *Server) await(timeout time.Duration) error {
	end := time.After(timeout)
	for {
		select {
		case <-s.done:
			return nil
		case <-end:
			s.Kill()
			if strings.Contains(s.Log(), "BUG REPORT START") {
				return nil
			}
			return errSlow
		case <-time.After(5 * time.Millisecond):
			if s.connect() {
				return nil
			}
		}
	}
}

// connect says whether the server is up, and if so sets Client. A server that is still
// loading answers PING with an error.
func (s *Server) connect() bool {
	c, err := NewClient(s.Addr)
	if err != nil {
		return false
	}
	pong, err := Text(c.Do("PING"))
	if err == nil && pong == "PONG" {
		// Another process may have got the port first: this must be the one started here.
		info, err := Text(c.Do("INFO", "server"))
		if err == nil && strings.Contains(info, fmt.Sprintf("\nprocess_id:%d\r", s.cmd.Process.Pid)) {
			s.Client = c
			return true
		}
	}
	c.Close()
	return false
}

// Exited says whether the process has ended.
func (s *Server) Exited() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// WaitExit waits until the process has ended, and says whether it did within timeout.
func (s *Server) WaitExit(timeout time.Duration) bool {
	select {
	case <-s.done:
		return true
	case <-time.After(timeout):
		return false
	}
}

// ExitCode returns the exit status of an ended process, 128 plus the number of the
// signal that killed it, or -1 while it runs.
func (s *Server) ExitCode() int {
	if !s.Exited() {
		return -1
	}
	return exitCode(s.cmd.ProcessState)
}

// Log returns what the server has printed so far.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.logPath)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return string(b)
}

// Kill ends the process at once, with no chance to save, and waits for it.
func (s *Server) Kill() {
	if !s.Exited() {
		_ = s.cmd.Process.Kill() // it may end by itself just now
		<-s.done
	}
	if s.Client != nil {
		s.Close()
	}
}

// Digest returns the DEBUG DIGEST of the whole data set: 40 hexadecimal digits, all zero
// for an empty one. Some servers cannot digest some module types and crash.
func (s *Server) Digest() (string, error) { return Text(s.Do("DEBUG", "DIGEST")) }

// KeyCount returns the number of keys in all databases.
func (s *Server) KeyCount() (int64, error) {
	info, err := Text(s.Do("INFO", "keyspace"))
	if err != nil {
		return 0, err
	}
	var sum int64
	for line := range strings.SplitSeq(info, "\r\n") {
		_, fields, ok := strings.Cut(line, ":keys=")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(fields, ",")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("oracle: INFO keyspace: %q", line)
		}
		sum += n
	}
	return sum, nil
}
