package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/ctime"
	"github.com/kvfsck/kvfsck/rdb"
)

// # A manifest from the files that it listed
//
// A rewrite opens a new incr, writes a new base, lists both, and deletes what they supersede. So a directory holds, at any moment,
//
//	base 1  incr 1                      at rest
//	base 1  incr 1  incr 2              while a base is being written, or after that has failed
//	base 1  incr 1  incr 2  base 2      before, or just after, base 2 is listed; then base 1 and incr 1 are history
//	base 2  incr 2                      at rest again
//
// Bases and incrs are numbered apart, so names do not tell which incrs belong behind a base. Times do: the RDB of a base says when it
// was made, and an incr with annotations says when its commands were executed. An incr that ended before the base was made is in it;
// one that began later goes behind it. With one base and no rewrite left half done, all incrs go behind it, or they would have been
// deleted.

// SetChoice is a way to make a set of the files in a directory.
type SetChoice struct {
	Base  string   // name; empty for none
	Incrs []string // names, in order
	// Proven says that the evidence contradicts all other choices.
	Proven bool
	Why    string
}

// setFile is a file of a set by its name and content.
type setFile struct {
	name string
	aof.ManifestEntry
	path    string
	info    fs.FileInfo
	rdb     bool
	made    int64 // when the RDB was made, by its own account
	hasMade bool
	whole   bool // the RDB part can be read
	first   int64
	last    int64 // timestamps of the first and last annotation
	stamped bool
}

// setName is what the name of a file of a set says.
type setName struct {
	prefix string
	seq    int64
	typ    aof.FileType
}

// parseSetName takes a name such as "appendonly.aof.3.base.rdb" apart.
func parseSetName(name string) (n setName, ok bool) {
	for suffix, typ := range map[string]aof.FileType{".base.rdb": aof.Base, ".base.aof": aof.Base, ".incr.aof": aof.Incr} {
		rest, found := strings.CutSuffix(name, suffix)
		i := strings.LastIndexByte(rest, '.')
		if !found || i <= 0 {
			continue
		}
		seq, err := strconv.ParseInt(rest[i+1:], 10, 64)
		return setName{rest[:i], seq, typ}, err == nil && seq > 0
	}
	return n, false
}

// rebuild makes a manifest of what is in the directory, and returns the files that it lists.
func (s *SalvagedSet) rebuild(ctx context.Context, fsys fs.FS, opt AOFSetOptions) ([]aof.File, error) {
	found, prefix, err := s.survey(ctx, fsys, opt.Discover)
	if err != nil {
		return nil, err
	}
	s.Rebuilt, s.ManifestName = true, prefix+".manifest"
	if s.Blocked != "" {
		return nil, nil
	}
	s.Choices = s.choices(found)
	choice, ok := s.pick(opt.Choice)
	if !ok {
		return nil, nil
	}
	files := s.list(found, choice)
	s.Aside = nil
	s.strays(files)
	return files, nil
}

// survey looks at all files of a set's naming.
func (s *SalvagedSet) survey(ctx context.Context, fsys fs.FS, opt aof.DiscoverOptions) (found []setFile, prefix string, err error) {
	dirs := []string{s.Dir}
	if s.Set.ManifestPath == "" && s.Dir == "." {
		dirs = surveyDirs(fsys, opt)
	}
	prefixes := map[string]bool{}
	for _, dir := range dirs {
		ents, err := fs.ReadDir(fsys, dir)
		if err != nil {
			return nil, "", err
		}
		for _, e := range ents {
			n, ok := parseSetName(e.Name())
			if !ok || e.IsDir() || opt.FileName != "" && n.prefix != opt.FileName {
				continue
			}
			f := setFile{name: e.Name(), path: path.Join(dir, e.Name())}
			f.ManifestEntry = aof.ManifestEntry{Name: f.name, Seq: n.seq, Type: n.typ, StartOffset: aof.NoOffset, EndOffset: aof.NoOffset}
			if err := f.look(ctx, fsys); err != nil {
				return nil, "", err
			}
			prefixes[path.Join(dir, n.prefix)], s.Dir, prefix = true, dir, n.prefix
			found = append(found, f)
		}
	}
	switch len(prefixes) {
	case 0:
		s.Blocked = "there are no files of a set"
	case 1:
	default:
		s.Blocked = "there are files of several sets: name the one that is meant"
	}
	s.keepOffsets(found)
	slices.SortFunc(found, func(a, b setFile) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	return found, prefix, nil
}

func surveyDirs(fsys fs.FS, opt aof.DiscoverOptions) []string {
	if opt.DirName != "" {
		return []string{opt.DirName}
	}
	dirs := []string{"."}
	ents, _ := fs.ReadDir(fsys, ".")
	for _, e := range ents {
		if e.IsDir() {
			dirs = append(dirs, e.Name())
		}
	}
	return dirs
}

// keepOffsets takes over what a damaged manifest still says of the files.
func (s *SalvagedSet) keepOffsets(found []setFile) {
	if s.Set.Manifest == nil {
		return
	}
	for _, e := range s.Set.Manifest.Entries {
		for i := range found {
			if f := &found[i]; f.name == e.Name && f.Seq == e.Seq {
				f.StartOffset, f.EndOffset, f.Extra = e.StartOffset, e.EndOffset, e.Extra
			}
		}
	}
}

// look finds out when the file was made.
func (f *setFile) look(ctx context.Context, fsys fs.FS) (err error) {
	if f.info, err = fs.Stat(fsys, f.path); err != nil {
		return err
	}
	src, size, closer, err := openAt(fsys, f.path)
	if err != nil {
		return err
	}
	defer closer.Close()
	r := aof.NewReaderOptions(io.NewSectionReader(src, 0, size), aof.ReaderOptions{Skim: true})
	for r.Next() && ctx.Err() == nil {
		switch rec := r.Record().(type) {
		case *aof.Preamble:
			f.rdb = true
			f.made, f.hasMade = ctime.Of(rec.RDB)
		case *aof.Annotation:
			if at, ok := rec.Timestamp(); ok {
				if !f.stamped {
					f.first, f.stamped = at, true
				}
				f.last = max(f.last, at)
			}
		}
	}
	var fe *aof.FormatError
	f.whole = !errors.As(r.Err(), &fe) || fe.Code != aof.CodeRDB
	if f.Type == aof.Base && !f.rdb && f.stamped {
		f.made, f.hasMade = f.first, true
	}
	return ctx.Err()
}

// snapshotTime returns when the RDB with which a file begins was made.
func snapshotTime(_ context.Context, fsys fs.FS, name string) (int64, bool, error) {
	src, size, closer, err := openAt(fsys, name)
	if err != nil {
		return 0, false, err
	}
	defer closer.Close()
	at, ok := ctime.Of(rdb.NewReader(io.NewSectionReader(src, 0, size)))
	return at, ok, nil
}

// choices lists the sets that the files may be, newest base first.
func (s *SalvagedSet) choices(found []setFile) (all []SetChoice) {
	var bases, incrs []setFile
	for _, f := range found {
		if f.Type == aof.Base {
			bases = append(bases, f)
		} else {
			incrs = append(incrs, f)
		}
	}
	if len(bases) == 0 {
		return []SetChoice{{Incrs: names(incrs), Proven: false, Why: "no base is left: the set begins with nothing"}}
	}
	for i := len(bases) - 1; i >= 0; i-- {
		b := &bases[i]
		if !b.whole && i > 0 {
			s.Notes = append(s.Notes, b.path+" is damaged, and an older base is there")
		}
		all = append(all, behind(b, incrs, len(bases) == 1)...)
	}
	slices.SortStableFunc(all, func(a, b SetChoice) int { return rankChoice(a, bases) - rankChoice(b, bases) })
	return all
}

// rankChoice puts proven choices of whole bases first.
func rankChoice(c SetChoice, bases []setFile) int {
	for _, b := range bases {
		if b.name == c.Base && !b.whole {
			return 2
		}
	}
	if c.Proven {
		return 0
	}
	return 1
}

func names(files []setFile) (all []string) {
	for _, f := range files {
		all = append(all, f.name)
	}
	return all
}

// behind lists which incrs may go behind a base.
func behind(b *setFile, incrs []setFile, only bool) []SetChoice {
	first, last := 0, 0 // the first incr behind the base is one of incrs[first:last+1]
	for i, f := range incrs {
		switch f.relation(b) {
		case inBase:
			first, last = i+1, max(last, i+1)
		case openTo:
			last = i + 1
		}
	}
	for i, f := range incrs { // what is behind the base ends the search
		if f.relation(b) == behindBase {
			last = min(last, i)
			break
		}
	}
	last = max(first, min(last, len(incrs)))
	if only && first == 0 {
		return []SetChoice{{b.name, names(incrs), contiguous(incrs), "the only base, and no incr that is older"}}
	}
	var all []SetChoice
	for k := last; k >= first; k-- {
		c := SetChoice{Base: b.name, Incrs: names(incrs[k:]), Proven: first == last && contiguous(incrs[k:]), Why: "by the times of base and incrs"}
		all = append(all, c)
	}
	return all
}

// contiguous reports whether no number is missing.
func contiguous(incrs []setFile) bool {
	for i := 1; i < len(incrs); i++ {
		if incrs[i].Seq != incrs[i-1].Seq+1 {
			return false
		}
	}
	return true
}

type relation uint8

const (
	openTo     relation = iota // nothing tells
	inBase                     // its commands were executed before the base was made
	behindBase                 // and these after
)

// relation says where an incr belongs by its times: those of its annotations, or else that of its last change, which tells only
// that it was before.
func (f *setFile) relation(b *setFile) relation {
	switch {
	case !b.hasMade:
		return openTo
	case f.stamped && f.last < b.made:
		return inBase
	case f.stamped && f.first > b.made:
		return behindBase
	case !f.stamped && !f.info.ModTime().IsZero() && f.info.ModTime().Unix() < b.made && f.info.Size() > 0:
		return inBase
	}
	return openTo
}

// pick takes the one choice that is proven, or the one asked for. Otherwise it says what to decide.
func (s *SalvagedSet) pick(asked int) (c SetChoice, ok bool) {
	n := len(s.Choices)
	switch {
	case asked > 0 && asked <= n:
		return s.Choices[asked-1], true
	case asked > n:
		s.Blocked = fmt.Sprintf("there is no answer %d: there are %d", asked, n)
	case n > 0 && s.Choices[0].Proven:
		return s.Choices[0], true
	case n == 1:
		s.Blocked = "the manifest is lost, and nothing proves that the files are the set that they seem to be: say so"
	default:
		s.Blocked = fmt.Sprintf("the manifest is lost, and the files may be a set in %d ways: choose one", n)
	}
	return c, false
}

// list makes the manifest of a choice.
func (s *SalvagedSet) list(found []setFile, c SetChoice) (files []aof.File) {
	m := &aof.Manifest{}
	if s.Set.Manifest != nil {
		m.Comments = s.Set.Manifest.Comments
	}
	for _, name := range append([]string{c.Base}, c.Incrs...) {
		for i := range found {
			if f := &found[i]; f.name == name {
				m.Entries = append(m.Entries, f.ManifestEntry)
				files = append(files, aof.File{Path: f.path, Name: f.name, Type: f.Type, Seq: f.Seq, Size: f.info.Size(), RDB: f.rdb})
			}
		}
	}
	s.Manifest = m
	return files
}
