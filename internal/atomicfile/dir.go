package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// WriteDir makes a folder that appears under its name when it is finished, or not at all.
//
//	make a temporary folder beside it      a rename works only inside one file system
//	fill it, fsync its files and folders
//	verify it by reading it again
//	rename it                              the one step that the user sees
//	fsync the folder that it is in
//
// fill makes the content. verify is then given the path of the temporary folder. like lends
// the folder its permission bits and its owner, as in Write, and may be nil, for a folder that is its owner's alone.
// Nothing may be at path. A failure removes the temporary folder; a process that is killed leaves it, as
// .NAME.kvfsck-RANDOM. The error wraps ErrUnsynced as that of Write does.
func WriteDir(path string, like fs.FileInfo, fill func(d *Dir) error, verify func(path string) error) error {
	return writeDir(system(), path, like, fill, verify)
}

// Dir is a folder being made.
type Dir struct {
	fsys fileSystem
	root string
	dirs []string // in order of making
}

func writeDir(fsys fileSystem, path string, like fs.FileInfo, fill func(*Dir) error, verify func(string) error) (err error) {
	path = filepath.Clean(path)
	if err := absent(fsys, path); err != nil {
		return err
	}
	temp, err := unusedName(path, fsys.Mkdir)
	if err != nil {
		return fmt.Errorf("creating a temporary folder: %w", err)
	}
	replaced := false
	defer func() {
		if replaced {
			return
		}
		if rmErr := fsys.RemoveAll(temp); rmErr != nil {
			err = errors.Join(err, fmt.Errorf("the temporary folder is left behind: %w", rmErr))
		}
	}()
	d := &Dir{fsys: fsys, root: temp, dirs: []string{temp}}
	if err := fill(d); err != nil {
		return err
	}
	if err := d.grant(temp, like); err != nil {
		return err
	}
	for i := len(d.dirs) - 1; i >= 0; i-- {
		if err := fsys.SyncDir(d.dirs[i]); err != nil {
			return fmt.Errorf("syncing %s: %w", d.dirs[i], err)
		}
	}
	if err := verify(temp); err != nil {
		return fmt.Errorf("verifying %s: %w", temp, err)
	}
	if err := fsys.Rename(temp, path); err != nil {
		return fmt.Errorf("giving %s its name: %w", path, err)
	}
	replaced = true
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrUnsynced, err)
	}
	return nil
}

// Mkdir makes a folder in the folder; name may have slashes only if what is before them was made. like lends it mode and owner as in WriteDir.
func (d *Dir) Mkdir(name string, like fs.FileInfo) error {
	path := filepath.Join(d.root, filepath.FromSlash(name))
	if err := d.fsys.Mkdir(path); err != nil {
		return err
	}
	d.dirs = append(d.dirs, path)
	return d.grant(path, like)
}

func (d *Dir) grant(path string, like fs.FileInfo) error {
	if like == nil {
		return nil
	}
	mode := grant(func(like fs.FileInfo) bool { return d.fsys.OwnDir(path, like) }, like)
	if like.Mode()&fs.ModeSticky != 0 {
		mode &^= 0o022 // one like /tmp, where others may write only because they may not remove
	}
	if err := d.fsys.ChmodDir(path, mode); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", path, err)
	}
	return nil
}

// Write makes a file in the folder and syncs it. like lends it mode and owner as in Write.
func (d *Dir) Write(name string, like fs.FileInfo, fill func(w io.Writer) error) error {
	path := filepath.Join(d.root, filepath.FromSlash(name))
	f, err := d.fsys.Create(path)
	if err != nil {
		return err
	}
	open := true
	defer func() {
		if open {
			_ = f.Close() // the folder is given up
		}
	}()
	if err := complete(f, path, like, fill); err != nil {
		return err
	}
	return store(f, path, &open)
}

// Remove removes a file that a finished change has made superfluous, and syncs its folder.
func Remove(path string) error {
	fsys := system()
	if err := fsys.Remove(path); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// RemoveTree removes a folder that a finished or abandoned change has made superfluous, and syncs the one that it was in.
func RemoveTree(path string) error {
	fsys := system()
	if err := fsys.RemoveAll(path); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}
