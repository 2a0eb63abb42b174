package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kvfsck/kvfsck/internal/atomicfile"
)

// truncate makes the file end at size. What is kept is written to a temporary file, read back, and renamed over the original: at no
// moment is there a half-written file under the name, and other hard links to the old bytes keep all of them. Where no temporary
// file can be written or renamed the file is cut in place, which is one operation of the file system too.
func (t *target) truncate(size int64) error {
	if info, err := t.f.Stat(); err != nil || info.Size() != t.size {
		return errors.Join(errChanged, err)
	}
	kept := func() io.Reader { return io.NewSectionReader(t.f, 0, size) }
	err := atomicfile.Write(t.path, nil,
		func(w io.Writer) error {
			_, err := io.Copy(w, kept())
			return err
		},
		func(temp string) error {
			f, err := os.Open(temp)
			if err != nil {
				return err
			}
			return errors.Join(equal(kept(), f), f.Close(), t.f.Close()) // closed: not every system renames over open files
		})
	switch {
	case err == nil, errors.Is(err, atomicfile.ErrUnsynced):
		return nil
	case errors.Is(err, errReadBack):
		return err
	default:
		return cutInPlace(t.path, size)
	}
}

var (
	errChanged  = errors.New("the file has changed since it was checked")
	errReadBack = errors.New("what was written reads back differently")
)

// equal compares two inputs to their ends.
func equal(a, b io.Reader) error {
	const piece = 256 << 10
	p, q := make([]byte, piece), make([]byte, piece)
	for {
		n, errA := io.ReadFull(a, p)
		m, errB := io.ReadFull(b, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return errReadBack
		}
		if errA != nil || errB != nil {
			if endOf(errA) && endOf(errB) {
				return nil
			}
			return fmt.Errorf("%w: %w", errReadBack, errors.Join(errA, errB))
		}
	}
}

func endOf(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

func cutInPlace(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}
