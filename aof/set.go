package aof

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Set is an append-only log: the files that a server loads, in the order in which it does.
type Set struct {
	FS  fs.FS
	Dir string // in which the files are

	ManifestPath string         // empty for a file on its own
	Manifest     *Manifest      // nil for a file on its own
	Fault        *ManifestError // what is wrong with the manifest, nil if nothing; a server refuses it then

	// Files are the base, if there is one, and the incrs. Of a manifest with a fault they are those before it.
	Files []File

	// Findings are those about the directory and the manifest. [Set.Check] adds those about contents.
	Findings []Finding

	// Nothing is set if a server would start empty here, without loading anything.
	Nothing bool

	prefix string // what the names of the set's files begin with, "appendonly.aof"
}

// File is a file of a set.
type File struct {
	Path  string // in the file system of the set
	Name  string // in the manifest
	Type  FileType
	Seq   int64
	Entry *ManifestEntry // nil for a file on its own

	Size int64
	RDB  bool  // it begins with an RDB
	Err  error // why it cannot be opened or read: fs.ErrNotExist and others
}

// OpenSet opens the set that a manifest lists. The path is one of fs.FS, with forward slashes. A manifest that breaks a rule is not
// an error but Set.Fault. Directories beside the manifest's are looked at too, as far as the file system has them.
func OpenSet(fsys fs.FS, manifestPath string) (*Set, error) {
	f, err := fsys.Open(manifestPath)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &Set{FS: fsys, Dir: path.Dir(manifestPath), ManifestPath: manifestPath, prefix: strings.TrimSuffix(path.Base(manifestPath), ".manifest")}
	m, err := ReadManifest(f)
	s.Manifest = m
	if err != nil {
		if !errors.As(err, &s.Fault) || s.Fault.Code == ManifestUnreadable {
			return nil, fmt.Errorf("%s: %w", manifestPath, err)
		}
		s.add(Finding{Code: FindManifest, File: manifestPath, Offset: -1, Err: s.Fault})
	}
	if base := m.Base(); base != nil {
		s.Files = append(s.Files, s.open(base))
	}
	for _, e := range m.Of(Incr) {
		s.Files = append(s.Files, s.open(e))
	}
	s.inspect()
	s.upgrade()
	return s, nil
}

// OpenFile opens a file on its own: an old-style append-only file, or a base or incr without the rest of its set.
func OpenFile(fsys fs.FS, name string) (*Set, error) {
	if _, err := fs.Stat(fsys, name); err != nil {
		return nil, err
	}
	s := &Set{FS: fsys, Dir: path.Dir(name), prefix: path.Base(name)}
	file := File{Path: name, Name: path.Base(name), Type: Base, Seq: 1}
	file.look(fsys)
	if file.Err != nil {
		return nil, file.Err
	}
	s.Files = []File{file}
	return s, nil
}

func (s *Set) add(f Finding) { s.Findings = append(s.Findings, f) }

func (s *Set) open(e *ManifestEntry) File {
	file := File{Path: path.Join(s.Dir, e.Name), Name: e.Name, Type: e.Type, Seq: e.Seq, Entry: e}
	file.look(s.FS)
	return file
}

// look finds out the file's size and what it begins with.
func (f *File) look(fsys fs.FS) {
	r, err := fsys.Open(f.Path)
	if err != nil {
		f.Err = err
		return
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		f.Err = err
		return
	}
	if info.IsDir() {
		f.Err = &fs.PathError{Op: "read", Path: f.Path, Err: errors.New("is a directory")}
		return
	}
	f.Size = info.Size()
	start := make([]byte, 8)
	n, err := io.ReadFull(r, start)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		f.Err = err
	}
	f.RDB = IsRDB(start[:n], AsServer)
}

// Last returns the index of the file that servers append to, the only one that may be cut short; -1 if there is none.
func (s *Set) Last() int { return len(s.Files) - 1 }
