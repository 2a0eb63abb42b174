package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
)

// # A set without its damage
//
// A multi-part log is salvaged file by file: every file begins in database 0 and no transaction goes across, so damage to one is none
// to the next. What the set adds is the question which files belong to it. While there is a manifest without fault, that answers it,
// but for files that are gone. Where there is none, the answer must be found in what is left: see aof_manifest.go. Where the
// evidence allows two answers, none is taken, and [SalvagedSet.Blocked] says what to decide.

// AOFSetOptions are settings of [SalvageSet]. The zero value keeps what is proven, and decides nothing.
type AOFSetOptions struct {
	AOFOptions
	Discover aof.DiscoverOptions

	// SkipMissing leaves listed files that are gone, or cannot be read, out of the set. Otherwise they block it.
	SkipMissing bool
	// Choice is the index, from 1 on, of the one of SalvagedSet.Choices to take where the evidence allows several; 0 takes none.
	Choice int
}

// SalvagedSet is the account of a set.
type SalvagedSet struct {
	Set      *aof.Set // as it was found
	Dir      string   // in which its files are
	Manifest *aof.Manifest
	// ManifestName is the name of the manifest; empty for a file on its own.
	ManifestName string
	Rebuilt      bool // the manifest is not the one that was found

	Files []SalvagedFile // in the order of loading
	// Choices are the sets that the files may be, where the manifest had to be rebuilt or seems to have lost a line: the likeliest first.
	Choices []SetChoice
	// Aside are files, by name, that are not part of the result but lie under names that a server may take up: they must not stay
	// where the result goes.
	Aside []string
	// Later are files that are left out whole, because all of them is later than the time asked for.
	Later []aof.File
	// Missing are files that are listed, but gone, and left out as was allowed.
	Missing []string
	// Blocked says why there is no result, and what to decide; empty if there is one.
	Blocked string
	// Skippable says that SkipMissing would decide it.
	Skippable bool
	// Notes say what else was decided, and why.
	Notes []string

	leftOver int // files that continue the set and are left out of it: they are older than its base, or it was asked for

	states []fileState // of the files that were looked at
}

// SalvagedFile is a file of a set.
type SalvagedFile struct {
	Name string
	Type aof.FileType
	Path string // in the file system of the set
	*SalvagedAOF
}

// ErrBlocked is wrapped by the error of writing a set for which something must be decided first.
var ErrBlocked = errors.New("repair: a decision is needed")

// ErrNothingBefore is the error of a time before which the set has nothing.
var ErrNothingBefore = errors.New("repair: the set has nothing before that time")

// SalvageSet salvages the log of a server whose data directory is the root of fsys, or of the directory of a set on its own. With
// Until, it is that of the time: files that begin later are left out. The error is one of reading or of the context, or
// ErrNothingBefore; a set that is past help, or undecided, is told by Blocked.
func SalvageSet(ctx context.Context, fsys fs.FS, opt AOFSetOptions) (*SalvagedSet, error) {
	if opt.Choice < 0 {
		return nil, fmt.Errorf("repair: there is no answer %d", opt.Choice)
	}
	set, err := aof.Discover(fsys, opt.Discover)
	if err != nil && !errors.Is(err, aof.ErrNoLog) {
		return nil, err
	}
	s := &SalvagedSet{Set: set, Dir: set.Dir, Manifest: set.Manifest}
	if set.ManifestPath != "" {
		s.ManifestName = path.Base(set.ManifestPath)
	}
	files := set.Files
	if set.Fault != nil || err != nil || s.misnamed() {
		if files, err = s.rebuild(ctx, fsys, opt); err != nil {
			return s, err
		}
	} else {
		if files, err = s.lostLines(ctx, fsys, files, opt.Choice); err != nil {
			return s, err
		}
		if s.Blocked == "" {
			files = s.withoutMissing(files, opt.SkipMissing)
			s.strays(files)
		}
	}
	if s.Blocked != "" {
		return s, nil
	}
	return s, s.salvageFiles(ctx, fsys, files, opt)
}

// withoutMissing leaves out files that are gone, if that is allowed. There must be others.
func (s *SalvagedSet) withoutMissing(files []aof.File, skip bool) (there []aof.File) {
	for _, f := range files {
		switch {
		case f.Err == nil:
			there = append(there, f)
		case !skip:
			s.Blocked = fmt.Sprintf("%s is listed and cannot be read (%v): restore it, or have the set made without it", f.Path, f.Err)
			s.Skippable = true
		default:
			s.unlist(f.Name)
			s.Missing = append(s.Missing, f.Name)
			s.Notes = append(s.Notes, fmt.Sprintf("%s is left out: %v", f.Path, f.Err))
		}
	}
	if len(there) == 0 && len(files) > 0 {
		s.Blocked, s.Skippable = "none of the files that the manifest lists can be read: restore them", false
	}
	return there
}

// misnamed reports whether a file that is listed is not there, but one that is not listed is, with the name that servers give it: then the name in the manifest is damaged.
func (s *SalvagedSet) misnamed() bool {
	for _, f := range s.Set.Files {
		if !errors.Is(f.Err, fs.ErrNotExist) {
			continue
		}
		ents, _ := fs.ReadDir(s.Set.FS, s.Dir)
		for _, e := range ents {
			if n, ok := parseSetName(e.Name()); ok && !e.IsDir() && n.prefix == s.prefix() && n.typ == f.Type && n.seq == f.Seq && !s.lists(e.Name()) {
				return true
			}
		}
	}
	return false
}

// unlist takes a file out of the manifest.
func (s *SalvagedSet) unlist(name string) {
	if s.Manifest == nil {
		return
	}
	m := &aof.Manifest{Comments: s.Manifest.Comments}
	for _, e := range s.Manifest.Entries {
		if e.Name != name {
			m.Entries = append(m.Entries, e)
		}
	}
	s.Manifest, s.Rebuilt = m, true
}

// strays notes files of the set's naming that are not part of the result.
func (s *SalvagedSet) strays(files []aof.File) {
	if s.ManifestName == "" {
		return
	}
	listed := map[string]bool{}
	for _, f := range files {
		listed[f.Name] = true
	}
	ents, _ := fs.ReadDir(s.Set.FS, s.Dir)
	for _, e := range ents {
		if _, ok := parseSetName(e.Name()); ok && !listed[e.Name()] && !e.IsDir() {
			s.Aside = append(s.Aside, e.Name())
		}
	}
}

// salvageFiles salvages one file after the other, up to the one in which Until cuts.
func (s *SalvagedSet) salvageFiles(ctx context.Context, fsys fs.FS, files []aof.File, opt AOFSetOptions) error {
	if s.Set != nil && s.Set.ManifestPath != "" {
		s.note(fsys, s.Set.ManifestPath)
	}
	for i := range files {
		f := &files[i]
		s.note(fsys, f.Path)
		each := opt.AOFOptions
		each.AssumeRDB = strings.HasSuffix(f.Name, ".base.rdb") && f.Size > 0 // one without a byte is a set that begins with nothing
		part, err := salvageFile(ctx, fsys, f.Path, each)
		if err == nil {
			part, err = settleTime(part, func(end int64) (*SalvagedAOF, error) {
				each.end, each.text = end, part.text
				return salvageFile(ctx, fsys, f.Path, each)
			}, func() (bool, error) { return s.early(ctx, fsys, f, part, files[i+1:], opt.Until) })
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if later, err := s.tooLate(ctx, fsys, f, opt.Until); err != nil || later {
			return errors.Join(err, s.nothing(f, later))
		}
		if f.Type == aof.Base && len(files) > 1 && part.empty() && !opt.SkipMissing {
			s.Blocked = f.Path + " is the base, and nothing of it can be recognised: restore it, or have the set made without it"
			s.Skippable = true
			return nil
		}
		s.Files = append(s.Files, SalvagedFile{Name: f.Name, Type: f.Type, Path: f.Path, SalvagedAOF: part})
		if part.Cut >= 0 {
			if i == 0 && part.Kept == 0 && part.Preamble == 0 {
				return ErrNothingBefore
			}
			for _, late := range files[i+1:] {
				s.unlist(late.Name)
				s.Aside = append(s.Aside, late.Name)
				s.Later = append(s.Later, late)
				s.Notes = append(s.Notes, late.Path+" is later than the time asked for")
			}
			return nil
		}
	}
	if opt.Until != 0 && s.timeless() {
		return ErrNoTimes
	}
	return nil
}

// empty reports whether nothing at all is left of a file that had something.
func (s *SalvagedAOF) empty() bool {
	return s.PreambleFault != nil && s.RDBHealed == nil && s.RDB != nil && s.RDB.Keys == 0 && !s.RDB.Complete && s.Kept == 0 && s.Size > 0 && s.Cut < 0
}

// tooLate reports whether f begins with a snapshot that was made after the time asked for.
func (s *SalvagedSet) tooLate(ctx context.Context, fsys fs.FS, f *aof.File, until int64) (bool, error) {
	if until == 0 || !f.RDB {
		return false, nil
	}
	made, ok, err := snapshotTime(ctx, fsys, f.Path)
	return ok && made > until, err
}

func (s *SalvagedSet) nothing(f *aof.File, later bool) error {
	if !later {
		return nil
	}
	return fmt.Errorf("%w: %s is a snapshot of a later time", ErrNothingBefore, f.Path)
}

// salvageFile salvages a file of a file system.
func salvageFile(ctx context.Context, fsys fs.FS, name string, opt AOFOptions) (*SalvagedAOF, error) {
	src, size, closer, err := openAt(fsys, name)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return salvageAOF(ctx, src, size, opt)
}

// openAt opens a file for reading at any place. One of a file system that cannot do that is held in memory.
func openAt(fsys fs.FS, name string) (io.ReaderAt, int64, io.Closer, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, nil, errors.Join(err, f.Close())
	}
	if at, ok := f.(io.ReaderAt); ok {
		return at, info.Size(), f, nil
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, 0, nil, errors.Join(err, f.Close())
	}
	return bytes.NewReader(b), int64(len(b)), f, nil
}

// Write writes the set, one file after the other and the manifest last, so that there is no manifest before all that it lists. create
// opens a file of the result by its name; the set is taken for written when the last Close has returned. The names are those of the
// files that were read, so the result must not go where these are.
func (s *SalvagedSet) Write(create func(name string) (io.WriteCloser, error)) error {
	if s.Blocked != "" {
		return fmt.Errorf("%w: %s", ErrBlocked, s.Blocked)
	}
	return s.writeAll(func(name string, _ *SalvagedFile, fill func(io.Writer) error) error {
		w, err := create(name)
		if err != nil {
			return err
		}
		if err = fill(w); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", name, err), w.Close())
		}
		return w.Close()
	})
}

// writeAll has every file of the set written, and the manifest last: of is the file that it is made of, nil for the manifest.
func (s *SalvagedSet) writeAll(write func(name string, of *SalvagedFile, fill func(io.Writer) error) error) error {
	for i := range s.Files {
		f := &s.Files[i]
		if err := write(f.Name, f, func(w io.Writer) error { return s.writeFile(f, w) }); err != nil {
			return err
		}
	}
	if s.ManifestName == "" {
		return nil
	}
	text, err := s.listed().AppendText(nil)
	if err != nil {
		return err
	}
	return write(s.ManifestName, nil, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// listed is the manifest without the superseded files, which are not written.
func (s *SalvagedSet) listed() *aof.Manifest {
	m := &aof.Manifest{Comments: s.Manifest.Comments}
	for _, e := range s.Manifest.Entries {
		if e.Type != aof.History {
			m.Entries = append(m.Entries, e)
		}
	}
	return m
}

// writeFile writes what is left of a file.
func (s *SalvagedSet) writeFile(f *SalvagedFile, w io.Writer) error {
	src, _, closer, err := openAt(s.Set.FS, f.Path)
	if err != nil {
		return err
	}
	defer closer.Close()
	_, err = f.WriteTo(w, src)
	return err
}
