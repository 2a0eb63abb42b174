package input

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// Stdin is the name that means the standard input.
const Stdin = "-"

// maxLayers is how many compressions one inside the other are undone; more are an attack, not a backup.
const maxLayers = 4

// peekSize is how much of the content [Input.Peek] can look at.
const peekSize = 64 << 10

// Input is something opened for reading.
type Input struct {
	Name   string   // as the person named it
	Size   int64    // of the file in bytes, -1 if unknown
	Layers []string // the compressions undone, outermost first

	content *bufio.Reader
	raw     *counter
	file    *os.File // if it is a regular one
	closers []io.Closer
}

// ErrDirectory is the error of naming a directory.
var ErrDirectory = errors.New("is a directory")

// Open opens the file name, or stdin for [Stdin]. Reads end with the context's error once that is done.
func Open(ctx context.Context, name string, stdin io.Reader) (*Input, error) {
	in, err := OpenRaw(ctx, name, stdin)
	if err != nil {
		return nil, err
	}
	if err := in.unwrap(); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// OpenRaw is Open for a file as it is: its compressions are not undone.
func OpenRaw(ctx context.Context, name string, stdin io.Reader) (*Input, error) {
	in := &Input{Name: name, Size: -1}
	src := stdin
	if name != Stdin {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in.closers = append(in.closers, f)
		if err := in.stat(f); err != nil {
			return nil, errors.Join(err, in.Close())
		}
		src = f
	}
	in.raw = &counter{ctx: ctx, r: src}
	in.content = bufio.NewReaderSize(in.raw, peekSize)
	return in, nil
}

// ByServers reports whether servers undo all compressions that were undone themselves.
func (in *Input) ByServers() bool {
	return !slices.ContainsFunc(in.Layers, func(l string) bool { return !strings.HasSuffix(l, "CS") })
}

func (in *Input) stat(f *os.File) error {
	st, err := f.Stat()
	switch {
	case err != nil:
		return err
	case st.IsDir():
		return &os.PathError{Op: "open", Path: in.Name, Err: ErrDirectory}
	case st.Mode().IsRegular():
		in.Size, in.file = st.Size(), f
	}
	return nil
}

// unwrap undoes compressions until the content is none.
func (in *Input) unwrap() error {
	for {
		head, err := in.content.Peek(maxMagic)
		if err != nil && err != io.EOF {
			return in.readError(err)
		}
		l := layerOf(head)
		if l == nil {
			return nil
		}
		if len(in.Layers) == maxLayers {
			return fmt.Errorf("%s: compressed more than %d times (%s)", in.Name, maxLayers, strings.Join(in.Layers, " in "))
		}
		r, closer, err := l.open(in.content)
		if err != nil {
			return in.readError(wrapCorrupt(l.name, in.raw, err))
		}
		if closer != nil {
			in.closers = append(in.closers, closer)
		}
		in.Layers = append(in.Layers, l.name)
		in.content = bufio.NewReaderSize(&corrupting{name: l.name, r: r, raw: in.raw}, peekSize)
	}
}

func (in *Input) readError(err error) error {
	return fmt.Errorf("reading %s: %w", in.Name, err)
}

// Peek returns the first n bytes of the content, fewer if there are not as many.
func (in *Input) Peek(n int) ([]byte, error) {
	b, err := in.content.Peek(min(n, peekSize))
	if err == io.EOF {
		err = nil
	}
	return b, err
}

// Read reads the content.
func (in *Input) Read(p []byte) (int, error) { return in.content.Read(p) }

// Plain returns the file, if its content is all that it is: a regular file that is not compressed; otherwise nil. It may be read in place of the input, and
// whoever does so tells how far it came by [Input.Pass].
func (in *Input) Plain() *io.SectionReader {
	if in.file == nil || len(in.Layers) > 0 {
		return nil
	}
	return io.NewSectionReader(in.file, 0, in.Size)
}

// Pass makes Consumed return n.
func (in *Input) Pass(n int64) { in.raw.n.Store(n) }

// Canceled returns the context's error once that is done, for those who read the file themselves.
func (in *Input) Canceled() error { return in.raw.ctx.Err() }

// Consumed returns how many bytes of the file have been read, compressed as they are. It may be called while another goroutine reads.
func (in *Input) Consumed() int64 { return in.raw.n.Load() }

// Close closes what Open opened, which does not include the standard input.
func (in *Input) Close() error {
	var err error
	for i := len(in.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, in.closers[i].Close())
	}
	in.closers = nil
	return err
}

// counter counts what is read of the file, and keeps errors of the file system apart from those of what lies above it.
type counter struct {
	ctx context.Context
	r   io.Reader
	n   atomic.Int64
	err atomic.Pointer[error]
}

func (c *counter) Read(p []byte) (int, error) {
	err := c.ctx.Err()
	n := 0
	if err == nil {
		n, err = c.r.Read(p)
	}
	c.n.Add(int64(n))
	if err != nil && err != io.EOF {
		c.err.Store(&err)
	}
	return n, err
}

// CorruptError says that a compressed stream does not decompress. What was read before it is good.
type CorruptError struct {
	Layer    string // the compression
	Consumed int64  // bytes of the file that were read when it was noticed
	Err      error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the %s stream is damaged near byte %d of the file: %v", e.Layer, e.Consumed, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// wrapCorrupt makes a CorruptError of an error of a decompressor, unless the file system is to blame.
func wrapCorrupt(layer string, raw *counter, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if cause := raw.err.Load(); cause != nil {
		return *cause
	}
	var inner *CorruptError
	if errors.As(err, &inner) {
		return inner
	}
	return &CorruptError{Layer: layer, Consumed: raw.n.Load(), Err: err}
}

// corrupting is a decompressor whose errors are CorruptErrors.
type corrupting struct {
	name string
	r    io.Reader
	raw  *counter
	err  error // what ended it, told again and again: who peeks is told, too, and reads on
}

func (c *corrupting) Read(p []byte) (n int, err error) {
	if c.err == nil {
		n, err = c.r.Read(p)
		c.err = wrapCorrupt(c.name, c.raw, err)
	}
	return n, c.err
}
