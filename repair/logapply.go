package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/atomicfile"
)

// LogResult is what applying a [LogPlan] did.
type LogResult struct {
	Path   string      // of the file, or of the folder with the set in it
	Backup string      // where the original was kept; empty if it is where it was
	Report *aof.Report // on the repaired log, read again
	// Unremoved says which superseded files could not be removed from the set's folder, and why. No server loads them.
	Unremoved error
}

// Apply writes the repaired log to dst, which becomes a file where the log is one on its own, and else a new folder with the set's
// files as they lie in the folder that was given. It reads it again, as servers and their checkers do, and only then gives it its
// name. dst must not be where the damaged log is; for that see [LogPlan.ApplyInPlace].
func (p *LogPlan) Apply(ctx context.Context, dst string) (*LogResult, error) {
	if err := p.ready(); err != nil {
		return nil, err
	}
	res, s := &LogResult{Path: dst}, p.result()
	if s.ManifestName == "" {
		err := p.writeAlone(ctx, dst, nil, res, func() error { return nil })
		return res.unless(err)
	}
	like, err := fs.Stat(s.Set.FS, ".")
	if err != nil {
		return nil, err
	}
	err = atomicfile.WriteDir(dst, like, func(d *atomicfile.Dir) error { return p.FillDir(ctx, d.Mkdir, d.Write) },
		func(dir string) (err error) {
			res.Report, err = p.Prove(ctx, os.DirFS(dir))
			return err
		})
	return res.unless(err)
}

// unless gives the result where the error leaves one standing.
func (r *LogResult) unless(err error) (*LogResult, error) {
	if err != nil && !errors.Is(err, atomicfile.ErrUnsynced) {
		return nil, err
	}
	return r, err
}

// result is the set that is written: that of the chosen offer, or a sound one as it is.
func (p *LogPlan) result() *SalvagedSet {
	if p.Chosen != nil {
		return p.Chosen.Result
	}
	return p.Salvaged
}

// ready reports whether there is something to be done that can be.
func (p *LogPlan) ready() error {
	switch {
	case p.Chosen != nil:
		return nil
	case p.Salvaged.Blocked != "":
		return fmt.Errorf("%w: %s", ErrBlocked, p.Salvaged.Blocked)
	default:
		return ErrNothing
	}
}

// writeAlone writes a file on its own. Still is asked just before that gets its name.
func (p *LogPlan) writeAlone(ctx context.Context, dst string, like fs.FileInfo, res *LogResult, still func() error) error {
	s := p.result()
	return atomicfile.Write(dst, like, func(w io.Writer) error { return s.writeTo(ctx, &s.Files[0], w) },
		func(path string) (err error) {
			set, err := aof.OpenFile(os.DirFS(filepath.Dir(path)), filepath.Base(path))
			if err != nil {
				return err
			}
			res.Report, err = p.prove(ctx, set, s.Files)
			return cmp.Or(err, still())
		})
}

func (s *SalvagedSet) writeTo(ctx context.Context, f *SalvagedFile, w io.Writer) error {
	if f.Path == "" {
		return nil // one that is new, and empty
	}
	return s.writeFile(f, contextWriter{ctx, w})
}

// FillDir writes the repaired log, or one that is sound as it is, into a folder of the caller's making, by its functions mkdir and
// write, which take names with slashes, and what lends mode and owner. The manifest comes last. Files keep their names.
func (p *LogPlan) FillDir(ctx context.Context, mkdir func(name string, like fs.FileInfo) error, write func(name string, like fs.FileInfo, fill func(io.Writer) error) error) error {
	if err := p.ready(); err != nil && !p.Sound() {
		return err
	}
	s := p.result()
	if s.Dir != "." && s.ManifestName != "" {
		like, err := fs.Stat(s.Set.FS, s.Dir)
		if err == nil {
			err = mkdir(s.Dir, like)
		}
		if err != nil {
			return err
		}
	}
	return s.writeAll(func(name string, of *SalvagedFile, fill func(io.Writer) error) error {
		if of == nil {
			return write(path.Join(s.Dir, name), p.likeManifest(), fill)
		}
		like, err := fs.Stat(s.Set.FS, of.Path)
		if err != nil {
			return err
		}
		return write(path.Join(s.Dir, name), like, func(w io.Writer) error { return fill(contextWriter{ctx, w}) })
	})
}

// likeManifest is the file that lends a manifest its mode: the one that was there, or else a file of the set.
func (p *LogPlan) likeManifest() fs.FileInfo {
	s := p.result()
	if info, err := fs.Stat(s.Set.FS, path.Join(s.Dir, s.ManifestName)); err == nil {
		return info
	}
	for i := range s.Files {
		if info, err := fs.Stat(s.Set.FS, s.Files[i].Path); err == nil {
			return info
		}
	}
	return nil
}

// Prove reads what [LogPlan.FillDir] wrote, fsys being its folder: no server may find anything wrong with it, and it must have what
// was promised.
func (p *LogPlan) Prove(ctx context.Context, fsys fs.FS) (*aof.Report, error) {
	s := p.result()
	if s.ManifestName == "" {
		set, err := aof.OpenFile(fsys, s.Files[0].Name)
		if err != nil {
			return nil, err
		}
		return p.prove(ctx, set, s.Files)
	}
	set, err := aof.OpenSet(fsys, path.Join(s.Dir, s.ManifestName))
	if err != nil {
		return nil, err
	}
	return p.prove(ctx, set, s.Files)
}

func (p *LogPlan) prove(ctx context.Context, set *aof.Set, files []SalvagedFile) (*aof.Report, error) {
	rep, err := set.Check(ctx, p.checkOptions())
	if err != nil {
		return rep, err
	}
	if i := slices.IndexFunc(rep.Findings, graveFinding); i >= 0 {
		return rep, fmt.Errorf("%w: %s", ErrUnproven, rep.Findings[i].String())
	}
	if !loads(rep) {
		return rep, fmt.Errorf("%w: %v", ErrUnproven, rep.Verdicts[0].Err)
	}
	if len(rep.Files) != len(files) {
		return rep, fmt.Errorf("%w: %d files, %d were promised", ErrUnproven, len(rep.Files), len(files))
	}
	for i := range files {
		want := files[i].Kept + files[i].Selects
		if got := rep.Files[i].Commands; got != want {
			return rep, fmt.Errorf("%w: %s has %d commands, %d were promised", ErrUnproven, files[i].Name, got, want)
		}
	}
	return rep, nil
}

// loads reports whether one of the newest servers loads the set whole, whatever its settings.
func loads(rep *aof.Report) bool {
	return slices.ContainsFunc(rep.Verdicts, func(v aof.Verdict) bool {
		return !v.LoadTruncated && (v.Outcome == aof.Loads || v.Outcome == aof.LoadsEmpty)
	})
}
