package repair

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// The type of a module is a name and nothing checks it: one with a wrong bit is that of a module that nobody has, and no server loads the file. But vector sets,
// whose module is a part of Redis, tell what they are by their graph. So where a type is that of one key only and of no other data of the file, and the value reads as a
// vector set with elements, it is one whose type is damaged. A checksum that is right says otherwise.

// moduleTypesMost is how many types are told apart; no server has as many modules.
const moduleTypesMost = 1000

// vectorSetID is the type of vector sets, which are part of Redis.
var vectorSetID, _ = rdb.NewModuleID("vectorset", 0)

// moduleUse is the first key of a type of module, or its other data.
type moduleUse struct {
	tail
	value    int64 // where its value begins; 0 if it is no key
	items    int64 // behind the type
	notAlone bool
}

// noteModule notes the type of a module that a key is of, or data outside keys.
func (s *salvager) noteModule(f *record) {
	at := f.start + 1
	switch {
	case f.what == isModuleAux:
	case f.typ != rdb.TypeModule2 || s.keyOf(f) == nil:
		return
	default:
		at = s.probe.x.entry.ValueOffset
	}
	id, n, _, _ := lengthForm(s.probe.view.at(at, 9))
	u, known := s.moduleTypes[rdb.ModuleID(id)]
	switch {
	case rdb.ModuleID(id) == vectorSetID:
		return
	case known:
		u.notAlone = true
	case len(s.moduleTypes) == moduleTypesMost:
		return
	case f.what == isKey:
		u = moduleUse{tail{cut{span{f.start, f.end}, len(s.segs) - 1}, f.expires}, at, at + int64(n), false}
	}
	s.moduleTypes[rdb.ModuleID(id)] = u
}

// cutModules leaves out vector sets of another type.
func (s *salvager) cutModules() {
	if s.out.Family != rdb.Redis || s.out.ChecksumRight || len(s.moduleTypes) == moduleTypesMost {
		return
	}
	uses := slices.SortedFunc(maps.Values(s.moduleTypes), func(a, b moduleUse) int { return cmp.Compare(a.start, b.start) })
	for _, u := range uses {
		if u.value > 0 && !u.notAlone && s.readsAsVectorSet(&u) {
			s.cutDoubtful(u.cut, u.expires, DoubtForm)
		}
	}
}

// readsAsVectorSet reports whether a value is a vector set with elements, but for its type.
func (s *salvager) readsAsVectorSet(u *moduleUse) bool {
	part := func(from, to int64) io.Reader { return io.NewSectionReader(s.src, from, to-from) }
	id := binary.BigEndian.AppendUint64([]byte{0x81}, uint64(vectorSetID))
	x := newRecordReader(s.opt)
	defer x.r.Close()
	x.r.Resume(io.MultiReader(part(u.start, u.value), bytes.NewReader(id), part(u.items, u.end)), s.probe.position(u.start))
	var f record
	if !x.head(&f) || x.entry == nil {
		return false
	}
	elements := false
	err := x.entry.Visit(func(el *rdb.Element) bool {
		elements = elements || el.Kind == rdb.ElementModuleItem && el.Module.Kind == rdb.ModuleString
		return true
	})
	return err == nil && x.fault == nil && elements
}
