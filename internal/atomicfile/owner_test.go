//go:build unix

package atomicfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOwner needs root, who alone may give files away.
func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: only root can give a file to another user")
	}
	path := filepath.Join(t.TempDir(), "x.rdb")
	if err := os.WriteFile(path, []byte(original), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, 23456); err != nil {
		t.Skipf("skipped: this file system keeps no owners: %v", err)
	}
	if err := Write(path, nil, fillNew, verifyOnDisk); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner := st.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 23456 {
		t.Errorf("the file belongs to %d:%d, want 12345:23456", owner.Uid, owner.Gid)
	}
	wantFile(t, path, replacement, 0o640)
}

// TestDirOwner is the same for a folder: a server that runs as its user has to be able to use it.
func TestDirOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: only root can give a folder to another user")
	}
	like := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(like, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(like, 12345, 23456); err != nil {
		t.Skipf("skipped: this file system keeps no owners: %v", err)
	}
	info, err := os.Stat(like)
	if err != nil {
		t.Fatal(err)
	}
	made := like + ".repaired"
	if err := WriteDir(made, info, func(d *Dir) error { return d.Mkdir("sub", info) }, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{made, filepath.Join(made, "sub")} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := st.Sys().(*syscall.Stat_t); owner.Uid != 12345 || owner.Gid != 23456 || st.Mode().Perm() != 0o750 {
			t.Errorf("%s belongs to %d:%d, %v, want 12345:23456, rwxr-x---", path, owner.Uid, owner.Gid, st.Mode())
		}
	}
}
