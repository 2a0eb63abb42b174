package oracle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// CheckTimeout is how long a checker may run. redis-check-rdb loops for ever on some files.
const CheckTimeout = 10 * time.Second

// Result is how a program ended and what it printed.
type Result struct {
	// Exit is the exit status, 128 plus the number of the signal that killed it, or -1 when
	// it could not be run or was killed after CheckTimeout.
	Exit     int
	Stdout   string
	Stderr   string
	Output   string // both, in the order of arrival, which for one of them alone is exact
	TimedOut bool
	// Err says why the program could not be run; nil whenever it ran.
	Err error
}

// Run runs a program in dir (the test's own folder when empty) with the given standard
// input, and kills it after CheckTimeout.
func Run(binary, dir, stdin string, args ...string) Result {
	return run(CheckTimeout, binary, dir, stdin, args)
}

func run(timeout time.Duration, binary, dir, stdin string, args []string) Result {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	dieWithParent(cmd)
	var stdout, stderr bytes.Buffer
	var both lockedBuffer
	cmd.Stdout = io.MultiWriter(&stdout, &both)
	cmd.Stderr = io.MultiWriter(&stderr, &both)
	err := cmd.Run()
	r := Result{Exit: -1, Stdout: stdout.String(), Stderr: stderr.String(), Output: both.String()}
	var exited *exec.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		r.TimedOut = true
	case err == nil || errors.As(err, &exited):
		r.Exit = exitCode(cmd.ProcessState)
	default:
		r.Err = err
	}
	return r
}

// CheckRDB runs a redis-check-rdb on a file. exit is as in Result; output is everything
// it printed. A program that cannot be run at all has exit -1 and the reason as output.
func CheckRDB(binary, path string) (exit int, output string, timedOut bool) {
	return Run(binary, "", "", path).brief()
}

// CheckAOF runs a redis-check-aof in dir with the given answers on its standard input;
// args are its options ("--fix") and the file. Results are those of CheckRDB.
func CheckAOF(binary, dir, stdin string, args ...string) (exit int, output string, timedOut bool) {
	return Run(binary, dir, stdin, args...).brief()
}

func (r Result) brief() (int, string, bool) {
	if r.Err != nil {
		return r.Exit, r.Err.Error(), false
	}
	return r.Exit, r.Output, r.TimedOut
}

// exitCode is the exit status as a shell reports it: 128 plus the signal for a killed process.
func exitCode(st *os.ProcessState) int {
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return st.ExitCode()
}
