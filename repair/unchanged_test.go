package repair

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/atomicfile"
)

// meddle says what others may do to a file between the plan and the repair, and what is there then.
var meddle = map[string]func(t *testing.T, path string) []byte{
	"another one in its place": func(t *testing.T, path string) []byte {
		require.NoError(t, os.WriteFile(path+".new", []byte("a new save"), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
		return []byte("a new save")
	},
	"more written to it": func(t *testing.T, path string) []byte {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		b = append(b, "more"...)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return b
	},
	"written over, as long as before": func(t *testing.T, path string) []byte {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		b[len(b)/2]++
		require.NoError(t, os.WriteFile(path, b, 0o600))
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Second)))
		return b
	},
}

// TestChangedMeanwhile: what was not looked at is not replaced, whether it came before the repair in place begins or while it runs.
func TestChangedMeanwhile(t *testing.T) {
	snapshot := func(t *testing.T, dir string) (path string, inPlace func(backup string) error) {
		o := generated(t, 10, 40, 1)
		path = filepath.Join(dir, "dump.rdb")
		b := bytes.Clone(o.bytes)
		b[o.keys[20].start] = 0xF2
		b[len(b)-1] ^= 1
		require.NoError(t, os.WriteFile(path, b, 0o600))
		f, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		p, err := NewPlan(context.Background(), f, int64(len(b)), PlanOptions{})
		require.NoError(t, err)
		require.NotNil(t, p.Chosen)
		return path, func(backup string) error {
			_, err := p.ApplyInPlace(context.Background(), path, backup)
			return err
		}
	}
	log := func(t *testing.T, dir string) (path string, inPlace func(backup string) error) {
		path = filepath.Join(dir, "one.aof")
		require.NoError(t, os.WriteFile(path, []byte("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nDEL\r\n$1"), 0o600))
		return path, planInPlace(t, dir, "one.aof")
	}
	set := func(t *testing.T, dir string) (path string, inPlace func(backup string) error) {
		for name, text := range map[string]string{
			"appendonly.aof.manifest":   "file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n",
			"appendonly.aof.1.incr.aof": "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nDEL\r\n$1",
			"appendonly.aof.2.incr.aof": "*1\r\n$4\r\nPING\r\n",
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		return filepath.Join(dir, "appendonly.aof.2.incr.aof"), planInPlace(t, dir, "")
	}
	kinds := map[string]func(*testing.T, string) (string, func(string) error){"snapshot": snapshot, "log": log, "set": set}
	for kind, open := range kinds {
		for how, change := range meddle {
			for _, when := range []string{"before", "while"} {
				t.Run(kind+", "+how+", "+when, func(t *testing.T) {
					dir := t.TempDir()
					path, inPlace := open(t, dir)
					var want []byte
					if when == "before" {
						want = change(t, path)
					} else {
						// The backup is there, and the repaired file is being written.
						creates := 0
						atomicfile.Hook = func(op string) error {
							if op == "rename" || op == "link" {
								if creates++; creates == 2 {
									t.Error("a file was replaced")
								}
							}
							if op == "chmod" && creates == 1 && want == nil {
								want = change(t, path)
							}
							return nil
						}
						defer func() { atomicfile.Hook = nil }()
						if kind == "set" {
							atomicfile.Hook = onceBackedUp(func() { want = change(t, path) })
						}
					}
					err := inPlace(path + ".kept")
					require.ErrorIs(t, err, ErrChanged)
					got, readErr := os.ReadFile(path)
					require.NoError(t, readErr)
					assert.Equal(t, want, got)
					assert.NoFileExists(t, path+".kept")
					assert.NoDirExists(t, path+".kept")
				})
			}
		}
	}
}

// onceBackedUp calls f once, when the first rename, that of the backup, is over.
func onceBackedUp(f func()) func(op string) error {
	renamed, called := false, false
	return func(op string) error {
		if renamed && !called && op == "create" {
			called = true
			f()
		}
		renamed = renamed || op == "rename"
		return nil
	}
}

func planInPlace(t *testing.T, dir, name string) func(backup string) error {
	p, err := NewLogPlan(context.Background(), os.DirFS(dir), name, LogPlanOptions{})
	require.NoError(t, err)
	require.NotNil(t, p.Chosen)
	return func(backup string) error {
		_, err := p.ApplyInPlace(context.Background(), dir, backup)
		return err
	}
}
