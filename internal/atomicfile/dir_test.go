package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fillDir makes a folder of a folder and two files.
func fillDir(d *Dir) error {
	if err := d.Mkdir("sub", nil); err != nil {
		return err
	}
	for _, name := range []string{"a", "sub/b"} {
		err := d.Write(name, nil, func(w io.Writer) error { return fillNew(w) })
		if err != nil {
			return err
		}
	}
	return nil
}

func verifyDir(dir string) error {
	return errors.Join(verifyOnDisk(filepath.Join(dir, "a")), verifyOnDisk(filepath.Join(dir, "sub", "b")))
}

// TestDirOrder writes the steps down.
func TestDirOrder(t *testing.T) {
	hook, ops := script(-1, nil)
	path := filepath.Join(t.TempDir(), "new")
	like, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := writeDir(hooked{osFS{}, hook}, path, like, fillDir, func(dir string) error { return errors.Join(hook("verify"), verifyDir(dir)) }); err != nil {
		t.Fatal(err)
	}
	file := " create write write write chmod sync close"
	want := "stat mkdir mkdir" + file + file + " own chmod syncdir syncdir verify rename syncdir"
	if got := strings.Join(*ops, " "); got != want {
		t.Errorf("steps:\n%s\nwant:\n%s", got, want)
	}
	if err := verifyDir(path); err != nil {
		t.Error(err)
	}
}

// TestDirEveryStepFails: the folder is there and whole, or nothing is.
func TestDirEveryStepFails(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO, ErrHalf} {
		for step := 1; ; step++ { // behind the stat, which is for a better message
			parent := t.TempDir()
			path := filepath.Join(parent, "new")
			hook, ops := script(step, func(string) error { return fault })
			err := writeDir(hooked{osFS{}, hook}, path, nil, fillDir, func(dir string) error { return errors.Join(hook("verify"), verifyDir(dir)) })
			if len(*ops) <= step {
				break
			}
			t.Run(fmt.Sprintf("%v/%d %s", fault, step, (*ops)[step]), func(t *testing.T) {
				ents, _ := os.ReadDir(parent)
				if err == nil {
					t.Fatal("the fault went unnoticed")
				}
				if errors.Is(err, ErrUnsynced) {
					if len(ents) != 1 || verifyDir(path) != nil {
						t.Errorf("%v, and the folder is not whole", err)
					}
				} else if len(ents) != 0 {
					t.Errorf("%v, and %s is there", err, ents[0].Name())
				}
			})
		}
	}
}

func TestDirRefusals(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	full := filepath.Join(dir, "full")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(full, 0o700), os.WriteFile(filepath.Join(full, "x"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(file, nil, fillDir, verifyDir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if err := WriteDir(full, nil, fillDir, verifyDir); err == nil {
		t.Error("a folder with content was replaced")
	}
	if err := WriteDir(filepath.Join(dir, "none", "x"), nil, fillDir, verifyDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no folder: %v", err)
	}
	if err := Remove(file); err != nil {
		t.Error(err)
	}
	if ents, _ := os.ReadDir(dir); len(ents) != 1 {
		t.Errorf("%d entries are left, want 1", len(ents))
	}
}
