package aof

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// Names of a default configuration.
const (
	DefaultDirName  = "appendonlydir"
	DefaultFileName = "appendonly.aof"
)

// DiscoverOptions say how a server is configured; the zero value is a default configuration, with other names guessed where the
// default ones are not there.
type DiscoverOptions struct {
	DirName  string // appenddirname
	FileName string // appendfilename
}

// ErrNoLog is the error of a directory in which there is no append-only file, or none that can be told from other files.
var ErrNoLog = errors.New("no append-only file")

// Discover finds what a server whose data directory is the root of fsys would load with appendonly yes; the directory of a set on its
// own is understood too.
//
//	appendonlydir/appendonly.aof.manifest   a set, from 7.0 on
//	appendonly.aof                          an old-style file: commands, or an RDB with commands behind it. A server from 7.0 on makes
//	                                        it the base of a set if there is none yet, or if making one was interrupted
//	neither                                 the server starts empty, even if there is a snapshot
//
// In the last case the error wraps ErrNoLog. The set is there nevertheless, with its findings: files of a set without their manifest
// are a grave one.
func Discover(fsys fs.FS, opt DiscoverOptions) (*Set, error) {
	d := discovery{fs: fsys, opt: opt}
	dir := "."
	if d.forsaken() {
		dir = DefaultDirName
		d.opt.DirName = dir
	}
	manifests := d.manifests()
	if len(manifests) > 0 {
		s, err := OpenSet(fsys, d.choose(manifests))
		if err != nil {
			return nil, err
		}
		if len(manifests) > 1 {
			s.add(Finding{Code: FindManyManifests, File: s.ManifestPath, Offset: -1, Detail: strings.Join(manifests, ", ")})
		}
		return s, nil
	}
	if name := d.oldStyle(); name != "" {
		s, err := OpenFile(fsys, name)
		if err != nil {
			return nil, err
		}
		s.add(Finding{Code: FindUpgrade, File: name, Offset: -1})
		d.orphans(s)
		return s, nil
	}
	s := &Set{FS: fsys, Dir: dir, Nothing: true}
	s.add(Finding{Code: FindNothing, Offset: -1})
	d.orphans(s)
	return s, &fs.PathError{Op: "discover", Path: ".", Err: ErrNoLog}
}

type discovery struct {
	fs  fs.FS
	opt DiscoverOptions
}

func (d *discovery) dirName() string  { return orDefault(d.opt.DirName, DefaultDirName) }
func (d *discovery) fileName() string { return orDefault(d.opt.FileName, DefaultFileName) }

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// folders are the root and the directories in it, or the one that is configured.
func (d *discovery) folders() []string {
	if d.opt.DirName != "" {
		return []string{d.opt.DirName}
	}
	all := []string{"."}
	ents, _ := fs.ReadDir(d.fs, ".")
	for _, e := range ents {
		if e.IsDir() {
			all = append(all, e.Name())
		}
	}
	return all
}

// forsaken reports whether the directory of a default configuration has files of a set and no manifest. That of another directory, such as a copy made before a repair,
// is not what a server reads then.
func (d *discovery) forsaken() bool {
	if d.opt.DirName != "" {
		return false
	}
	ents, _ := fs.ReadDir(d.fs, DefaultDirName)
	files := false
	for _, e := range ents {
		if d.isManifest(e) {
			return false
		}
		files = files || !e.IsDir() && numbered(e.Name()) != ""
	}
	return files
}

// isManifest reports whether a file has the name of a manifest, as it is configured.
func (d *discovery) isManifest(e fs.DirEntry) bool {
	name, ok := strings.CutSuffix(e.Name(), ".manifest")
	return ok && !e.IsDir() && !strings.HasPrefix(name, "temp-") && (d.opt.FileName == "" || d.opt.FileName == name)
}

// manifests returns the paths of all manifests there are.
func (d *discovery) manifests() (found []string) {
	for _, dir := range d.folders() {
		ents, _ := fs.ReadDir(d.fs, dir)
		for _, e := range ents {
			if d.isManifest(e) {
				found = append(found, path.Join(dir, e.Name()))
			}
		}
	}
	return found
}

func (d *discovery) choose(manifests []string) string {
	want := path.Join(d.dirName(), d.fileName()+".manifest")
	for _, m := range manifests {
		if m == want {
			return m
		}
	}
	return manifests[0]
}

// oldStyle returns the path of an old-style file.
func (d *discovery) oldStyle() string {
	if _, err := fs.Stat(d.fs, d.fileName()); err == nil {
		return d.fileName()
	}
	ents, _ := fs.ReadDir(d.fs, ".")
	for _, e := range ents {
		name := e.Name()
		if d.opt.FileName == "" && !e.IsDir() && strings.HasSuffix(name, ".aof") && !strings.HasPrefix(name, "temp-") && numbered(name) == "" {
			return name
		}
	}
	return ""
}

// numbered returns what the name of a file of a set begins with, "" if it is no such name.
func numbered(name string) string {
	for _, x := range setSuffixes {
		if rest, ok := strings.CutSuffix(name, x.suffix); ok {
			if i := strings.LastIndexByte(rest, '.'); i > 0 {
				return rest[:i]
			}
		}
	}
	return ""
}

// orphans reports files of sets where no manifest is, and a snapshot that is not loaded.
func (d *discovery) orphans(s *Set) {
	const dump = "dump.rdb"
	if _, err := fs.Stat(d.fs, dump); err == nil {
		s.add(Finding{Code: FindDump, File: dump, Offset: -1})
	}
	for _, dir := range d.folders() {
		ents, _ := fs.ReadDir(d.fs, dir)
		for _, e := range ents {
			p := path.Join(dir, e.Name())
			if !e.IsDir() && numbered(e.Name()) != "" {
				s.add(Finding{Code: FindNoManifest, File: p, Offset: -1})
			}
		}
	}
}

// upgrade applies the two cases in which a server makes an old-style file the base although there is a manifest: the manifest lists
// nothing to load, or nothing but that very file, which is not in the directory yet.
func (s *Set) upgrade() {
	parent := path.Dir(s.Dir)
	if s.Dir == "." || !s.upgrades(parent) {
		if len(s.Files) == 0 && s.Fault == nil {
			s.Nothing = true
			s.add(Finding{Code: FindNothing, File: s.ManifestPath, Offset: -1})
		}
		return
	}
	file := File{Path: path.Join(parent, s.prefix), Name: s.prefix, Type: Base, Seq: 1}
	file.look(s.FS)
	s.Files = []File{file}
	s.Findings = without(s.Findings, FindMissing)
	s.add(Finding{Code: FindUpgradeHalf, File: file.Path, Offset: -1})
}

func without(all []Finding, code FindingCode) (kept []Finding) {
	for _, f := range all {
		if f.Code != code {
			kept = append(kept, f)
		}
	}
	return kept
}

// upgrades reports whether a server would take the old-style file in parent as base (aof.c, loadAppendOnlyFiles).
func (s *Set) upgrades(parent string) bool {
	if s.Fault != nil {
		return false
	}
	if info, err := fs.Stat(s.FS, path.Join(parent, s.prefix)); err != nil || info.IsDir() {
		return false
	}
	switch len(s.Files) {
	case 0:
		return true
	case 1:
		f := &s.Files[0]
		return f.Type == Base && f.Name == s.prefix && errors.Is(f.Err, fs.ErrNotExist)
	default:
		return false
	}
}
