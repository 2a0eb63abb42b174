package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"time"
)

// memFS models what a disk keeps when the machine stops: data that was not fsynced may be
// gone, and so may names whose folder was not fsynced. It holds one folder.
type memFS struct {
	names   map[string]*inode // what a process sees
	durable map[string]*inode // what a crash cannot take away
}

type inode struct {
	data    []byte
	mode    fs.FileMode
	synced  []byte // the content at the last Sync
	smode   fs.FileMode
	ignored bool // Sync lies, as in TestModelSeesMissingSyncs
}

func newMemFS(path, content string) *memFS {
	m := &memFS{names: map[string]*inode{}, durable: map[string]*inode{}}
	if content != "" {
		n := &inode{data: []byte(content), synced: []byte(content), mode: 0o640, smode: 0o640}
		m.names[path], m.durable[path] = n, n
	}
	return m
}

// afterCrash yields each state that the disk may have when the machine comes back: the
// folder as it was synced or as it was seen, and the same choice for the data.
func (m *memFS) afterCrash(yield func(map[string]inode) bool) {
	for _, names := range []map[string]*inode{m.durable, m.names} {
		for _, lost := range []bool{true, false} {
			state := map[string]inode{}
			for name, n := range names {
				c := *n
				if lost {
					c.data, c.mode = c.synced, c.smode
				}
				state[name] = c
			}
			if !yield(state) {
				return
			}
		}
	}
}

func (m *memFS) Resolve(path string) (string, error) { return path, nil }

func (m *memFS) Stat(path string) (fs.FileInfo, error) {
	n, ok := m.names[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return memInfo{filepath.Base(path), *n}, nil
}

func (m *memFS) Create(path string) (file, error) {
	if _, taken := m.names[path]; taken {
		return nil, fs.ErrExist
	}
	n := &inode{mode: 0o600, smode: 0o600}
	m.names[path] = n
	return &memFile{n, false}, nil
}

func (m *memFS) Rename(from, to string) error {
	n, ok := m.names[from]
	if !ok {
		return fs.ErrNotExist
	}
	delete(m.names, from)
	m.names[to] = n
	return nil
}

func (m *memFS) Remove(path string) error {
	if _, ok := m.names[path]; !ok {
		return fs.ErrNotExist
	}
	delete(m.names, path)
	return nil
}

func (m *memFS) SyncDir(string) error {
	m.durable = maps.Clone(m.names)
	return nil
}

type memFile struct {
	*inode
	closed bool
}

var errClosed = errors.New("the file is closed")

func (f *memFile) Write(p []byte) (int, error) {
	if f.closed {
		return 0, errClosed
	}
	f.data = append(f.data, p...)
	return len(p), nil
}

func (f *memFile) Own(fs.FileInfo) bool { return true }

func (f *memFile) Chmod(mode fs.FileMode) error {
	f.mode = mode
	return nil
}

func (f *memFile) Sync() error {
	if f.closed {
		return errClosed
	}
	if !f.ignored {
		f.synced, f.smode = bytes.Clone(f.data), f.mode
	}
	return nil
}

func (f *memFile) Close() error {
	if f.closed {
		return errClosed
	}
	f.closed = true
	return nil
}

type memInfo struct {
	name string
	n    inode
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return int64(len(i.n.data)) }
func (i memInfo) Mode() fs.FileMode  { return i.n.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return false }
func (i memInfo) Sys() any           { return nil }

// faulty passes operations on to inner and lets before have each of them fail, or do only
// half of a write.
type faulty struct {
	inner  fileSystem
	before func(op string) error
}

// errHalf has a Write do half of its work and tell nothing, as a broken driver would.
var errHalf = errors.New("half a write")

func (f faulty) Resolve(path string) (string, error) {
	if err := f.before("resolve"); err != nil {
		return "", err
	}
	return f.inner.Resolve(path)
}

func (f faulty) Stat(path string) (fs.FileInfo, error) {
	if err := f.before("stat"); err != nil {
		return nil, err
	}
	return f.inner.Stat(path)
}

func (f faulty) Create(path string) (file, error) {
	if err := f.before("create"); err != nil {
		return nil, err
	}
	inner, err := f.inner.Create(path)
	if err != nil {
		return nil, err
	}
	return faultyFile{inner, f.before}, nil
}

func (f faulty) Rename(from, to string) error {
	if err := f.before("rename"); err != nil {
		return err
	}
	return f.inner.Rename(from, to)
}

func (f faulty) Remove(path string) error {
	if err := f.before("remove"); err != nil {
		return err
	}
	return f.inner.Remove(path)
}

func (f faulty) SyncDir(dir string) error {
	if err := f.before("syncdir"); err != nil {
		return err
	}
	return f.inner.SyncDir(dir)
}

type faultyFile struct {
	file
	before func(op string) error
}

func (f faultyFile) Write(p []byte) (int, error) {
	err := f.before("write")
	if err == nil {
		return f.file.Write(p)
	}
	// A full disk takes what still fits.
	n, writeErr := f.file.Write(p[:len(p)/2])
	if writeErr != nil {
		return n, writeErr
	}
	if errors.Is(err, errHalf) {
		return n, nil
	}
	return n, err
}

func (f faultyFile) Own(like fs.FileInfo) bool {
	return f.before("own") == nil && f.file.Own(like)
}

func (f faultyFile) Chmod(mode fs.FileMode) error {
	if err := f.before("chmod"); err != nil {
		return err
	}
	return f.file.Chmod(mode)
}

func (f faultyFile) Sync() error {
	if err := f.before("sync"); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f faultyFile) Close() error {
	err := f.before("close")
	// The descriptor is gone even when close reports an error.
	if closeErr := f.file.Close(); err == nil {
		err = closeErr
	}
	return err
}
