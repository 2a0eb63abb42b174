package repair

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
)

// # Lines that a manifest has lost
//
// A manifest without fault may still have lost a line as a whole; then a file lies beside that continues the set and is not listed. It may
// as well be left over, and its commands come from another time. So it is asked, unless the times tell that the file is older than the base.

// lostLines takes the files whose lines are lost into the set, or leaves them out of it, as was asked for. Where nothing was, it blocks.
func (s *SalvagedSet) lostLines(ctx context.Context, fsys fs.FS, files []aof.File, asked int) ([]aof.File, error) {
	bases, incrs, err := s.unlisted(ctx, fsys)
	if err != nil || len(bases)+len(incrs) == 0 {
		return files, err
	}
	var sets [][]aof.File
	add := func(with []aof.File, why string) {
		c := SetChoice{Why: why}
		for _, f := range with {
			if f.Type == aof.Base {
				c.Base = f.Name
			} else {
				c.Incrs = append(c.Incrs, f.Name)
			}
		}
		s.Choices, sets = append(s.Choices, c), append(sets, with)
	}
	all := slices.Concat(files, incrs)
	slices.SortStableFunc(all, func(a, b aof.File) int {
		if a.Type != b.Type {
			return int(a.Type) - int(b.Type) // 'b' stands before 'i'
		}
		return int(min(max(a.Seq-b.Seq, -1), 1))
	})
	const lost, over = "the manifest has lost a line", "what the manifest lists; what it does not is left over"
	left := 0 // the answer that leaves them out
	if len(bases) == 0 && startLikeListed(fsys, incrs, files) {
		add(files, over+": it begins as what is listed does, as a repair in place leaves it that was interrupted")
		left = 1
	}
	for i := len(bases) - 1; i >= 0; i-- {
		add(slices.Concat(bases[i:i+1], all), lost)
	}
	if len(bases) == 0 {
		add(all, lost)
	}
	if left == 0 {
		add(files, over)
		left = len(sets)
	}
	var found []string
	for _, f := range slices.Concat(bases, incrs) {
		found = append(found, f.Name)
	}
	names := strings.Join(found, ", ")
	switch n := len(sets); {
	case asked > n:
		s.Blocked = fmt.Sprintf("there is no answer %d: there are %d", asked, n)
	case asked == left:
		s.leftOver += len(found)
	case asked > 0:
		files = sets[asked-1]
		s.relist(files)
	default:
		s.Blocked = fmt.Sprintf("the manifest does not list %s: it may have lost the line, or the file is left over: choose one of %d sets", names, n)
	}
	return files, nil
}

// startLikeListed reports whether each of some incrs begins as one of those listed does, that behind the last one.
func startLikeListed(fsys fs.FS, incrs, listed []aof.File) bool {
	at := 0
	for i := range incrs {
		b := startOf(fsys, incrs[i].Path)
		for ; at < len(listed); at++ {
			if listed[at].Type == aof.Incr && startAlike(b, startOf(fsys, listed[at].Path)) {
				break
			}
		}
		if at++; at > len(listed) {
			return false
		}
	}
	return len(incrs) > 0
}

// startAlike reports whether one of two beginnings of files is all of the other, or they go apart where logs of two times would have done so before.
func startAlike(a, b []byte) bool {
	const much = 256
	least, n := min(len(a), len(b)), 0
	for n < least && a[n] == b[n] {
		n++
	}
	return least > 0 && n >= min(least, much)
}

// startOf returns the beginning of a file, nothing if it cannot be read.
func startOf(fsys fs.FS, name string) []byte {
	const size = 4 << 10
	f, err := fsys.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, size)
	n, _ := io.ReadFull(f, b) // a file may be shorter
	return b[:n]
}

// unlisted looks at the files whose lines the manifest seems to have lost, and returns those that are not older than the base, by their numbers.
func (s *SalvagedSet) unlisted(ctx context.Context, fsys fs.FS) (bases, incrs []aof.File, err error) {
	var base *setFile
	for _, f := range s.Set.Findings {
		if f.Code != aof.FindLineLost && f.Code != aof.FindAdoptable {
			continue
		}
		name := path.Base(f.File)
		n, _ := parseSetName(name)
		u := setFile{name: name, path: f.File}
		u.Type = n.typ
		if err := u.look(ctx, fsys); ctx.Err() != nil || u.info == nil {
			return nil, nil, cmp.Or(ctx.Err(), err)
		} // one that cannot be read is not known to be older
		if listed := s.Manifest.Base(); listed != nil && base == nil {
			base = &setFile{name: listed.Name, path: path.Join(s.Dir, listed.Name)}
			base.Type = aof.Base
			if err := base.look(ctx, fsys); err != nil {
				base.hasMade = false
			}
		}
		file := aof.File{Path: f.File, Name: name, Type: n.typ, Seq: n.seq, Size: u.info.Size(), RDB: u.rdb}
		switch {
		case n.typ == aof.Base:
			bases = append(bases, file)
		case base == nil || u.relation(base) != inBase:
			incrs = append(incrs, file)
		default:
			s.leftOver++
		}
	}
	bySeq := func(a, b aof.File) int { return cmp.Compare(a.Seq, b.Seq) }
	slices.SortFunc(bases, bySeq)
	slices.SortFunc(incrs, bySeq)
	return bases, incrs, nil
}

// relist makes a manifest that lists the files, with what the one that was found says of them.
func (s *SalvagedSet) relist(files []aof.File) {
	m := &aof.Manifest{Comments: s.Manifest.Comments}
	for _, e := range s.Manifest.Entries {
		if e.Type == aof.History {
			m.Entries = append(m.Entries, e)
		}
	}
	for _, f := range files {
		e := aof.ManifestEntry{Name: f.Name, Seq: f.Seq, Type: f.Type, StartOffset: aof.NoOffset, EndOffset: aof.NoOffset}
		if f.Entry != nil {
			e = *f.Entry
		} else {
			s.Notes = append(s.Notes, f.Path+" is listed again")
		}
		m.Entries = append(m.Entries, e)
	}
	s.Manifest, s.Rebuilt = m, true
}
