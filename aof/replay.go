package aof

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// FileError is an error of one file of a set.
type FileError struct {
	File *File
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("%s: %v", e.File.Path, e.Err) }

// Unwrap returns the error itself.
func (e *FileError) Unwrap() error { return e.Err }

// ReplayOptions are settings of [Set.Replay]; the zero value is the default.
type ReplayOptions struct {
	// Reader are the settings for each file. Offset and NoPreamble are not used.
	Reader ReaderOptions
	// LoadTruncated goes without error to the end of a last file that is cut short, as servers do by default. What they leave out is
	// for the caller to leave out: the commands of a transaction without EXEC; Torn tells of it.
	LoadTruncated bool
}

// SetReader reads all files of a set as one stream of records. Databases are right across files: each file begins in database 0,
// whatever the one before had selected.
type SetReader struct {
	set   *Set
	opt   ReplayOptions
	index int
	f     fs.File
	r     *Reader
	torn  *FormatError
	err   error
}

// Replay returns a reader of all of the set's records, in the order in which servers load them. It is to be closed.
func (s *Set) Replay(opt ReplayOptions) *SetReader {
	r := &SetReader{set: s, opt: opt, index: -1, r: &Reader{}}
	if s.Fault != nil {
		r.err = s.Fault
	}
	return r
}

// Next reads the next record. It is false at the end of the last file and after an error; see Err.
func (r *SetReader) Next() bool {
	for r.err == nil {
		if r.f != nil {
			if r.r.Next() {
				return true
			}
			if r.err = r.finish(); r.err != nil {
				break
			}
		}
		if r.index == r.set.Last() {
			return false
		}
		r.index++
		r.err = r.open()
	}
	return false
}

// finish closes the file that was read to its end.
func (r *SetReader) finish() error {
	err := r.r.Err()
	if errors.As(err, &r.torn) {
		if r.opt.LoadTruncated && r.index == r.set.Last() && r.torn.Reaction() == ShortRead {
			err = nil
		} else {
			r.torn = nil
		}
	}
	if err == nil {
		err = r.f.Close()
		r.f = nil
	}
	return r.wrap(err)
}

func (r *SetReader) open() (err error) {
	if r.f, err = r.set.FS.Open(r.File().Path); err != nil {
		r.f = nil
		return r.wrap(err)
	}
	opt := r.opt.Reader
	opt.Offset, opt.NoPreamble = 0, false
	r.r.Reset(io.Reader(r.f), opt)
	return nil
}

func (r *SetReader) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &FileError{r.File(), err}
}

// Record returns the record that the last call of Next read.
func (r *SetReader) Record() Record { return r.r.Record() }

// File returns the file that it is of, nil before the first call of Next and where the set has none to read.
func (r *SetReader) File() *File {
	if r.index < 0 {
		return nil
	}
	return &r.set.Files[r.index]
}

// Position returns how far the reader has come in that file.
func (r *SetReader) Position() Position { return r.r.Position() }

// Torn returns the fault at which a last file ended, nil if it did not or if the fault is the error.
func (r *SetReader) Torn() *FormatError { return r.torn }

// Err returns what ended the reading, nil at the end of the set: a [*FileError], or a [*ManifestError].
func (r *SetReader) Err() error { return r.err }

// Close closes the file being read.
func (r *SetReader) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}
