package aof

import (
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/kvfsck/kvfsck/internal/ctime"
	"github.com/kvfsck/kvfsck/rdb"
)

// # Files that the manifest does not list
//
// Servers leave files behind that no manifest lists, and people do:
//
//	an empty incr of the next number     a rewrite had opened it, and the manifest was not written yet
//	a base of a higher number            a rewrite had ended, and the manifest was not written yet
//	that and an incr of the next number  the same of the first rewrite after the log was turned on: it was a temporary incr until then
//	bases and incrs of lower numbers     of a copy that was put over another one
//	incrs of higher numbers, old ones    a server had started without a manifest, and counts from 1 again
//
// But for that no server has ever written a byte to an incr that its manifest did not list: the manifest is written before. So an incr with bytes
// in it whose number continues those that are listed is one whose line was lost, unless it is older than the base. So is a base where none is
// listed, as servers always make one.

// lostLines returns the names of the files whose lines the manifest seems to have lost.
func (s *Set) lostLines(ents []fs.DirEntry) map[string]bool {
	lost := map[string]bool{}
	if s.Fault != nil || slices.ContainsFunc(s.Files, func(f File) bool { return errors.Is(f.Err, fs.ErrNotExist) }) {
		return lost // then the manifest and the files are not of one time
	}
	base := s.Manifest.Base()
	listed, first, last := map[int64]bool{}, int64(0), int64(0)
	for _, e := range s.Manifest.Of(Incr) {
		if listed[e.Seq] = true; first == 0 {
			first = e.Seq
		}
		last = e.Seq
	}
	incrs, older, newer := map[int64]fs.DirEntry{}, false, false
	for _, e := range ents {
		n, ok := s.parseName(e.Name())
		switch {
		case !ok || e.IsDir() || s.lists(e.Name()) || size(e) == 0:
		case n.typ == Incr:
			incrs[n.seq] = e
		case base == nil:
			lost[e.Name()] = true
		default:
			older, newer = older || n.seq < base.Seq, newer || n.seq > base.Seq
		}
	}
	made, hasMade := s.baseMade()
	inBase := func(e fs.DirEntry) bool {
		info, err := e.Info()
		return err == nil && hasMade && !info.ModTime().IsZero() && info.ModTime().Unix() < made
	}
	for seq, e := range incrs {
		if first == 0 && !inBase(e) && !newer || seq > first && seq < last {
			lost[e.Name()] = true
		}
	}
	if first == 0 {
		return lost
	}
	for seq := last + 1; incrs[seq] != nil && !inBase(incrs[seq]) && !newer; seq++ {
		lost[incrs[seq].Name()] = true
	}
	for seq := first - 1; incrs[seq] != nil && !inBase(incrs[seq]) && !older; seq-- {
		lost[incrs[seq].Name()] = true
	}
	return lost
}

// baseMade returns when the RDB of the base was made, as far as that is known.
func (s *Set) baseMade() (at int64, ok bool) {
	base := s.Manifest.Base()
	if base == nil {
		return 0, false
	}
	f, err := s.FS.Open(path.Join(s.Dir, base.Name))
	if err != nil {
		return 0, false
	}
	defer f.Close()
	return ctime.Of(rdb.NewReaderOptions(f, rdb.ReaderOptions{Window: 4 << 10}))
}
