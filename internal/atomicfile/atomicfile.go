// Package atomicfile replaces a user's file so that a crash at any moment leaves either
// the file that was there or the finished new one, never a mixture and never neither.
//
// The order of the steps is the whole point:
//
//	create a temporary file in the same folder   a rename works only inside one file system
//	write, give it owner and mode                from here on it is on its way to the disk
//	verify it by reading it again                a replacement nobody has read proves nothing
//	fsync, close                                 the data must be on the disk before its name
//	rename it over the file                      the one step that changes what the user sees
//	fsync the folder                             the name must be on the disk before success is told
//
// A failure before the rename removes the temporary file and leaves the original alone. A
// process that is killed leaves the temporary file too, under a name that says whose it was:
// .NAME.kvfsck-RANDOM.
package atomicfile

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrUnsynced says that the finished file stands under its name, but that the folder could
// not be fsynced: after a power failure the original may be back. Nothing is lost either way.
var ErrUnsynced = errors.New("the file was replaced, but its folder could not be synced")

// newMode is what a new file gets when no file lends its mode: data that was private
// must not become readable by others.
const newMode fs.FileMode = 0o600

// bufferSize is that of the writer that fill gets.
const bufferSize = 256 << 10

// Write replaces the file at path, or creates it.
//
// fill writes the new content to a buffered writer. verify is then given the path of the
// temporary file, which is complete and being synced, to read it again; the replacement
// happens only when it returns nil. A panic in either counts as a failure and goes on to the caller.
//
// like lends the new file its permission bits and, where the platform and the user's rights
// allow, its owner and group; nil stands for the file that is at path, and where there is
// none the new file is readable by its owner alone. If the group cannot be kept, it gets
// no more rights than everybody has. Access control lists, extended attributes and further
// hard links are not carried over. A symbolic link at path stays, and the file it
// leads to is replaced; anything at path that is not a regular file is refused.
//
// An error that wraps ErrUnsynced means that the replacement took place. After any other
// error the original is untouched and the temporary file is gone, or, when it could not
// be removed, named in the error.
func Write(path string, like fs.FileInfo, fill func(w io.Writer) error, verify func(path string) error) error {
	return write(system(), path, like, false, filling(fill, verify))
}

// WriteNew is Write for a file that is not there yet. If there is anything under its name when it is finished, whoever put it there meanwhile, that
// stays, and the error wraps fs.ErrExist. Where the file system has no hard links, it is looked for just before the rename.
func WriteNew(path string, like fs.FileInfo, fill func(w io.Writer) error, verify func(path string) error) error {
	return write(system(), path, like, true, filling(fill, verify))
}

// fileSystem is what Write needs of the operating system, so that tests can have each
// step fail and can stop the world after it.
type fileSystem interface {
	// Resolve follows symbolic links, and returns path itself when nothing is there.
	Resolve(path string) (string, error)
	Stat(path string) (fs.FileInfo, error)
	// Create makes a new file for writing that only its owner may read. It is an error
	// that wraps fs.ErrExist when the name is taken.
	Create(path string) (file, error)
	Rename(from, to string) error
	// Link gives a file a second name. It is an error that wraps fs.ErrExist when that is taken.
	Link(from, to string) error
	Remove(path string) error
	// Mkdir makes a folder that only its owner may use, and fails like Create when the name is taken.
	Mkdir(path string) error
	ChmodDir(path string, mode fs.FileMode) error
	// OwnDir does what Own of a file does.
	OwnDir(path string, like fs.FileInfo) (groupKept bool)
	RemoveAll(path string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
}

// file is an open new file.
type file interface {
	io.Writer
	// Own gives the file the owner and group of like, where the platform knows them, and
	// says whether the group is now that of like.
	Own(like fs.FileInfo) (groupKept bool)
	Chmod(mode fs.FileMode) error
	// BeginSync lets a Sync to come begin beside what is done before it. Nothing is written any more.
	BeginSync()
	Sync() error
	Close() error
}

// producer fills a new file, has the system begin to store it, and verifies it.
type producer func(f file, path string, like fs.FileInfo) error

// filling verifies a file that is filled.
func filling(fill func(io.Writer) error, verify func(string) error) producer {
	return func(f file, path string, like fs.FileInfo) error {
		if err := complete(f, path, like, fill); err != nil {
			return err
		}
		f.BeginSync()
		if err := verify(path); err != nil {
			return verifying(path, err)
		}
		return nil
	}
}

func verifying(path string, err error) error { return fmt.Errorf("verifying %s: %w", path, err) }

func write(fsys fileSystem, path string, like fs.FileInfo, fresh bool, produce producer) (err error) {
	if fresh {
		err = absent(fsys, path)
	} else {
		path, like, err = target(fsys, path, like)
	}
	if err != nil {
		return err
	}
	f, temp, err := create(fsys, path)
	if err != nil {
		return err
	}
	open, replaced := true, false
	defer func() {
		if replaced {
			return
		}
		if open {
			_ = f.Close() // the file is given up: the first error is the one to tell
		}
		if rmErr := fsys.Remove(temp); rmErr != nil {
			err = errors.Join(err, fmt.Errorf("the temporary file is left behind: %w", rmErr))
		}
	}()

	if err := produce(f, temp, like); err != nil {
		return err
	}
	if err := store(f, temp, &open); err != nil {
		return err
	}
	if fresh {
		err = place(fsys, temp, path)
	} else if err = fsys.Rename(temp, path); err != nil {
		err = fmt.Errorf("replacing %s: %w", path, err)
	}
	if err != nil {
		return err
	}
	replaced = true
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrUnsynced, err)
	}
	return nil
}

// absent is an error if there is anything at path.
func absent(fsys fileSystem, path string) error {
	switch _, err := fsys.Stat(path); {
	case err == nil:
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// place gives a finished file a name that is not taken. A rename would replace what has it.
func place(fsys fileSystem, temp, path string) error {
	err := fsys.Link(temp, path)
	switch {
	case err == nil:
		_ = fsys.Remove(temp) // the file has its name; the other one is hidden
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	if err := absent(fsys, path); err != nil {
		return err
	}
	if err := fsys.Rename(temp, path); err != nil {
		return fmt.Errorf("naming %s: %w", path, err)
	}
	return nil
}

// complete fills a new file.
func complete(f file, path string, like fs.FileInfo, fill func(io.Writer) error) error {
	w := bufio.NewWriterSize(f, bufferSize)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	mode := newMode
	if like != nil {
		mode = grant(f.Own, like)
	}
	if err := f.Chmod(mode); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", path, err)
	}
	return nil
}

// store makes a file durable and closes it. open is made false before the Close.
func store(f file, path string, open *bool) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	*open = false
	if err := f.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", path, err)
	}
	return nil
}

// target returns the file to replace, with symbolic links followed, and the file that
// lends its mode and owner, nil for none.
func target(fsys fileSystem, path string, like fs.FileInfo) (string, fs.FileInfo, error) {
	path, err := fsys.Resolve(path)
	if err != nil {
		return "", nil, err
	}
	st, err := fsys.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, like, nil
	case err != nil:
		return "", nil, err
	case !st.Mode().IsRegular():
		return "", nil, fmt.Errorf("replacing %s: not a regular file (%v)", path, st.Mode())
	case like == nil:
		like = st
	}
	return path, like, nil
}

// create makes the temporary file beside path. Its name is hidden, tells where it comes
// from, and cannot be foreseen by others who may write to the folder.
func create(fsys fileSystem, path string) (f file, temp string, err error) {
	temp, err = unusedName(path, func(temp string) (err error) {
		f, err = fsys.Create(temp)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("creating a temporary file: %w", err)
	}
	return f, temp, nil
}

// unusedName makes names beside path until create takes one.
func unusedName(path string, create func(temp string) error) (string, error) {
	dir, base := filepath.Split(path)
	if len(base) > 100 {
		// The name as a whole must stay below the 255 bytes of most file systems, and some
		// of them take nothing but UTF-8.
		base = strings.ToValidUTF8(base[:100], "")
	}
	for attempt := 0; ; attempt++ {
		var random [12]byte
		_, _ = rand.Read(random[:]) // never fails
		temp := filepath.Join(dir, "."+base+".kvfsck-"+hex.EncodeToString(random[:]))
		err := create(temp)
		if err == nil || attempt == 8 || !errors.Is(err, fs.ErrExist) {
			return temp, err
		}
	}
}

// grant gives a file or folder the owner of like and returns the permission bits it shall have.
func grant(own func(like fs.FileInfo) (groupKept bool), like fs.FileInfo) fs.FileMode {
	mode := like.Mode().Perm()
	if !own(like) {
		// The group is another one now: it gets what everybody gets.
		mode = mode&^0o070 | mode&0o070&(mode&0o007<<3)
	}
	return mode
}

// osFS is the real file system.
type osFS struct{}

func (osFS) Resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	if _, linkErr := os.Lstat(path); linkErr == nil {
		return "", err // a link that leads nowhere: it would be replaced by a file
	}
	return path, nil
}

func (osFS) Stat(path string) (fs.FileInfo, error) { return os.Lstat(path) }

func (osFS) Create(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Link(from, to string) error   { return os.Link(from, to) }
func (osFS) Remove(path string) error     { return os.Remove(path) }
func (osFS) Mkdir(path string) error      { return os.Mkdir(path, 0o700) }
func (osFS) ChmodDir(path string, mode fs.FileMode) error {
	return os.Chmod(path, mode|0o700)
}
func (osFS) OwnDir(path string, like fs.FileInfo) bool {
	d, err := os.Open(path)
	if err != nil {
		return false
	}
	defer d.Close()
	return own(d, like)
}
func (osFS) RemoveAll(path string) error { return os.RemoveAll(path) }
func (osFS) SyncDir(dir string) error    { return syncDir(dir) }

// osFile is a file to which the system is asked to write early what it has, beside the writing of more: then less is left for Sync, which is all
// that counts.
type osFile struct {
	*os.File
	written int64
	asked   int64         // up to where the system was asked
	asking  chan struct{} // closed when it has been; nil: it never was
	syncing chan error    // has what comes of a Sync that was begun; nil: none was
}

// askFor is for how many bytes the system is asked at a time.
const askFor = 8 << 20

func (f *osFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.wrote(int64(n))
	return n, err
}

// ReadFrom has the system copy what is a part of another file, without it passing through this process; some systems then let the files share it.
func (f *osFile) ReadFrom(r io.Reader) (n int64, err error) {
	if part, ok := r.(*io.SectionReader); ok {
		n, err = f.copyPart(part)
		f.wrote(n)
	}
	if err != nil {
		return n, err
	}
	rest, err := io.Copy(onlyWriter{f}, r)
	return n + rest, err
}

// copyPart copies what the system can copy; the rest is left to be read.
func (f *osFile) copyPart(part *io.SectionReader) (int64, error) {
	outer, base, size := part.Outer()
	src, ok := outer.(*os.File)
	at, err := part.Seek(0, io.SeekCurrent)
	if !ok || err != nil {
		return 0, nil
	}
	n := copyRange(f.File, src, base+at, size-at)
	_, err = part.Seek(n, io.SeekCurrent)
	return n, err
}

// wrote notes that the file has grown.
func (f *osFile) wrote(n int64) {
	if f.written += n; f.written-f.asked < askFor {
		return
	}
	if f.asking != nil {
		select {
		case <-f.asking:
		default:
			return // one at a time
		}
	}
	from, to, done := f.asked, f.written, make(chan struct{})
	f.asked, f.asking = to, done
	go func() {
		defer close(done)
		writeOut(f.File, from, to-from)
	}()
}

// settle waits until nothing is asked any more.
func (f *osFile) settle() {
	if f.asking != nil {
		<-f.asking
	}
}

func (f *osFile) BeginSync() {
	f.syncing = make(chan error, 1)
	go func() {
		f.settle()
		f.syncing <- f.File.Sync()
	}()
}

func (f *osFile) Sync() error {
	if f.syncing == nil {
		f.BeginSync()
	}
	err := <-f.syncing
	f.syncing = nil
	return err
}

func (f *osFile) Close() error {
	if f.syncing != nil {
		<-f.syncing // what comes of it, nobody wants to know
	}
	f.settle()
	return f.File.Close()
}

func (f *osFile) Own(like fs.FileInfo) bool { return own(f.File, like) }
