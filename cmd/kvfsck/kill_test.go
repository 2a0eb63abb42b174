package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/atomicfile"
)

// killEnv makes the test binary the program itself, which dies before its step of that number on the disk.
const killEnv = "KVFSCK_TEST_KILL_AT"

// exitSurvived says that the program came to its end before that step.
const exitSurvived = 77

func TestMain(m *testing.M) {
	at, err := strconv.Atoi(os.Getenv(killEnv))
	if err != nil {
		os.Exit(m.Run())
	}
	step := 0
	atomicfile.Hook = func(string) error {
		if step == at {
			die()
		}
		step++
		return nil
	}
	if code := run(context.Background(), os.Args[1:], &env{stdin: os.Stdin, stdout: io.Discard, stderr: os.Stderr}); code == exitRepaired {
		os.Exit(exitSurvived)
	}
	os.Exit(1)
}

// die ends the process at once, as a kill -9 does.
func die() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// filesIn reads all files of a folder, by their names in it.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(rel)] = string(b)
		return err
	}))
	return all
}

// TestKilledRepair kills the program at each of its steps on the disk. A snapshot or a set in place is then the damaged one, whole, or
// the repaired one, with the damaged one whole beside it; another output is whole, or not there.
func TestKilledRepair(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each step")
	}
	damaged, err := os.ReadFile(filepath.Join("..", "..", "testdata", "damaged.rdb"))
	require.NoError(t, err)
	torn, _ := resp([]byte("SELECT 0\nSET a 1\n!*3\\r\\n$3\\r\\nSE\n"))
	sound, _ := resp([]byte("SELECT 0\nSET b 2\n"))
	set := map[string][]byte{
		"appendonly.aof.1.base.aof": sound, "appendonly.aof.1.incr.aof": torn, "appendonly.aof.2.incr.aof": sound,
		"appendonly.aof.manifest": []byte("file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n"),
	}
	for _, c := range []struct {
		name  string
		files map[string][]byte
		args  []string
		kept  func(name string) string // of what is damaged, where a copy is
	}{
		{"snapshot in place", map[string][]byte{"dump.rdb": damaged}, []string{"dump.rdb", "--in-place"},
			func(string) string { return "dump.rdb.damaged-" }},
		{"snapshot", map[string][]byte{"dump.rdb": damaged}, []string{"dump.rdb", "--out", "new"}, nil},
		{"set in place", set, []string{".", "--in-place"},
			func(name string) string { return name }},
		{"set", set, []string{"set", "--out", "new"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for at := 0; ; at++ {
				dir := filepath.Join(t.TempDir(), "data")
				in := dir
				if c.args[0] == "set" {
					in = filepath.Join(dir, "set")
				}
				require.NoError(t, os.MkdirAll(in, 0o755))
				for name, b := range c.files {
					require.NoError(t, os.WriteFile(filepath.Join(in, name), b, 0o644))
				}
				before := filesIn(t, dir)
				survived := killedAt(t, at, dir, c.args)
				judgeKilled(t, at, dir, before, c.kept)
				if survived {
					require.Greater(t, at, 5)
					return
				}
			}
		})
	}
}

// killedAt runs the program and reports whether it came to its end.
func killedAt(t *testing.T, at int, dir string, args []string) bool {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, append([]string{"repair"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", killEnv, at))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%v", err)
	require.NotEqual(t, 1, exit.ExitCode(), stderr.String())
	return exit.ExitCode() == exitSurvived
}

// judgeKilled looks at what a killed run left.
func judgeKilled(t *testing.T, at int, dir string, before map[string]string, kept func(string) string) {
	t.Helper()
	after := filesIn(t, dir)
	changed := false
	for name, b := range before {
		changed = changed || after[name] != b
	}
	switch {
	case kept == nil && changed:
		t.Errorf("killed at step %d: the damaged file was changed", at)
	case kept == nil:
		if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
			require.Equal(t, exitClean, checkQuietly(filepath.Join(dir, "new")), "killed at step %d", at)
		}
	case changed:
		require.Equal(t, exitClean, checkQuietly(soleTarget(dir, before)), "killed at step %d", at)
		for name, b := range before {
			if !hasCopy(t, dir, kept(name), b) {
				t.Errorf("killed at step %d: %s was changed, and no copy is kept", at, name)
			}
		}
	}
}

// soleTarget is the snapshot, or the folder of the set.
func soleTarget(dir string, before map[string]string) string {
	for name := range before {
		if strings.HasSuffix(name, ".rdb") {
			return filepath.Join(dir, name)
		}
	}
	return dir
}

func checkQuietly(path string) int {
	return run(context.Background(), []string{"check", "-q", path}, &env{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard})
}

// hasCopy looks for a file whose name begins so, in the folder or in one beside it, with that content.
func hasCopy(t *testing.T, dir, name, content string) bool {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, name+"*"))
	beside, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*.damaged-*", name))
	for _, path := range append(found, beside...) {
		if b, err := os.ReadFile(path); err == nil && string(b) == content {
			return true
		}
	}
	return false
}
