package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriteBeside: the file is read while it is written and never beyond that, and if either side fails the original stays.
func TestWriteBeside(t *testing.T) {
	broken := errors.New("broken")
	half := replacement[:2*bufferSize]
	// readHalf reads what is written first, and only then lets the rest be written.
	readHalf := func(temp string, w *Written, more chan<- bool) error {
		defer close(more)
		if err := w.Await(bufferSize); err != nil { // the other part of the half may be kept back
			return err
		}
		b, err := os.ReadFile(temp)
		if err == nil && !strings.HasPrefix(half, string(b)) {
			err = errors.New("not what was written first")
		}
		return err
	}
	for _, c := range []struct {
		name         string
		fails        string // how the error begins
		filled, read func() error
		never        bool
	}{
		{name: "both end"},
		{name: "fill fails", fails: "broken", filled: func() error { return broken }},
		{name: "fill panics", fails: "broken", filled: func() error { panic(broken) }},
		{name: "verify fails", fails: "verifying", read: func() error { return broken }},
		{name: "verify panics", fails: "broken", read: func() error { panic(broken) }},
		{name: "fill fails at once", fails: "broken", filled: func() error { return broken }, never: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x")
			if err := os.WriteFile(path, []byte(original), 0o600); err != nil {
				t.Fatal(err)
			}
			more := make(chan bool)
			fill := func(w io.Writer) error {
				if c.never {
					return c.filled()
				}
				if _, err := io.WriteString(w, half); err != nil {
					return err
				}
				<-more
				if c.filled != nil {
					return c.filled()
				}
				for rest := replacement[len(half):]; rest != ""; rest = rest[16:] {
					if _, err := io.WriteString(w, rest[:16]); err != nil {
						return err
					}
				}
				return nil
			}
			verify := func(temp string, w *Written) error {
				if err := readHalf(temp, w, more); err != nil {
					return err
				}
				if c.read != nil {
					return c.read()
				}
				if n, err := w.Size(); err != nil || n != int64(len(replacement)) {
					return errors.Join(err, errors.New("not all was written"))
				}
				return verifyOnDisk(temp)
			}
			err := func() (err error) {
				defer func() {
					if p := recover(); p != nil {
						err = p.(error)
					}
				}()
				return WriteBeside(path, nil, fill, verify)
			}()
			want := original
			if c.fails == "" {
				want = replacement
			}
			if (err == nil) != (c.fails == "") || err != nil && (!errors.Is(err, broken) || !strings.HasPrefix(err.Error(), c.fails)) {
				t.Errorf("error %v", err)
			}
			wantFile(t, path, want, 0o600)
			wantAlone(t, dir)
		})
	}
}

// TestReadFrom: parts of other files are copied like anything else, whoever copies them.
func TestReadFrom(t *testing.T) {
	dir := t.TempDir()
	from := filepath.Join(dir, "from")
	if err := os.WriteFile(from, []byte(replacement), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, src := range map[string]io.ReaderAt{"file": f, "memory": strings.NewReader(replacement)} {
		path := filepath.Join(dir, name)
		err := WriteBeside(path, nil, func(w io.Writer) error {
			if _, err := io.WriteString(w, replacement[:100]); err != nil {
				return err
			}
			part := io.NewSectionReader(src, 90, int64(len(replacement)))
			if _, err := part.Seek(10, io.SeekStart); err != nil {
				return err
			}
			n, err := io.Copy(w, part) // which ends with the file
			if n != int64(len(replacement)-100) {
				t.Errorf("%s: %d bytes copied", name, n)
			}
			return err
		}, func(temp string, w *Written) error {
			if n, err := w.Size(); err != nil || n != int64(len(replacement)) {
				t.Errorf("%s: %d bytes written, %v", name, n, err)
			}
			return verifyOnDisk(temp)
		})
		if err != nil {
			t.Error(name, err)
		}
	}
}
