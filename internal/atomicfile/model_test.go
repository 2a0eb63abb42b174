package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
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

func (m *memFS) Link(from, to string) error {
	n, ok := m.names[from]
	if _, taken := m.names[to]; !ok || taken {
		return fs.ErrExist
	}
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

func (m *memFS) Mkdir(path string) error {
	if _, taken := m.names[path]; taken {
		return fs.ErrExist
	}
	m.names[path] = &inode{mode: fs.ModeDir | 0o700, smode: fs.ModeDir | 0o700}
	return nil
}

func (m *memFS) ChmodDir(path string, mode fs.FileMode) error {
	m.names[path].mode = fs.ModeDir | mode
	return nil
}

func (m *memFS) OwnDir(string, fs.FileInfo) bool { return true }

func (m *memFS) RemoveAll(path string) error {
	maps.DeleteFunc(m.names, func(name string, _ *inode) bool { return name == path || strings.HasPrefix(name, path+"/") })
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

func (f *memFile) BeginSync() {}

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
