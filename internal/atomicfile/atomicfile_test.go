package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const original = "the file that the user has"

// replacement takes several writes.
var replacement = strings.Repeat("the new content\n", 3*bufferSize/16)

func fillNew(w io.Writer) error {
	_, err := io.WriteString(w, replacement[:len(replacement)/3])
	if err == nil {
		_, err = io.WriteString(w, replacement[len(replacement)/3:])
	}
	return err
}

func verifyOnDisk(path string) error {
	b, err := os.ReadFile(path)
	if err == nil && string(b) != replacement {
		err = errors.New("not what was written")
	}
	return err
}

// verifyIn reads the temporary file of a model, as a step that can fail too.
func (m *memFS) verifyIn(before func(string) error) func(string) error {
	return func(path string) error {
		if err := before("verify"); err != nil {
			return err
		}
		if n, ok := m.names[path]; !ok || string(n.data) != replacement {
			return errors.New("not what was written")
		}
		return nil
	}
}

// ways are those in which a file is verified: when it is filled, or beside that.
var ways = map[string]func(fill func(io.Writer) error, verify func(string) error) producer{
	"behind": filling,
	"beside": func(fill func(io.Writer) error, verify func(string) error) producer {
		return besideFilling(fill, func(path string, w *Written) error {
			if _, err := w.Size(); err != nil {
				return err
			}
			return verify(path)
		})
	},
}

// script returns a hook that calls act for the step with that number, counted from 0, and
// the list of the steps so far.
func script(number int, act func(op string) error) (hook func(string) error, ops *[]string) {
	ops = new([]string)
	return func(op string) error {
		*ops = append(*ops, op)
		if len(*ops)-1 == number {
			return act(op)
		}
		return nil
	}, ops
}

// TestOrder writes the steps down. Everything else here rests on their order.
func TestOrder(t *testing.T) {
	for name, way := range ways {
		m := newMemFS("dir/x.rdb", original)
		hook, ops := script(-1, nil)
		if err := write(hooked{m, hook}, "dir/x.rdb", nil, false, way(fillNew, m.verifyIn(hook))); err != nil {
			t.Fatal(err)
		}
		want := "resolve stat create write write write own chmod verify sync close rename syncdir"
		if got := strings.Join(*ops, " "); got != want {
			t.Errorf("%s: steps:\n%s\nwant:\n%s", name, got, want)
		}
	}
}

// TestEveryStepFails lets each step fail in each way, on the model and on a real disk: the
// original must stay whole and the temporary file must be gone.
func TestEveryStepFails(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) { everyStepFails(t, way) })
	}
}

func everyStepFails(t *testing.T, way func(func(io.Writer) error, func(string) error) producer) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO, ErrHalf} {
		for step := 0; ; step++ {
			m := newMemFS("dir/x.rdb", original)
			hook, ops := script(step, func(string) error { return fault })
			err := write(hooked{m, hook}, "dir/x.rdb", nil, false, way(fillNew, m.verifyIn(hook)))
			if len(*ops) <= step {
				break
			}
			op := (*ops)[step]
			t.Run(fmt.Sprintf("model/%v/%d %s", fault, step, op), func(t *testing.T) {
				judge(t, op, fault, err, string(m.names["dir/x.rdb"].data), len(m.names))
			})

			dir := t.TempDir()
			path := filepath.Join(dir, "x.rdb")
			if err := os.WriteFile(path, []byte(original), 0o640); err != nil {
				t.Fatal(err)
			}
			hook, _ = script(step, func(string) error { return fault })
			err = write(hooked{osFS{}, hook}, path, nil, false, way(fillNew, func(path string) error {
				if err := hook("verify"); err != nil {
					return err
				}
				return verifyOnDisk(path)
			}))
			t.Run(fmt.Sprintf("disk/%v/%d %s", fault, step, op), func(t *testing.T) {
				b, readErr := os.ReadFile(path)
				ents, dirErr := os.ReadDir(dir)
				if readErr != nil || dirErr != nil {
					t.Fatal(readErr, dirErr)
				}
				judge(t, op, fault, err, string(b), len(ents))
			})
		}
	}
}

// judge says what must be true after the step op failed.
func judge(t *testing.T, op string, fault, err error, content string, files int) {
	t.Helper()
	if files != 1 {
		t.Errorf("%d files, want the one", files)
	}
	switch op {
	case "own": // not a failure: few users may give files away
		if err != nil || content != replacement {
			t.Errorf("an owner that cannot be set stopped the replacement: %v", err)
		}
	case "syncdir":
		if !errors.Is(err, ErrUnsynced) || !errors.Is(err, fault) || content != replacement {
			t.Errorf("error %v, want one that says that the replacement stands", err)
		}
	default:
		if want := map[bool]error{true: io.ErrShortWrite, false: fault}[op == "write" && fault == ErrHalf]; !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
		if errors.Is(err, ErrUnsynced) {
			t.Error("the error says that the file was replaced")
		}
		if content != original {
			t.Errorf("the original is now %.40q (%d bytes)", content, len(content))
		}
	}
}

// TestCrashAtEveryStep stops the machine before each step and looks at every state that
// the disk may be in.
func TestCrashAtEveryStep(t *testing.T) {
	for name, way := range ways {
		for _, before := range []string{original, ""} {
			for step := 0; ; step++ {
				m := newMemFS("dir/x.rdb", before)
				done, steps := crashOn(m, m, step, way)
				for _, fault := range damage(m, before, done) {
					t.Errorf("%s: original %q, crash at step %d of %v: %s", name, before, step, steps, fault)
				}
				if done {
					break
				}
			}
		}
	}
}

// TestModelSeesMissingSyncs leaves the fsyncs out one at a time: the model must find the damage
// that this can do, or TestCrashAtEveryStep would prove nothing.
func TestModelSeesMissingSyncs(t *testing.T) {
	for _, c := range []struct {
		name  string
		broke func(*memFS) fileSystem
	}{
		{"of the file", func(m *memFS) fileSystem { return lyingFile{m} }},
		{"of the folder", func(m *memFS) fileSystem { return lyingDir{m} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := 0
			for step := range 20 {
				m := newMemFS("dir/x.rdb", original)
				done, _ := crashOn(c.broke(m), m, step, filling)
				found += len(damage(m, original, done))
			}
			if found == 0 {
				t.Error("a missing fsync went unnoticed")
			}
		})
	}
}

type lyingFile struct{ *memFS }

func (l lyingFile) Create(path string) (file, error) {
	f, err := l.memFS.Create(path)
	if err == nil {
		f.(*memFile).ignored = true
	}
	return f, err
}

type lyingDir struct{ *memFS }

func (lyingDir) SyncDir(string) error { return nil }

// crashOn runs a replacement that comes to a stop before the step of that number: from then
// on nothing reaches the disk. done says that the replacement was over before.
func crashOn(fsys fileSystem, m *memFS, step int, way func(func(io.Writer) error, func(string) error) producer) (done bool, steps []string) {
	stopped := errors.New("the machine stopped")
	var ops []string
	hook := func(op string) error {
		ops = append(ops, op)
		if len(ops) > step {
			return stopped
		}
		return nil
	}
	err := write(hooked{fsys, hook}, "dir/x.rdb", nil, false, way(fillNew, m.verifyIn(hook)))
	return err == nil, ops
}

// damage lists the states of the disk after the crash in which the file is neither the
// original nor the finished new one, or in which a replacement told as done is not there.
func damage(m *memFS, before string, done bool) (faults []string) {
	for state := range m.afterCrash {
		n, there := state["dir/x.rdb"]
		switch {
		case done && (!there || string(n.data) != replacement):
			faults = append(faults, "the replacement was told as done and is not there")
		case !there && before != "":
			faults = append(faults, "the file is gone")
		case there && string(n.data) == replacement:
			if want := map[bool]fs.FileMode{true: newMode, false: 0o640}[before == ""]; n.mode != want {
				faults = append(faults, fmt.Sprintf("the new file has mode %v, want %v", n.mode, want))
			}
		case there && (before == "" || string(n.data) != before):
			faults = append(faults, fmt.Sprintf("the file holds %.40q (%d bytes)", n.data, len(n.data)))
		}
	}
	return faults
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.rdb")
	var seen string
	if err := Write(path, nil, fillNew, func(temp string) error {
		seen = temp
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file stood before it was verified: %v", err)
		}
		return verifyOnDisk(temp)
	}); err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(seen) != dir || !strings.HasPrefix(filepath.Base(seen), ".x.rdb.kvfsck-") {
		t.Errorf("the temporary file was %s", seen)
	}
	wantFile(t, path, replacement, newMode)
	wantAlone(t, dir)
}

func wantFile(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != content {
		t.Errorf("%s holds %.40q (%d bytes), %v", path, b, len(b), err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode() != mode && runtime.GOOS != "windows" {
		t.Errorf("%s has mode %v, want %v", path, st.Mode(), mode)
	}
}

func wantAlone(t *testing.T, dir string) {
	t.Helper()
	if ents, err := os.ReadDir(dir); err != nil || len(ents) != 1 {
		t.Errorf("the folder holds %v, %v", ents, err)
	}
}

func TestMode(t *testing.T) {
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o644, 0o664, 0o444} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := t.TempDir()
			source, path := filepath.Join(dir, "source"), filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(source, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(source, mode); err != nil {
				t.Fatal(err)
			}
			like, err := os.Stat(source)
			if err != nil {
				t.Fatal(err)
			}
			if err := Write(path, like, fillNew, verifyOnDisk); err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, replacement, mode)
			// Again, now with the mode of the file that is there.
			if err := Write(path, nil, fillNew, verifyOnDisk); err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, replacement, mode)
		})
	}
}

// TestForeignGroup: the rights of a group that could not be kept go to nobody new.
func TestForeignGroup(t *testing.T) {
	for _, c := range []struct{ like, want fs.FileMode }{
		{0o660, 0o600}, {0o640, 0o600}, {0o644, 0o644}, {0o664, 0o644}, {0o604, 0o604}, {0o646, 0o646},
	} {
		m := newMemFS("dir/x", original)
		m.names["dir/x"].mode = c.like
		hook := func(op string) error {
			if op == "own" {
				return syscall.EPERM
			}
			return nil
		}
		if err := write(hooked{m, hook}, "dir/x", nil, false, filling(fillNew, m.verifyIn(hook))); err != nil {
			t.Fatal(err)
		}
		if got := m.names["dir/x"].mode; got != c.want {
			t.Errorf("mode %v became %v, want %v", c.like, got, c.want)
		}
	}
}

func TestSymlink(t *testing.T) {
	data, links := t.TempDir(), t.TempDir()
	path, link := filepath.Join(data, "x.rdb"), filepath.Join(links, "current")
	if err := os.WriteFile(path, []byte(original), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skipf("skipped: no symbolic links here: %v", err)
	}
	if err := Write(link, nil, fillNew, verifyOnDisk); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, replacement, 0o600)
	if to, err := os.Readlink(link); to != path || err != nil {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	wantAlone(t, data)
	wantAlone(t, links)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, nil, fillNew, verifyOnDisk); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link that leads nowhere: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, nil, fillNew, verifyOnDisk); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a folder was to be replaced: %v", err)
	}
	if err := Write(filepath.Join(dir, "absent", "x"), nil, fillNew, verifyOnDisk); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in an absent folder: %v", err)
	}
}

func TestFillAndVerifyFailures(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		fill   func(io.Writer) error
		verify func(string) error
	}{
		{"fill", func(w io.Writer) error { _ = fillNew(w); return broken }, verifyOnDisk},
		{"verify", fillNew, func(string) error { return broken }},
		{"panic in fill", func(io.Writer) error { panic(broken) }, verifyOnDisk},
		{"panic in verify", fillNew, func(string) error { panic(broken) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x")
			if err := os.WriteFile(path, []byte(original), 0o600); err != nil {
				t.Fatal(err)
			}
			err := func() (err error) {
				defer func() {
					if p := recover(); p != nil {
						err = p.(error)
					}
				}()
				return Write(path, nil, c.fill, c.verify)
			}()
			if !errors.Is(err, broken) {
				t.Errorf("error %v", err)
			}
			wantFile(t, path, original, 0o600)
			wantAlone(t, dir)
		})
	}
}

// TestLeftBehind: a temporary file that cannot be removed is named in the error.
func TestLeftBehind(t *testing.T) {
	m := newMemFS("dir/x", original)
	hook := func(op string) error {
		switch op {
		case "sync":
			return syscall.EIO
		case "remove":
			return &fs.PathError{Op: "remove", Path: "dir/.x.kvfsck-", Err: syscall.EACCES}
		}
		return nil
	}
	err := write(hooked{m, hook}, "dir/x", nil, false, filling(fillNew, m.verifyIn(hook)))
	if !errors.Is(err, syscall.EIO) || !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "left behind") {
		t.Errorf("error %v", err)
	}
}

// TestTakenName: a temporary name that exists already is never opened.
func TestTakenName(t *testing.T) {
	for _, c := range []struct {
		taken int
		ok    bool
	}{{1, true}, {8, true}, {9, false}} {
		m := newMemFS("dir/x", original)
		left := c.taken
		hook := func(op string) error {
			if op == "create" && left > 0 {
				left--
				return fs.ErrExist
			}
			return nil
		}
		err := write(hooked{m, hook}, "dir/x", nil, false, filling(fillNew, m.verifyIn(hook)))
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, fs.ErrExist) {
			t.Errorf("%d taken names: %v", c.taken, err)
		}
	}
}

// TestLongName: the temporary file of a name that is as long as names get can be made.
func TestLongName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("ü", 124))
	if err := Write(path, nil, fillNew, verifyOnDisk); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, []byte(replacement)) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// TestWriteNew leaves alone what has the name, be it there from the beginning or put there meanwhile, with hard links and without.
func TestWriteNew(t *testing.T) {
	noLinks := func(op string) error {
		if op == "link" {
			return syscall.EPERM
		}
		return nil
	}
	for _, hook := range []func(string) error{func(string) error { return nil }, noLinks} {
		fsys := hooked{osFS{}, hook}
		path := filepath.Join(t.TempDir(), "x.rdb.damaged")
		put := func() error { return os.WriteFile(path, []byte(original), 0o600) }
		if err := write(fsys, path, nil, true, filling(fillNew, func(string) error { return put() })); !errors.Is(err, fs.ErrExist) {
			t.Errorf("put there meanwhile: %v", err)
		}
		wantFile(t, path, original, 0o600)
		if err := write(fsys, path, nil, true, filling(fillNew, verifyOnDisk)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("there from the beginning: %v", err)
		}
		wantFile(t, path, original, 0o600)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := write(fsys, path, nil, true, filling(fillNew, verifyOnDisk)); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, replacement, 0o600)
		if ents, _ := os.ReadDir(filepath.Dir(path)); len(ents) != 1 {
			t.Errorf("%d files are there", len(ents))
		}
	}
}
