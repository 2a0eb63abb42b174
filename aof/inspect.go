package aof

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// inspect looks at what can be seen without reading the files: the manifest's entries and the directory's names.
func (s *Set) inspect() {
	s.inspectFiles()
	s.inspectEntries()
	s.inspectOffsets()
	s.inspectDirectory()
	s.inspectParent()
}

// inspectFiles looks for listed files that are missing or empty.
func (s *Set) inspectFiles() {
	total, missing := int64(0), false
	for i := range s.Files {
		f := &s.Files[i]
		switch {
		case errors.Is(f.Err, fs.ErrNotExist):
			missing = true
			s.add(Finding{Code: FindMissing, File: f.Path, Offset: -1})
		case f.Err != nil:
			s.add(Finding{Code: FindUnreadable, File: f.Path, Offset: -1, Err: f.Err})
		case f.Size == 0:
			s.add(Finding{Code: FindEmpty, File: f.Path, Offset: -1})
		}
		total += f.Size
	}
	if len(s.Files) > 0 && total == 0 && !missing {
		s.add(Finding{Code: FindAllEmpty, File: s.ManifestPath, Offset: -1})
	}
	newest := int64(0)
	for _, e := range s.Manifest.Of(Incr) {
		newest = max(newest, e.Seq)
	}
	for _, e := range s.Manifest.Of(History) {
		code := FindHistory
		if _, err := fs.Stat(s.FS, path.Join(s.Dir, e.Name)); err != nil {
			code = FindHistoryGone
		} else if n, ok := s.parseName(e.Name); ok && n.typ == Incr && newest > 0 && e.Seq > newest {
			code = FindHistoryNewest
		}
		s.add(Finding{Code: code, File: path.Join(s.Dir, e.Name), Offset: -1})
	}
}

// inspectEntries compares the entries with each other and with the files' names and kinds.
func (s *Set) inspectEntries() {
	if len(s.Files) > 0 && s.Files[0].Type != Base && s.Fault == nil {
		s.add(Finding{Code: FindNoBase, File: s.ManifestPath, Offset: -1})
	}
	seen := map[string]bool{}
	for _, e := range s.Manifest.Entries {
		p := path.Join(s.Dir, e.Name)
		if seen[e.Name] {
			s.add(Finding{Code: FindListedTwice, File: p, Offset: -1, Detail: fmt.Sprintf("line %d", e.Line)})
		}
		seen[e.Name] = true
		if n, ok := s.parseName(e.Name); ok && (n.seq != e.Seq || e.Type != History && n.typ != e.Type) {
			s.add(Finding{Code: FindName, File: p, Offset: -1, Detail: fmt.Sprintf("listed as %s %d", e.Type, e.Seq)})
		}
	}
	prev := int64(0)
	for i := range s.Files {
		f := &s.Files[i]
		switch {
		case f.Type == Incr:
			if prev != 0 && f.Seq != prev+1 {
				s.add(Finding{Code: FindGap, File: f.Path, Offset: -1, Detail: fmt.Sprintf("%d follows %d", f.Seq, prev)})
			}
			prev = f.Seq
			if f.RDB {
				s.add(Finding{Code: FindIncrRDB, File: f.Path, Offset: 0})
			}
		case f.Err == nil && f.Size > 0 && (strings.HasSuffix(f.Name, ".base.rdb") && !f.RDB || strings.HasSuffix(f.Name, ".base.aof") && f.RDB):
			s.add(Finding{Code: FindBaseKind, File: f.Path, Offset: 0, Detail: map[bool]string{true: "it is an RDB", false: "it has commands"}[f.RDB]})
		}
	}
}

// inspectOffsets looks whether the replication offsets of one entry and the next meet. Servers check none of them.
func (s *Set) inspectOffsets() {
	var prev *ManifestEntry
	for _, e := range s.Manifest.Of(Incr) {
		what := ""
		switch {
		case e.EndOffset != NoOffset && e.StartOffset != NoOffset && e.EndOffset < e.StartOffset:
			what = fmt.Sprintf("it ends at %d before it starts at %d", e.EndOffset, e.StartOffset)
		case prev == nil || prev.StartOffset == NoOffset || e.StartOffset == NoOffset:
		case prev.EndOffset != NoOffset && prev.EndOffset != e.StartOffset:
			what = fmt.Sprintf("it starts at %d, the one before ends at %d", e.StartOffset, prev.EndOffset)
		case e.StartOffset < prev.StartOffset:
			what = fmt.Sprintf("it starts at %d, the one before at %d", e.StartOffset, prev.StartOffset)
		}
		if what != "" {
			s.add(Finding{Code: FindOffsets, File: path.Join(s.Dir, e.Name), Offset: -1, Detail: what})
		}
		prev = e
	}
}

// setName is the name of a file of a set, taken apart:
//
//	appendonly.aof.3.base.rdb
//	appendonly.aof.7.incr.aof
type setName struct {
	seq int64
	typ FileType
}

var setSuffixes = []struct {
	suffix string
	typ    FileType
}{{".base.rdb", Base}, {".base.aof", Base}, {".incr.aof", Incr}}

func (s *Set) parseName(name string) (n setName, ok bool) {
	rest, ok := strings.CutPrefix(name, s.prefix+".")
	if !ok {
		return n, false
	}
	for _, x := range setSuffixes {
		if num, ok := strings.CutSuffix(rest, x.suffix); ok {
			seq, err := strconv.ParseInt(num, 10, 64)
			return setName{seq, x.typ}, err == nil
		}
	}
	return n, false
}

// inspectDirectory looks for files that the manifest does not list.
func (s *Set) inspectDirectory() {
	ents, err := fs.ReadDir(s.FS, s.Dir)
	if err != nil {
		s.add(Finding{Code: FindUnreadable, File: s.Dir, Offset: -1, Err: err})
		return
	}
	lost, newerBase := s.lostLines(ents), false
	for _, e := range ents {
		name := e.Name()
		p := path.Join(s.Dir, name)
		n, inSet := s.parseName(name)
		switch {
		case name == "temp-"+s.prefix+".manifest":
			s.add(Finding{Code: FindTemporary, File: p, Offset: -1})
		case name == "temp-"+s.prefix+".incr":
			s.add(Finding{Code: FindTempIncr, File: p, Offset: -1})
		case !inSet || s.Fault != nil || s.lists(name): // of a manifest with a fault not all lines are known
		case n.typ == Incr && n.seq == 1 && len(s.Manifest.Of(Incr)) == 0 && size(e) > 0:
			s.add(Finding{Code: FindAdoptable, File: p, Offset: -1})
		case lost[name]:
			s.add(Finding{Code: FindLineLost, File: p, Offset: -1})
		default:
			s.add(Finding{Code: FindUnlisted, File: p, Offset: -1})
			base := s.Manifest.Base()
			newerBase = newerBase || n.typ == Base && base != nil && n.seq > base.Seq
		}
	}
	if newerBase && slices.ContainsFunc(s.Files, func(f File) bool { return errors.Is(f.Err, fs.ErrNotExist) }) {
		s.add(Finding{Code: FindTornCopy, File: s.ManifestPath, Offset: -1, Detail: "listed files are gone, and there is a newer base"})
	}
}

func (s *Set) lists(name string) bool {
	return slices.ContainsFunc(s.Manifest.Entries, func(e ManifestEntry) bool { return e.Name == name })
}

func size(e fs.DirEntry) int64 {
	info, err := e.Info()
	if err != nil {
		return 0
	}
	return info.Size()
}

// inspectParent looks into the directory above, where rewrites put their temporary files, and where snapshots and old-style files are.
func (s *Set) inspectParent() {
	if s.Dir == "." {
		return
	}
	parent := path.Dir(s.Dir)
	ents, err := fs.ReadDir(s.FS, parent)
	if err != nil {
		return
	}
	for _, e := range ents {
		name, code := e.Name(), FindingCode("")
		switch {
		case e.IsDir():
		case strings.HasPrefix(name, "temp-rewriteaof-") && strings.HasSuffix(name, ".aof"):
			code = FindTemporary
		case name == "dump.rdb":
			code = FindDump
		case name == s.prefix && !s.upgrades(parent):
			code = FindOldStyle
		}
		if code != "" {
			s.add(Finding{Code: code, File: path.Join(parent, name), Offset: -1})
		}
	}
}
