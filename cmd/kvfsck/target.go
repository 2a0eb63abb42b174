package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/input"
)

// target is what a path names: a snapshot, or a log, or a data directory with either or both.
type target struct {
	path     string       // as the person gave it
	in       *input.Input // a snapshot, if it is no data directory
	head     []byte       // its first bytes
	set      *aof.Set     // the log, nil if there is none
	root     string       // where the files of the set are, as the person would name it
	dir      bool         // a data directory
	snapshot string       // the snapshot in it, empty if there is none
	temp     string       // a directory to be removed
}

// close closes what is open and removes what was temporary.
func (t *target) close() error {
	var err error
	if t.in != nil {
		err = t.in.Close()
	}
	if t.temp != "" {
		err = errors.Join(err, os.RemoveAll(t.temp))
	}
	return err
}

// openTarget finds out what a path names. What could not be opened whole is to be closed all the same.
func openTarget(ctx context.Context, e *env, path string) (*target, error) {
	t := &target{path: path}
	if path != input.Stdin {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return t, t.openDir()
		}
	}
	in, err := input.Open(ctx, path, e.stdin)
	if err != nil {
		return t, err
	}
	t.in = in
	head, err := in.Peek(sniffSize)
	t.head = append([]byte{}, head...)
	if err != nil && len(head) == 0 {
		return t, err
	} // else the error comes again behind what is good
	return t, kindOf(filepath.Base(path), t.head).open(t)
}

// files are all files that belong to what the path names, as far as they are known.
func (t *target) files() []string {
	paths := []string{t.path}
	if t.snapshot != "" {
		paths = append(paths, joinPath(t.path, t.snapshot))
	}
	if t.set == nil {
		return paths
	}
	if dir := joinPath(t.root, t.set.Dir); t.dir || t.set.ManifestPath != "" {
		ents, _ := os.ReadDir(dir) // what cannot be listed is not known
		for _, ent := range ents {
			paths = append(paths, filepath.Join(dir, ent.Name()))
		}
	}
	for i := range t.set.Files {
		paths = append(paths, joinPath(t.root, t.set.Files[i].Path))
	}
	return paths
}

// has reports whether a path leads to one of the files.
func (t *target) has(path string) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(t.files(), func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && os.SameFile(info, there)
	})
}

// openDir opens a directory: that of a set, or a server's.
func (t *target) openDir() error {
	fsys := os.DirFS(t.path)
	if _, err := fs.ReadDir(fsys, "."); err != nil {
		return err
	}
	set, err := aof.Discover(fsys, aof.DiscoverOptions{})
	if err != nil && (set == nil || !errors.Is(err, aof.ErrNoLog)) {
		return err
	}
	t.root, t.dir = t.path, true
	t.snapshot = findSnapshot(fsys)
	if err == nil || hasFindings(set, aof.FindNoManifest) {
		t.set = set
	}
	if t.set == nil && t.snapshot == "" {
		return &os.PathError{Op: "open", Path: t.path, Err: errNothingThere}
	}
	return nil
}

var errNothingThere = errors.New("there is neither an append-only file nor a dump.rdb in it")

func hasFindings(set *aof.Set, code aof.FindingCode) bool {
	for i := range set.Findings {
		if set.Findings[i].Code == code {
			return true
		}
	}
	return false
}

// defaultSnapshot is the name of a snapshot in a default configuration (dbfilename).
const defaultSnapshot = "dump.rdb"

// findSnapshot returns the name of the snapshot of a data directory: the default one, or the only one that looks like it.
func findSnapshot(fsys fs.FS) string {
	if info, err := fs.Stat(fsys, defaultSnapshot); err == nil && info.Mode().IsRegular() {
		return defaultSnapshot
	}
	ents, _ := fs.ReadDir(fsys, ".") // the caller has read it
	found := ""
	for _, ent := range ents {
		name := ent.Name()
		if !strings.HasSuffix(name, ".rdb") || strings.HasPrefix(name, "temp-") || strings.HasSuffix(name, ".base.rdb") {
			continue
		}
		if info, err := fs.Stat(fsys, name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

// openRDB leaves a snapshot to be read from the input.
func openRDB(*target) error { return nil }

// openLog opens a file of commands. What is compressed or a stream is copied first: it may have to be read twice. Of a damaged
// compressed file that is what comes before the damage, which is the error.
func openLog(t *target) error {
	dir, name := filepath.Split(t.path)
	var corrupt *input.CorruptError
	if t.in.Size < 0 || len(t.in.Layers) > 0 {
		if err := t.spool(); err != nil && !errors.As(err, &corrupt) {
			return err
		}
		dir, name = t.temp, t.spoolName()
	} else if err := t.in.Close(); err != nil {
		return err
	}
	t.root = filepath.Clean(dir)
	if dir == "" {
		t.root = "."
	}
	set, err := aof.OpenFile(os.DirFS(t.root), name)
	t.set = set
	if err == nil && corrupt != nil {
		err = corrupt
	}
	return err
}

// spoolName is the name of a copy.
func (t *target) spoolName() string {
	if t.path == input.Stdin {
		return "stdin"
	}
	return filepath.Base(t.path)
}

// spool copies the content to a temporary file.
func (t *target) spool() (err error) {
	if t.temp, err = os.MkdirTemp("", "kvfsck-log-*"); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(t.temp, t.spoolName()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, t.in)
	return errors.Join(err, f.Close())
}

// openManifest opens the set that a manifest lists. What lies beside the set's directory is looked at too.
func openManifest(t *target) error {
	if t.path == input.Stdin || len(t.in.Layers) > 0 {
		return errors.New("a manifest names files beside it: give it by its path, not compressed")
	}
	abs, err := filepath.Abs(t.path)
	if err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	dir := filepath.Dir(abs)
	parent := filepath.Dir(dir)
	t.root = filepath.Join(filepath.Dir(t.path), "..")
	name := filepath.Base(dir) + "/" + filepath.Base(abs)
	if parent == dir {
		t.root, name = filepath.Dir(t.path), filepath.Base(abs)
	}
	t.set, err = aof.OpenSet(os.DirFS(parent), name)
	return err
}
