package repair

import (
	"bytes"
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
	"strings"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/atomicfile"
)

// ApplyInPlace repairs the log where it is. root is the folder that was given to [NewLogPlan] as a file system, on disk. The damaged
// files are first kept, whole and synced: a file on its own as the file backup, those of a set in a new folder of that name, which is removed again if nothing is repaired
// after all. The error wraps [ErrChanged] where a file is not the one that the plan was made of.
//
// A set is changed by one rename. The files that change are written beside those that are there, under the next free numbers, and
// the whole is read again; then the manifest is replaced by one that lists them, and only then the superseded files are removed. So
// at every moment the folder has the damaged set, or the repaired one.
//
//	before   manifest -> 1.base  1.incr  2.incr(damaged)
//	between  manifest -> 1.base  1.incr  2.incr(damaged)       3.incr
//	after    manifest -> 1.base  1.incr  3.incr
func (p *LogPlan) ApplyInPlace(ctx context.Context, root, backup string) (*LogResult, error) {
	if err := p.ready(); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(backup); err == nil {
		return nil, fmt.Errorf("%s: %w", backup, fs.ErrExist)
	}
	if err := p.unchanged(); err != nil {
		return nil, err
	}
	s := p.result()
	res := &LogResult{Backup: backup}
	if s.ManifestName == "" {
		res.Path = filepath.Join(root, filepath.FromSlash(s.Files[0].Path))
		return p.aloneInPlace(ctx, res)
	}
	res.Path = filepath.Join(root, filepath.FromSlash(s.Dir))
	return p.setInPlace(ctx, res)
}

func (p *LogPlan) aloneInPlace(ctx context.Context, res *LogResult) (*LogResult, error) {
	s := p.result()
	like, err := os.Stat(res.Path)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return s.Set.FS.Open(s.Files[0].Path) }
	err = atomicfile.WriteNew(res.Backup, like, func(w io.Writer) error { return copyFrom(ctx, w, open) }, func(path string) error {
		return cmp.Or(sameAs(path, open), p.unchanged())
	})
	if err != nil {
		return nil, fmt.Errorf("keeping the original as %s: %w", res.Backup, err)
	}
	done, err := res.unless(p.writeAlone(ctx, res.Path, like, res, p.unchanged))
	if done == nil {
		err = errors.Join(cmp.Or(p.unchanged(), err), dropBackup(res.Backup, atomicfile.Remove))
	}
	return done, err
}

func copyFrom(ctx context.Context, w io.Writer, open func() (io.ReadCloser, error)) error {
	src, err := open()
	if err != nil {
		return err
	}
	defer src.Close()
	_, err = io.Copy(contextWriter{ctx, w}, src)
	return err
}

// sameAs compares a copy with its original.
func sameAs(path string, open func() (io.ReadCloser, error)) error {
	src, err := open()
	if err != nil {
		return err
	}
	defer src.Close()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return sameBytes(f, src)
}

func (p *LogPlan) setInPlace(ctx context.Context, res *LogResult) (*LogResult, error) {
	s := p.result()
	for i := range s.Files {
		if path.Dir(s.Files[i].Path) != path.Clean(s.Dir) {
			return nil, fmt.Errorf("%w: %s lies outside of the set's folder, because an upgrade was interrupted: repair into a new folder", ErrBlocked, s.Files[i].Path)
		}
	}
	names, err := p.keepSet(ctx, res.Backup)
	if err != nil {
		return nil, fmt.Errorf("keeping the original as %s: %w", res.Backup, err)
	}
	next := s.renumbered(names)
	giveUp := func(err error, written []string) error {
		return errors.Join(cmp.Or(p.unchanged(), err), removeAll(res.Path, written), dropBackup(res.Backup, atomicfile.RemoveTree))
	}
	written, err := p.addFiles(ctx, res.Path, next)
	if err != nil {
		return nil, giveUp(err, written)
	}
	if err := p.replaceManifest(ctx, res, next); err != nil && !errors.Is(err, atomicfile.ErrUnsynced) {
		return nil, giveUp(err, written)
	} else if err != nil {
		return res, err // nothing is removed that may be needed after a power failure
	}
	if res.Unremoved = removeAll(res.Path, next.superseded); res.Unremoved == nil {
		res.Unremoved = p.forgetSuperseded(res, next)
	}
	return res, nil
}

// addFiles writes the files with new names into the set's folder, and returns those that are there.
func (p *LogPlan) addFiles(ctx context.Context, dir string, next *renumberedSet) (written []string, err error) {
	s := p.result()
	for i := range next.files {
		f := &next.files[i]
		if i < len(s.Files) && f.Name == s.Files[i].Name {
			continue
		}
		like := p.likeManifest()
		if f.Path != "" {
			if like, err = fs.Stat(s.Set.FS, f.Path); err != nil {
				return written, err
			}
		}
		fill := func(w io.Writer) error { return s.writeTo(ctx, f, w) }
		if err := atomicfile.Write(filepath.Join(dir, f.Name), like, fill, func(string) error { return nil }); err != nil {
			return written, err
		}
		written = append(written, f.Name)
	}
	return written, nil
}

func removeAll(dir string, names []string) (err error) {
	for _, name := range names {
		err = errors.Join(err, atomicfile.Remove(filepath.Join(dir, name)))
	}
	return err
}

// keepSet copies all files of the set's folder, and returns their names.
func (p *LogPlan) keepSet(ctx context.Context, backup string) (names []string, err error) {
	s := p.result()
	ents, err := fs.ReadDir(s.Set.FS, s.Dir)
	if err != nil {
		return nil, err
	}
	opener := func(name string) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return s.Set.FS.Open(path.Join(s.Dir, name)) }
	}
	ours := ents[:0]
	for _, e := range ents {
		names = append(names, e.Name())
		if _, ok := parseSetName(e.Name()); e.Type().IsRegular() && (ok || strings.HasSuffix(e.Name(), ".manifest") || s.lists(e.Name())) {
			ours = append(ours, e)
		}
	}
	like, err := fs.Stat(s.Set.FS, s.Dir)
	if err != nil {
		return nil, err
	}
	err = atomicfile.WriteDir(backup, like, func(d *atomicfile.Dir) error {
		for _, e := range ours {
			info, err := e.Info()
			if err == nil {
				err = d.Write(e.Name(), info, func(w io.Writer) error { return copyFrom(ctx, w, opener(e.Name())) })
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, func(dir string) error {
		for _, e := range ours {
			if err := sameAs(filepath.Join(dir, e.Name()), opener(e.Name())); err != nil {
				return err
			}
		}
		return p.unchanged()
	})
	return names, err
}

// lists reports whether the manifest, as it was found or is to be, lists the file.
func (s *SalvagedSet) lists(name string) bool {
	for _, m := range []*aof.Manifest{s.Manifest, s.Set.Manifest} {
		if m != nil && slices.ContainsFunc(m.Entries, func(e aof.ManifestEntry) bool { return e.Name == name }) {
			return true
		}
	}
	return false
}

// renumberedSet is a set some files of which have new names.
type renumberedSet struct {
	files      []SalvagedFile
	manifest   *aof.Manifest
	superseded []string // files that it does not need any more
}

// renumbered gives the files that change new names: a base the next number of bases, and of the incrs all from the first changed one
// on, because their numbers must grow. names are the files in the folder.
func (s *SalvagedSet) renumbered(names []string) *renumberedSet {
	last := map[aof.FileType]int64{}
	for _, name := range names {
		if n, ok := parseSetName(name); ok {
			last[n.typ] = max(last[n.typ], n.seq)
		}
	}
	for _, e := range s.Manifest.Entries {
		last[e.Type] = max(last[e.Type], e.Seq)
	}
	next := &renumberedSet{files: slices.Clone(s.Files), manifest: s.listed()}
	changed := map[aof.FileType]bool{}
	for i := range next.files {
		f := &next.files[i]
		if changed[f.Type] = changed[f.Type] || !f.whole(); !changed[f.Type] {
			continue
		}
		last[f.Type]++
		next.superseded = append(next.superseded, f.Name)
		old := f.Name
		f.Name = s.numberedName(f, last[f.Type])
		for k := range next.manifest.Entries {
			if e := &next.manifest.Entries[k]; e.Name == old {
				e.Name, e.Seq = f.Name, last[f.Type]
			}
		}
	}
	if last[aof.Incr] > 0 && len(next.manifest.Of(aof.Incr)) == 0 {
		next.addEmpty(s, last[aof.Incr]+1)
	}
	for _, name := range names {
		n, ok := parseSetName(name)
		if !ok || slices.Contains(next.superseded, name) || slices.ContainsFunc(next.files, func(f SalvagedFile) bool { return f.Name == name }) {
			continue
		}
		if n.prefix == s.prefix() && (slices.Contains(s.Aside, name) || s.lists(name)) {
			next.superseded = append(next.superseded, name)
		}
	}
	return next
}

// addEmpty adds an empty incr. Without any a server would make one of its own and begin with number 1, which may be the name of a
// superseded file as long as these are there.
func (r *renumberedSet) addEmpty(s *SalvagedSet, seq int64) {
	f := SalvagedFile{Type: aof.Incr, SalvagedAOF: &SalvagedAOF{Sound: true, Cut: -1}}
	f.Name = s.numberedName(&f, seq)
	r.files = append(r.files, f)
	r.manifest.Entries = append(r.manifest.Entries, aof.ManifestEntry{
		Name: f.Name, Seq: seq, Type: aof.Incr, StartOffset: aof.NoOffset, EndOffset: aof.NoOffset,
	})
}

func (s *SalvagedSet) prefix() string { return strings.TrimSuffix(s.ManifestName, ".manifest") }

// numberedName is the name that servers give a file of that number.
func (s *SalvagedSet) numberedName(f *SalvagedFile, seq int64) string {
	suffix := "incr.aof"
	if f.Type == aof.Base {
		suffix = "base.aof"
		if strings.HasSuffix(f.Name, ".rdb") {
			suffix = "base.rdb"
		}
	}
	return fmt.Sprintf("%s.%d.%s", s.prefix(), seq, suffix)
}

// withHistory is the manifest that has what the set does not need any more for history, as those of servers have until it is deleted: otherwise these files would look like some whose lines
// it has lost.
func (r *renumberedSet) withHistory() *aof.Manifest {
	m := *r.manifest
	m.Entries = slices.Clone(m.Entries)
	for _, name := range r.superseded {
		seq := int64(1)
		if n, ok := parseSetName(name); ok {
			seq = n.seq
		}
		m.Entries = append(m.Entries, aof.ManifestEntry{Name: name, Seq: seq, Type: aof.History, StartOffset: aof.NoOffset, EndOffset: aof.NoOffset})
	}
	return &m
}

// forgetSuperseded makes the manifest one without history, when that is gone.
func (p *LogPlan) forgetSuperseded(res *LogResult, next *renumberedSet) error {
	if len(next.superseded) == 0 {
		return nil
	}
	text, err := next.manifest.AppendText(nil)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(res.Path, p.result().ManifestName), p.likeManifest(), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}, func(temp string) error {
		_, err := aof.OpenSet(os.DirFS(res.Path), filepath.Base(temp))
		return err
	})
}

// replaceManifest makes the change: it proves the set that the new manifest lists, and gives it the name.
func (p *LogPlan) replaceManifest(ctx context.Context, res *LogResult, next *renumberedSet) error {
	text, err := next.withHistory().AppendText(nil)
	if err != nil {
		return err
	}
	s := p.result()
	return atomicfile.Write(filepath.Join(res.Path, s.ManifestName), p.likeManifest(), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(text))
		return err
	}, func(temp string) error {
		set, err := aof.OpenSet(os.DirFS(res.Path), filepath.Base(temp))
		if err != nil {
			return err
		}
		res.Report, err = p.prove(ctx, set, next.files)
		return cmp.Or(err, p.unchanged())
	})
}
