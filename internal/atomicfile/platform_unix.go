//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// own gives f the owner and group of like and says whether it has that group now. Only
// root may give files away, and others only to groups of their own, so refusal is
// ordinary; the group is then tried on its own.
func own(f *os.File, like fs.FileInfo) (groupKept bool) {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return false // like is not of this file system
	}
	if f.Chown(int(want.Uid), int(want.Gid)) == nil || f.Chown(-1, int(want.Gid)) == nil {
		return true
	}
	// Some file systems refuse every change, even to what is there already.
	st, err := f.Stat()
	if err != nil {
		return false
	}
	have, ok := st.Sys().(*syscall.Stat_t)
	return ok && have.Gid == want.Gid
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	// Some network and user-space file systems have no fsync for folders; nothing more
	// can be done there.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
