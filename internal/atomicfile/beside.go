package atomicfile

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"sync"
)

// WriteBeside is Write whose verify begins when fill does, and reads the file as far as it is written:
//
//	fill      ───────────────────────────► the rest, owner, mode
//	verify      ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─►  both came to their end: fsync, and all that comes behind
//
// Written tells it how far that is. If verify fails, so does the next write.
func WriteBeside(path string, like fs.FileInfo, fill func(w io.Writer) error, verify func(path string, w *Written) error) error {
	return write(system(), path, like, false, besideFilling(fill, verify))
}

// Written is how far a file is written that is read meanwhile.
type Written struct {
	mu      sync.Mutex
	grows   sync.Cond
	n       int64
	ended   bool
	err     error // of the writer, when it ended
	refused error // of the reader, who wants no more
}

func newWritten() *Written {
	w := new(Written)
	w.grows.L = &w.mu
	return w
}

// Await waits until n bytes are written, or until there will be no more. The error is why they never will be all.
func (w *Written) Await(n int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.n < n && !w.ended {
		w.grows.Wait()
	}
	if w.n < n {
		return w.err
	}
	return nil
}

// Size waits for the end, and returns how many bytes there are.
func (w *Written) Size() (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.ended {
		w.grows.Wait()
	}
	return w.n, w.err
}

func (w *Written) grow(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n += n
	w.grows.Broadcast()
}

// end says that nothing more is written, because of an error or because that was all.
func (w *Written) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended, w.err = true, err
	w.grows.Broadcast()
}

// refuse has all writes fail from now on.
func (w *Written) refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = err
}

func (w *Written) refusal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}

// watchedFile is a file of which is told how far it is written.
type watchedFile struct {
	file
	written *Written
}

func (f watchedFile) Write(p []byte) (int, error) {
	if err := f.written.refusal(); err != nil {
		return 0, err
	}
	n, err := f.file.Write(p)
	f.written.grow(int64(n))
	return n, err
}

// ReadFrom is for what the system can copy by itself.
func (f watchedFile) ReadFrom(r io.Reader) (int64, error) {
	if err := f.written.refusal(); err != nil {
		return 0, err
	}
	from, ok := f.file.(io.ReaderFrom)
	if !ok {
		return io.Copy(onlyWriter{f}, r)
	}
	n, err := from.ReadFrom(r)
	f.written.grow(n)
	return n, err
}

// onlyWriter hides all else that a writer can do.
type onlyWriter struct{ io.Writer }

// errGivenUp is what verify gets to know of a panic of fill.
var errGivenUp = errors.New("the file is not finished")

// besideFilling verifies a file while it is filled.
func besideFilling(fill func(io.Writer) error, verify func(string, *Written) error) producer {
	return func(f file, path string, like fs.FileInfo) error {
		w, v := newWritten(), verification{done: make(chan struct{})}
		go v.run(path, w, verify)
		filled := errGivenUp
		func() {
			defer func() {
				w.end(filled)
				<-v.done
			}()
			if filled = complete(watchedFile{f, w}, path, like, fill); filled == nil {
				f.BeginSync()
			}
		}()
		if v.panicked != nil {
			panic(v.panicked)
		}
		if v.err != nil && errors.Is(filled, v.err) {
			return v.err
		}
		return cmp.Or(filled, v.err)
	}
}

// verification is a run of verify.
type verification struct {
	done     chan struct{}
	err      error
	panicked any
}

func (v *verification) run(path string, w *Written, verify func(string, *Written) error) {
	defer func() {
		if v.panicked = recover(); v.panicked != nil {
			w.refuse(errGivenUp)
		}
		close(v.done)
	}()
	if err := verify(path, w); err != nil {
		v.err = verifying(path, err)
		w.refuse(v.err)
	}
}
