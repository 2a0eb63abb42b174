package dupset

import (
	"fmt"
	"os"
)

// tempFile is a temporary file. Where the system allows it the name goes at once, so that not even a killed process leaves the file behind.
type tempFile struct {
	f    *os.File
	name string // "" once it is removed
}

func createTemp(dir string) (*tempFile, error) {
	f, err := os.CreateTemp(dir, "kvfsck-dups-*")
	if err != nil {
		return nil, fmt.Errorf("dupset: %w", err)
	}
	t := &tempFile{f, f.Name()}
	if os.Remove(t.name) == nil {
		t.name = ""
	}
	return t, nil
}

func (t *tempFile) writeAt(b []byte, at int64) error {
	if _, err := t.f.WriteAt(b, at); err != nil {
		return fmt.Errorf("dupset: %w", err)
	}
	return nil
}

func (t *tempFile) readAt(b []byte, at int64) error {
	if _, err := t.f.ReadAt(b, at); err != nil {
		return fmt.Errorf("dupset: %w", err)
	}
	return nil
}

// close gives the file back. It may be nil.
func (t *tempFile) close() error {
	if t == nil {
		return nil
	}
	err := t.f.Close()
	if t.name != "" {
		if rm := os.Remove(t.name); err == nil {
			err = rm
		}
	}
	return err
}
