package repair

import (
	"slices"
	"sort"

	"github.com/kvfsck/kvfsck/rdb"
)

// A file whose version nothing tells is written as the oldest one that has all that is kept of it: servers read what is older than their own, and refuse what is
// newer. What is kept is known when all is decided, so the walk notes where the first records stand that need a version:
//
//	needs   where
//	  9     120, 3072                one with an idle time, a stream
//	 10     9, 40, 75, 131, ...      listpacks, and there are more
//	 14     2210                     misread, and left out later
//
// A version below oldestGuess nothing calls for: it is that of servers without checksums.
const (
	oldestGuess = 6
	neededMost  = 64 // records noted of each version
)

// versionUse is where the first records stand that need a version.
type versionUse struct {
	at   []int64
	many bool // there are more
}

// needs notes that a record which is kept needs a version.
func (s *salvager) needs(version int, at int64) {
	if !s.guessed || version <= oldestGuess {
		return
	}
	u := &s.needed[version]
	if u.many = u.many || len(u.at) >= neededMost; !u.many {
		u.at = append(u.at, at)
	}
}

// needsRun is needs of the keys of a run, of which it is not told where each stands. Where some have idle times those may, too.
func (s *salvager) needsRun(k *keyRun) {
	for _, t := range k.types {
		s.needed[typeVersions[t.typ].first].many = true
	}
	if s.census.idle+s.census.freqs > 0 {
		s.needed[opcodeVersions[opIdle].first].many = true
	}
}

// needsRecord is needs of a record.
func (s *salvager) needsRecord(f *record) {
	if s.guessed {
		s.needs(f.version(), f.start)
	}
}

// version is the first one that has such records.
func (f *record) version() int {
	if f.what == isKey {
		return max(typeVersions[f.typ].first, int(f.modifiers))
	}
	return opcodeVersions[opcodes[f.what]].first
}

// modifiersVersion is the first one that has what stands before the type of a key, 0 if all have it.
func modifiersVersion(e *rdb.Entry) uint8 {
	switch {
	case e.Meta != nil:
		return uint8(opcodeVersions[opMeta].first)
	case e.Idle >= 0 || e.Freq >= 0:
		return uint8(opcodeVersions[opIdle].first)
	}
	return 0
}

// opcodes are those of records that are no keys.
var opcodes = [...]byte{
	isAux: opAux, isSelect: opSelectDB, isResize: opResizeDB, isSlot: opSlotInfo, isSlotField: opAux, isImport: opMeta, isFunction: opFunction, isModuleAux: opModuleAux, isEnd: opEOF,
}

// settleVersion replaces a version that was guessed by the oldest one that has all that is written.
func (s *salvager) settleVersion() {
	if !s.guessed || s.out.Family != rdb.Redis {
		return
	}
	version, least := len(s.needed)-1, oldestGuess
	if s.hinted > 0 {
		least = firstHinted
	}
	for version > least && !s.needed[version].many && !slices.ContainsFunc(s.needed[version].at, s.written) {
		version--
	}
	s.out.Version = version
}

// written reports whether the record at an offset is written, when all is decided.
func (s *salvager) written(at int64) bool {
	if s.partialAt(at) >= 0 {
		return true
	}
	pieces := s.segs[s.segmentAt(at)].pieces
	i := sort.Search(len(pieces), func(i int) bool { return pieces[i].end > at })
	return i < len(pieces) && pieces[i].start <= at
}
