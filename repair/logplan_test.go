package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/atomicfile"
	"github.com/kvfsck/kvfsck/rdb"
)

// onDisk puts files into a new folder and returns it.
func onDisk(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, filepath.FromSlash(files[i]))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(files[i+1]), 0o640))
	}
	return dir
}

// content reads all files of a folder, by their names in it.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		all[filepath.ToSlash(rel)] = string(b)
		return err
	})
	require.NoError(t, err)
	return all
}

func logPlan(t *testing.T, dir, name string, opt LogPlanOptions) *LogPlan {
	t.Helper()
	p, err := NewLogPlan(t.Context(), os.DirFS(dir), name, opt)
	require.NoError(t, err)
	return p
}

// replayed gives the commands that a server would execute, one a line.
func replayed(t *testing.T, fsys fs.FS) string {
	t.Helper()
	set, err := aof.Discover(fsys, aof.DiscoverOptions{})
	require.NoError(t, err)
	var b strings.Builder
	r := set.Replay(aof.ReplayOptions{})
	defer r.Close()
	for r.Next() {
		if c, ok := r.Record().(*aof.Command); ok {
			fmt.Fprintf(&b, "%q\n", c.Args)
		}
	}
	require.NoError(t, r.Err())
	return b.String()
}

var (
	planBase = stamped(100, "SELECT 0", "SET a 1")
	planOne  = stamped(110, "SELECT 0", "SET b 1", "SET c 1")
	planTwo  = stamped(130, "SELECT 0", "SET d 1")
)

func TestLogPlanOffers(t *testing.T) {
	wrongCount := strings.Replace(planTwo, "*3\r\n$3\r\nSET", "*;\r\n$3\r\nSET", 1)
	for _, c := range []struct {
		name    string
		last    string
		one     string
		chosen  Strategy
		why     [3]string // what the reasons of the offers say
		commits int64
	}{
		{"sound", planTwo, planOne, "", [3]string{}, 0},
		{"a wrong count", wrongCount, planOne, StrategyHeal, [3]string{"nothing is left out", "certain", "before the first damage"}, 7},
		{"torn tail", planTwo + "*3\r\n$3\r\nSE", planOne, StrategySalvage, [3]string{"not all", "certain", "before the first damage"}, 7},
		{"torn in a transaction", planTwo + commands("MULTI", "SET x 1") + "*3\r\n$3\r\nSE", planOne, StrategySalvage, [3]string{"not all", "certain", "before"}, 7},
		{"torn in the middle", planTwo, planOne + "*3\r\n$3\r\nSE", StrategySalvage, [3]string{"not all", "certain", "not the last file"}, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := onDisk(t, setA, planBase, setB, c.one, setC, c.last, setM, setManifest)
			p := logPlan(t, dir, "", LogPlanOptions{})
			if c.chosen == "" {
				assert.True(t, p.Sound())
				assert.Nil(t, p.Chosen)
				_, err := p.Apply(t.Context(), filepath.Join(t.TempDir(), "new"))
				assert.ErrorIs(t, err, ErrNothing)
				return
			}
			require.Len(t, p.Offers, 3)
			for i, why := range c.why {
				assert.Contains(t, p.Offers[i].Reason, why)
			}
			require.NotNil(t, p.Chosen)
			assert.Equal(t, c.chosen, p.Chosen.Strategy)
			assert.Equal(t, c.commits, p.Chosen.Commands)
			for _, s := range Strategies {
				p := logPlan(t, dir, "", LogPlanOptions{Strategies: []Strategy{s}})
				if p.Chosen == nil {
					continue
				}
				dst := filepath.Join(t.TempDir(), "new")
				res, err := p.Apply(t.Context(), dst)
				require.NoError(t, err)
				assert.Equal(t, dst, res.Path)
				want := replayed(t, os.DirFS(onDisk(t, setA, planBase, setB, planOne, setC, planTwo, setM, setManifest)))
				if s == StrategyTruncate && c.chosen == StrategyHeal {
					want = strings.TrimSuffix(want, "[\"SET\" \"d\" \"1\"]\n")
				}
				assert.Equal(t, want, replayed(t, os.DirFS(dst)), "by %s", s)
			}
		})
	}
}

// TestLogPlanInPlace has a set for each of its files that changes; the folder holds the repaired set and nothing else of it, and the
// damaged one is kept.
func TestLogPlanInPlace(t *testing.T) {
	torn := "*3\r\n$3\r\nSE"
	for _, c := range []struct {
		name  string
		files []string
		names string // of the result
	}{
		{"base", []string{setA, planBase + torn, setB, planOne, setC, planTwo, setM, setManifest}, "2.base.aof 1.incr.aof 2.incr.aof manifest"},
		{"first incr", []string{setA, planBase, setB, planOne + torn, setC, planTwo, setM, setManifest}, "1.base.aof 3.incr.aof 4.incr.aof manifest"},
		{"last incr", []string{setA, planBase, setB, planOne, setC, planTwo + torn, setM, setManifest}, "1.base.aof 1.incr.aof 3.incr.aof manifest"},
		{"manifest", []string{setA, planBase, setB, planOne, setC, planTwo, setM, "junk\n"}, "1.base.aof 1.incr.aof 2.incr.aof manifest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := onDisk(t, c.files...)
			before := content(t, filepath.Join(dir, "appendonlydir"))
			backup := filepath.Join(dir, "appendonlydir.damaged")
			p := logPlan(t, dir, "", LogPlanOptions{})
			res, err := p.ApplyInPlace(t.Context(), dir, backup)
			require.NoError(t, err)
			require.NoError(t, res.Unremoved)
			assert.Equal(t, backup, res.Backup)
			assert.Equal(t, before, content(t, backup))
			var names []string
			after := content(t, res.Path)
			for _, n := range strings.Fields(c.names) {
				assert.Contains(t, after, "appendonly.aof."+n)
				names = append(names, n)
			}
			assert.Len(t, after, len(names))
			want := replayed(t, os.DirFS(onDisk(t, setA, planBase, setB, planOne, setC, planTwo, setM, setManifest)))
			require.NoError(t, os.RemoveAll(backup))
			assert.Equal(t, want, replayed(t, os.DirFS(dir)))
			assert.True(t, logPlan(t, dir, "", LogPlanOptions{}).Sound())
			_, err = p.ApplyInPlace(t.Context(), dir, filepath.Join(dir, "appendonlydir"))
			assert.ErrorIs(t, err, fs.ErrExist)
		})
	}
}

// TestLogPlanUntilInPlace goes back to before all incrs: a server that starts must not take up the ones that were left out.
func TestLogPlanUntilInPlace(t *testing.T) {
	dir := onDisk(t, setA, planBase, setB, planOne, setC, planTwo, setM, setManifest)
	p := logPlan(t, dir, "", LogPlanOptions{AOFSetOptions: AOFSetOptions{AOFOptions: AOFOptions{Until: 105}}})
	require.NotNil(t, p.Chosen)
	_, err := p.ApplyInPlace(t.Context(), dir, filepath.Join(dir, "kept"))
	require.NoError(t, err)
	after := content(t, filepath.Join(dir, "appendonlydir"))
	assert.Equal(t, planBase, after["appendonly.aof.1.base.aof"])
	assert.Len(t, after, 3)
	assert.Contains(t, after["appendonly.aof.manifest"], "appendonly.aof.3.incr.aof seq 3 type i")
}

func TestLogPlanOfOneFile(t *testing.T) {
	dir := onDisk(t, "x.aof", planOne+"*3\r\n$3\r\nSE")
	p := logPlan(t, dir, "x.aof", LogPlanOptions{})
	require.NotNil(t, p.Chosen)
	dst := filepath.Join(dir, "new.aof")
	_, err := p.Apply(t.Context(), dst)
	require.NoError(t, err)
	assert.Equal(t, planOne, content(t, dir)["new.aof"])
	res, err := p.ApplyInPlace(t.Context(), dir, filepath.Join(dir, "kept.aof"))
	require.NoError(t, err)
	after := content(t, dir)
	assert.Equal(t, planOne, after["x.aof"])
	assert.Equal(t, planOne+"*3\r\n$3\r\nSE", after["kept.aof"])
	info, err := os.Stat(res.Path)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
}

func TestLogPlanBlocked(t *testing.T) {
	dir := onDisk(t, setA, planBase, setC, planTwo, setM, setManifest)
	p := logPlan(t, dir, "", LogPlanOptions{})
	assert.Nil(t, p.Chosen)
	_, err := p.Apply(t.Context(), filepath.Join(dir, "new"))
	assert.ErrorIs(t, err, ErrBlocked)
	p = logPlan(t, dir, "", LogPlanOptions{AOFSetOptions: AOFSetOptions{SkipMissing: true}})
	_, err = p.Apply(t.Context(), filepath.Join(dir, "new"))
	assert.NoError(t, err)
}

var errDied = errors.New("the process died")

// TestLogPlanInPlaceFails lets every step on the disk fail, and lets the process die there: what a server finds in the folder is the
// damaged set or the repaired one, and the damaged one is nowhere lost.
func TestLogPlanInPlaceFails(t *testing.T) {
	defer func() { atomicfile.Hook = nil }()
	files := []string{setA, planBase, setB, planOne + "*3\r\n$3\r\nSE", setC, planTwo, setM, setManifest}
	repaired := replayed(t, os.DirFS(onDisk(t, setA, planBase, setB, planOne, setC, planTwo, setM, setManifest)))
	faults := []error{errDied, syscall.ENOSPC, atomicfile.ErrHalf}
	if testing.Short() {
		faults = faults[:1]
	}
	for _, fault := range faults {
		for step := 0; ; step++ {
			dir := onDisk(t, files...)
			before := content(t, dir)
			n, dead := 0, false
			atomicfile.Hook = func(string) error {
				n++
				if n-1 == step {
					dead = fault == errDied
					return fault
				}
				if dead {
					return fault // nothing happens any more
				}
				return nil
			}
			p := logPlan(t, dir, "", LogPlanOptions{})
			_, err := p.ApplyInPlace(context.Background(), dir, filepath.Join(dir, "kept"))
			atomicfile.Hook = nil
			if n <= step {
				require.NoError(t, err)
				require.Greater(t, step, 30)
				break
			}
			after := content(t, dir)
			state := "damaged"
			for name, b := range before {
				if after[name] != b {
					state = "repaired"
				}
			}
			if state == "repaired" {
				for name, b := range before {
					if kept := "kept/" + filepath.Base(name); after[kept] != b {
						t.Errorf("%v at step %d: %s is not kept", fault, step, name)
					}
				}
				fsys := fs.FS(os.DirFS(dir))
				require.NoError(t, os.RemoveAll(filepath.Join(dir, "kept")))
				if got := replayed(t, fsys); got != repaired {
					t.Errorf("%v at step %d: neither the damaged set nor the repaired one", fault, step)
				}
			}
		}
	}
}

// TestLogPlanKeysBeyond has keys in an RDB part of a database that the server does not have: it would not start, so it is asked how many there are.
func TestLogPlanKeysBeyond(t *testing.T) {
	var base bytes.Buffer
	w := rdb.NewWriter(&base, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(50))
	require.NoError(t, w.WriteEntry(rdb.NewEntry(50, []byte("k")), rdb.String("v")))
	require.NoError(t, w.Close())
	name := "appendonlydir/appendonly.aof.1.base.rdb"
	manifest := "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
	for _, incr := range []string{planOne, planOne + "*3\r\n$3\r\nSE"} {
		dir := onDisk(t, name, base.String(), setB, incr, setM, manifest)
		opt := LogPlanOptions{}
		opt.Databases = 16
		p := logPlan(t, dir, "", opt)
		require.False(t, p.Sound())
		require.Nil(t, p.Chosen)
		for _, o := range p.Offers {
			require.EqualValues(t, 51, o.Databases, o.Strategy)
		}
		opt.Databases = 51
		p = logPlan(t, dir, "", opt)
		require.Equal(t, incr == planOne, p.Sound())
		if p.Chosen != nil {
			_, err := p.Apply(t.Context(), filepath.Join(t.TempDir(), "new"))
			require.NoError(t, err)
		}
	}
}
