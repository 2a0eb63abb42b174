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
