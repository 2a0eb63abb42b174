package atomicfile

import (
	"errors"
	"io/fs"
)

// Hook, if it is not nil, is called with the name of every step before that is taken, and an
// error of it stands for one of the step. It is there for tests, of this package and of the
// programs, which let disks fail and processes die at each of the steps.
var Hook func(op string) error

// ErrHalf is an error for Hook: a write does half of its work and tells nothing, as a broken
// driver would.
var ErrHalf = errors.New("half a write")

// system is the real file system, with its hook.
func system() fileSystem {
	if Hook != nil {
		return hooked{osFS{}, Hook}
	}
	return osFS{}
}

// hooked passes operations on to inner and lets before have each of them fail, or do only
// half of a write.
type hooked struct {
	inner  fileSystem
	before func(op string) error
}

func (f hooked) Resolve(path string) (string, error) {
	if err := f.before("resolve"); err != nil {
		return "", err
	}
	return f.inner.Resolve(path)
}

func (f hooked) Stat(path string) (fs.FileInfo, error) {
	if err := f.before("stat"); err != nil {
		return nil, err
	}
	return f.inner.Stat(path)
}

func (f hooked) Create(path string) (file, error) {
	if err := f.before("create"); err != nil {
		return nil, err
	}
	inner, err := f.inner.Create(path)
	if err != nil {
		return nil, err
	}
	return hookedFile{inner, f.before}, nil
}

func (f hooked) Rename(from, to string) error {
	if err := f.before("rename"); err != nil {
		return err
	}
	return f.inner.Rename(from, to)
}

func (f hooked) Link(from, to string) error {
	if err := f.before("link"); err != nil {
		return err
	}
	return f.inner.Link(from, to)
}

func (f hooked) Remove(path string) error {
	if err := f.before("remove"); err != nil {
		return err
	}
	return f.inner.Remove(path)
}

func (f hooked) Mkdir(path string) error {
	if err := f.before("mkdir"); err != nil {
		return err
	}
	return f.inner.Mkdir(path)
}

func (f hooked) ChmodDir(path string, mode fs.FileMode) error {
	if err := f.before("chmod"); err != nil {
		return err
	}
	return f.inner.ChmodDir(path, mode)
}

func (f hooked) OwnDir(path string, like fs.FileInfo) bool {
	return f.before("own") == nil && f.inner.OwnDir(path, like)
}

func (f hooked) RemoveAll(path string) error {
	if err := f.before("removeall"); err != nil {
		return err
	}
	return f.inner.RemoveAll(path)
}

func (f hooked) SyncDir(dir string) error {
	if err := f.before("syncdir"); err != nil {
		return err
	}
	return f.inner.SyncDir(dir)
}

type hookedFile struct {
	file
	before func(op string) error
}

func (f hookedFile) Write(p []byte) (int, error) {
	err := f.before("write")
	if err == nil {
		return f.file.Write(p)
	}
	// A full disk takes what still fits.
	n, writeErr := f.file.Write(p[:len(p)/2])
	if writeErr != nil {
		return n, writeErr
	}
	if errors.Is(err, ErrHalf) {
		return n, nil
	}
	return n, err
}

func (f hookedFile) Own(like fs.FileInfo) bool {
	return f.before("own") == nil && f.file.Own(like)
}

func (f hookedFile) Chmod(mode fs.FileMode) error {
	if err := f.before("chmod"); err != nil {
		return err
	}
	return f.file.Chmod(mode)
}

func (f hookedFile) Sync() error {
	if err := f.before("sync"); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f hookedFile) Close() error {
	err := f.before("close")
	// The descriptor is gone even when close reports an error.
	if closeErr := f.file.Close(); err == nil {
		err = closeErr
	}
	return err
}
