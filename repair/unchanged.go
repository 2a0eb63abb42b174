package repair

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrChanged is the error of repairing a file in place that is no longer what the plan was made of: a server has saved another one meanwhile, or
// somebody else has repaired it. It is left as it is.
var ErrChanged = errors.New("the file has changed since it was looked at, and is left as it is: stop who writes it, and begin again")

// statOf is what is known of a file that was opened for reading, nil if nothing is.
func statOf(src io.ReaderAt) fs.FileInfo {
	if f, ok := src.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err == nil {
			return info
		}
	}
	return nil
}

// sameState reports whether a file is the one that it was, as far as can be told.
func sameState(was, is fs.FileInfo) bool {
	if os.SameFile(was, was) && !os.SameFile(was, is) { // of the operating system, which tells files apart
		return false
	}
	return was.Size() == is.Size() && was.ModTime().Equal(is.ModTime())
}

// unchanged is an error if another file, or another content, stands under the path of the damaged one.
func (p *Plan) unchanged(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if p.state != nil && !sameState(p.state, info) {
		return fmt.Errorf("%s: %w", path, ErrChanged)
	}
	return nil
}

// note keeps the state of a file of the set.
func (s *SalvagedSet) note(fsys fs.FS, path string) {
	if info, err := fs.Stat(fsys, path); err == nil {
		s.states = append(s.states, fileState{path, info})
	}
}

// fileState is what was known of a file when it was looked at.
type fileState struct {
	path string
	info fs.FileInfo
}

// unchanged is the same for the files of a log.
func (p *LogPlan) unchanged() error {
	s := p.Salvaged
	for _, f := range s.states {
		info, err := fs.Stat(s.Set.FS, f.path)
		if err != nil {
			return err
		}
		if !sameState(f.info, info) {
			return fmt.Errorf("%s: %w", f.path, ErrChanged)
		}
	}
	return nil
}
