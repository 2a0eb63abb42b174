package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/kvfsck/kvfsck/internal/atomicfile"
	"github.com/kvfsck/kvfsck/internal/filemap"
	"github.com/kvfsck/kvfsck/rdb"
)

// ErrNothing is the error of applying a plan that has nothing to do or cannot do anything.
var ErrNothing = errors.New("repair: no strategy is chosen")

// ErrUnproven is the error of an output that does not verify as claimed; it was not put in place.
var ErrUnproven = errors.New("repair: the repaired file is not what was claimed")

// Result is what [Plan.Apply] did.
type Result struct {
	Path   string
	Backup string // where the original was kept; empty if it is where it was
	Offer  *Offer
	Report *rdb.Report // on the repaired file, read again
}

// Apply writes the repaired file to dst, reads it again with the deep verifier, as far as it is written and then to its end, and only then gives it its name: see
// package internal/atomicfile for the order of the steps. The file must not be the damaged one; for that see [Plan.ApplyInPlace]. like lends
// it its mode and owner and may be nil.
func (p *Plan) Apply(ctx context.Context, dst string, like fs.FileInfo) (*Result, error) {
	return p.apply(ctx, dst, like, func() error { return nil })
}

// apply is Apply that asks once more, just before it gives the file its name.
func (p *Plan) apply(ctx context.Context, dst string, like fs.FileInfo, still func() error) (*Result, error) {
	if p.Chosen == nil {
		return nil, ErrNothing
	}
	res := &Result{Path: dst, Offer: p.Chosen}
	size, err := p.Chosen.size()
	if err != nil {
		return nil, err
	}
	fill := func(w io.Writer) error { return p.WriteTo(ctx, w) }
	err = atomicfile.WriteBeside(dst, like, fill, func(path string, written *atomicfile.Written) (err error) {
		res.Report, err = p.proveBeside(ctx, path, size, written)
		return cmp.Or(err, still())
	})
	if err != nil && !errors.Is(err, atomicfile.ErrUnsynced) {
		return nil, err
	}
	return res, err
}

// ApplyInPlace is Apply to the damaged file itself, which is first kept beside it under the name backup, whole, read again and synced.
// backup must not exist. If the file is not repaired after all, backup is removed, as the file is what it was. The error wraps [ErrChanged] where the file is
// not the one that the plan was made of.
func (p *Plan) ApplyInPlace(ctx context.Context, path, backup string) (*Result, error) {
	if p.Chosen == nil {
		return nil, ErrNothing
	}
	if _, err := os.Lstat(backup); err == nil {
		return nil, fmt.Errorf("%s: %w", backup, fs.ErrExist)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	still := func() error { return p.unchanged(path) }
	if err := still(); err != nil {
		return nil, err
	}
	if err := p.keep(ctx, backup, info); err != nil {
		return nil, fmt.Errorf("keeping the original as %s: %w", backup, err)
	}
	res, err := p.apply(ctx, path, info, still)
	if res == nil {
		return nil, errors.Join(cmp.Or(still(), err), dropBackup(backup, atomicfile.Remove))
	}
	res.Backup = backup
	return res, err
}

// dropBackup removes a copy of what was not changed.
func dropBackup(backup string, remove func(string) error) error {
	if err := remove(backup); err != nil {
		return fmt.Errorf("nothing was changed; the copy of it is left behind: %w", err)
	}
	return nil
}

// keep copies the damaged file.
func (p *Plan) keep(ctx context.Context, backup string, info fs.FileInfo) error {
	whole := func() io.Reader { return io.NewSectionReader(p.src, 0, p.Size) }
	fill := func(w io.Writer) error {
		_, err := io.Copy(contextWriter{ctx, w}, whole())
		return err
	}
	return atomicfile.WriteNew(backup, info, fill, func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return sameBytes(f, whole())
	})
}

// sameBytes compares two readers to their ends.
func sameBytes(a, b io.Reader) error {
	const size = 256 << 10
	x, y := make([]byte, size), make([]byte, size)
	for {
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if n != m || string(x[:n]) != string(y[:m]) {
			return errors.New("the copy differs from the original")
		}
		ended := func(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }
		switch {
		case err == nil && err2 == nil:
		case ended(err) && ended(err2):
			return nil
		default:
			return errors.Join(err, err2)
		}
	}
}

// WriteTo writes the repaired file, or one that is sound as it is, to a place of the caller's making. [Plan.Prove] is to be asked
// before anything relies on it.
func (p *Plan) WriteTo(ctx context.Context, w io.Writer) error {
	w = contextWriter{ctx, w}
	switch {
	case p.Chosen != nil:
		return p.Chosen.write(w)
	case p.Sound():
		_, err := io.Copy(w, io.NewSectionReader(p.src, 0, p.Size))
		return err
	default:
		return ErrNothing
	}
}

// Keys returns how many keys the repaired file has, or one that is sound.
func (p *Plan) Keys() int64 {
	if p.Chosen != nil {
		return p.Chosen.Keys
	}
	return p.Report.Keys
}

// Prove reads what [Plan.WriteTo] wrote: it must verify, with as many keys as were claimed.
func (p *Plan) Prove(ctx context.Context, path string) (*rdb.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return p.prove(ctx, f)
}

// proveBeside is Prove of a file that is still being written, and is going to have so many bytes.
func (p *Plan) proveBeside(ctx context.Context, path string, size int64, written *atomicfile.Written) (*rdb.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rep, err := p.prove(ctx, io.NewSectionReader(&filemap.Growing{File: f, Size: size, Await: written.Await}, 0, size))
	n, writeErr := written.Size()
	switch {
	case writeErr != nil:
		return rep, writeErr
	case n != size:
		return rep, fmt.Errorf("%w: %d bytes, %d were to be written", ErrUnproven, n, size)
	case err != nil: // not every file system shows at once what was written
		return p.Prove(ctx, path)
	}
	return rep, nil
}

func (p *Plan) prove(ctx context.Context, src io.Reader) (*rdb.Report, error) {
	rep, err := rdb.Verify(ctx, src, p.verifyOptions())
	if err != nil {
		return rep, fmt.Errorf("%w: %w", ErrUnproven, err)
	}
	if rep.Keys != p.Keys() {
		return rep, fmt.Errorf("%w: %d keys, %d were promised", ErrUnproven, rep.Keys, p.Keys())
	}
	return rep, nil
}

// contextWriter fails when the context ends.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}

// ReadFrom leaves it to the writer how it copies parts of files, a stretch at a time, so that the context is asked, and whoever reads what is written gets it, now and then.
func (c contextWriter) ReadFrom(r io.Reader) (n int64, err error) {
	part, ok := r.(*io.SectionReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r) // hides ReadFrom
	}
	src, base, size := part.Outer()
	at, err := part.Seek(0, io.SeekCurrent)
	for err == nil && at < size {
		if err = c.ctx.Err(); err != nil {
			break
		}
		var done int64
		done, err = io.Copy(c.w, io.NewSectionReader(src, base+at, min(copyMost, size-at)))
		at, n = at+done, n+done
		if done == 0 {
			break
		}
	}
	_, seekErr := part.Seek(at, io.SeekStart)
	return n, cmp.Or(err, seekErr)
}
