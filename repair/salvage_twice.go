package repair

import (
	"io"
	"slices"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb"
)

// Keys and function libraries that stand twice. A server refuses such a file; of those with one name the last is kept, as it would be if each took the place
// of the one before. The others are intact and left out all the same, so the account names them like what is lost:
//
//	key a | key b | key a | library l | library l
//	duplicate       kept    duplicate   kept

// Duplicate is a key that can be read and is left out, as another one of its name is kept.
type Duplicate struct {
	DB     uint64
	Key    []byte
	Type   rdb.Type
	Offset int64 // of the record
	Kept   int64 // where the record begins that is kept
}

// LostLibrary is a function library that is not kept.
type LostLibrary struct {
	Name   []byte // empty if it is not known
	Offset int64  // of the record
	Code   rdb.Code
}

// library is a function library whose first line can be read.
type library struct {
	cut
	sum dupset.Sum // of the name
}

// library notes a function library.
func (s *salvager) library(f *record) {
	if f.damaged {
		s.loseLibrary(f.start, f.end, f.code)
		return
	}
	s.libs = append(s.libs, library{cut{span{f.start, f.end}, len(s.segs) - 1}, f.sum})
}

// loseLibrary enters a function library that is not kept in the account.
func (s *salvager) loseLibrary(start, end int64, code rdb.Code) {
	s.out.LostLibraries++
	if len(s.out.LibrariesLost) >= s.opt.MaxNames {
		return
	}
	l := LostLibrary{Offset: start, Code: code}
	x := newSmallReader()
	defer x.r.Close()
	x.r.Resume(io.NewSectionReader(s.src, start, end-start), s.probe.position(start))
	if x.head(new(record)) {
		if rec, ok := x.other.(*rdb.Function); ok {
			l.Name = libraryName(rec)
		}
	}
	s.out.LibrariesLost = append(s.out.LibrariesLost, l)
}

// libraryName returns the name of a function library, nothing if it does not say one.
func libraryName(rec *rdb.Function) []byte {
	if rec.PreGA {
		return slices.Clone(rec.Name)
	}
	if _, name, err := rdb.LibraryHeader(rec.Code); err == nil {
		return []byte(name)
	}
	return nil
}

// cutLibraries leaves out all but the last of function libraries with one name.
func (s *salvager) cutLibraries() {
	last := make(map[dupset.Sum]int, len(s.libs))
	for i := range s.libs {
		last[s.libs[i].sum] = i
	}
	for i := range s.libs {
		l := &s.libs[i]
		if last[l.sum] == i {
			s.out.Libraries++
			continue
		}
		s.cuts = append(s.cuts, cut{l.span, s.segmentAt(l.start)})
		s.loseLibrary(l.start, l.end, rdb.CodeFunctionDuplicate)
	}
}

// nameDuplicate adds a key to the list of those that stand twice.
func (s *salvager) nameDuplicate(at, kept int64, db uint64, x *recordReader) {
	if len(s.out.Duplicates) < s.opt.MaxNames && x.entry != nil {
		s.out.Duplicates = append(s.out.Duplicates, Duplicate{DB: db, Key: slices.Clone(x.key), Type: x.entry.Type, Offset: at, Kept: kept})
	}
}

// dropPart gives up a key that was kept in part, as another one of its name is kept: then it is not lost.
func (s *salvager) dropPart(k int) {
	p := s.out.partials[k]
	s.out.partials = slices.Delete(s.out.partials, k, k+1)
	s.out.PartialKeys--
	s.out.Lost = slices.DeleteFunc(s.out.Lost, func(l LostKey) bool { return l.Offset == p.start && l.Kept > 0 })
	g := &s.segs[p.segment]
	g.keys--
	if p.expires {
		g.expires--
	}
}
