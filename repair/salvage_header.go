package repair

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/rdb"
)

// readHeader decides whose file it is and of which version. The header says so; where it is damaged, the writer's own version does, which is
// among the first fields of the file.
func (s *salvager) readHeader() {
	b := s.probe.view.at(0, 4<<10)
	family, version, ok := headerOf(b)
	written := writerOf(b)
	out := &s.out
	switch {
	case ok && family == rdb.Redis && (version < firstHinted && written > 0 || written > version && (written < rdb.MinValkeyVersion || version < forReplicas)):
		out.HeaderDamaged = true // a version without such fields, or older than its writer writes
		family, version = familyOf(written), written
	case ok && family == rdb.Redis && written >= rdb.MinValkeyVersion && s.firstTypes(rdb.Valkey, written)[rdb.TypeHash2] >= agreeing:
		out.HeaderDamaged, family, version = true, rdb.Valkey, written // others cannot read such hashes
	case ok && family == rdb.Redis && version < firstHinted && beginsWithField(b[headerSize:]):
		out.HeaderDamaged, s.guessed = true, true
		family, version = s.likeliest()
	case ok && family == rdb.Valkey && written > 0 && written < rdb.MinValkeyVersion:
		out.HeaderDamaged, family, version = true, rdb.Redis, written // servers of Valkey that write such files say so
	case ok:
	case written > 0:
		out.HeaderDamaged, family, version = true, familyOf(written), written
	case bytes.HasPrefix(b, []byte("VAL")):
		out.HeaderDamaged, s.guessed = true, true
		family, version = rdb.Valkey, rdb.MaxValkeyVersion
	default:
		out.HeaderDamaged, s.guessed = true, true
		family, version = s.likeliest()
	}
	out.Family, out.Version = family, version
	if newer := s.newerThan(family, version); newer > version {
		out.HeaderDamaged, out.Version = true, newer
	}
	if s.size >= headerSize && (!out.HeaderDamaged || nearMagic(b)) {
		s.pos, s.done = headerSize, headerSize
		s.mark(0, headerSize, RegionHeader)
	}
}

// forReplicas is the version of the files that servers of Valkey write for others which cannot read theirs.
const forReplicas = 11

func familyOf(version int) rdb.Family {
	if version >= rdb.MinValkeyVersion {
		return rdb.Valkey
	}
	return rdb.Redis
}

// headerOf reads the header.
func headerOf(b []byte) (f rdb.Family, version int, ok bool) {
	if len(b) < headerSize {
		return 0, 0, false
	}
	digits, low, high := b[5:headerSize], rdb.MinVersion, rdb.MaxRedisVersion
	switch {
	case bytes.HasPrefix(b, []byte("REDIS")):
	case bytes.HasPrefix(b, []byte("VALKEY")):
		f, digits, low, high = rdb.Valkey, b[6:headerSize], rdb.MinValkeyVersion, rdb.MaxValkeyVersion
	default:
		return 0, 0, false
	}
	version, err := strconv.Atoi(string(digits))
	return f, version, err == nil && version >= low && version <= high
}

// nearMagic reports whether the first nine bytes are a damaged header, not records.
func nearMagic(b []byte) bool {
	same := func(magic string) (n int) {
		for i := range magic {
			if b[i] == magic[i] {
				n++
			}
		}
		return n
	}
	if len(b) > headerSize && b[headerSize] == opAux {
		return true
	}
	return len(b) >= headerSize && max(same("REDIS00"), same("VALKEY0")) >= 3
}

// writerOf finds the version of the format that the writer of the file uses, 0 if the fields do not tell. These follow the header, or a damaged one within a few bytes of it: values
// may hold whole files with fields of their own.
func writerOf(b []byte) (version int) {
	const moved = 64
	if _, _, ok := headerOf(b); ok {
		return writerAt(b[headerSize:])
	}
	for i := 0; i < min(len(b), moved) && version == 0; i++ {
		version = writerAt(b[i:])
	}
	return version
}

// writerAt is writerOf for the fields that begin b.
func writerAt(b []byte) (version int) {
	for version == 0 && len(b) > 1 && b[0] == opAux {
		b = b[1:]
		if v, ok := bytes.CutPrefix(b, []byte("\x0avalkey-ver")); ok {
			version = writtenBy(v, true)
		} else if v, ok := bytes.CutPrefix(b, []byte("\x09redis-ver")); ok {
			version = writtenBy(v, false)
		}
		n := twoSizes(b, stringSize)
		if n == 0 || n > len(b) {
			break
		}
		b = b[n:]
	}
	return version
}

// beginsWithField reports whether b begins with a field that servers write.
func beginsWithField(b []byte) bool {
	if len(b) < 2 || b[0] != opAux {
		return false
	}
	n := stringSize(b[1:])
	return n > 1 && n < len(b) && knownFields[string(b[2:1+n])]
}

// writtenBy returns the version of the format that a server uses whose own version is the string at b.
func writtenBy(b []byte, valkey bool) (version int) {
	if len(b) < 1 || b[0] > 20 || len(b) < 1+int(b[0]) {
		return 0
	}
	return versionOf(string(b[1:1+int(b[0])]), valkey)
}

// versionOf is writtenBy for the string itself.
func versionOf(server string, valkey bool) (version int) {
	parts := strings.Split(server, ".")
	if len(parts) < 3 {
		return 0
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil || major > 200 {
		return 0 // 255.255.255 is a build between releases
	}
	if !valkey && minor == 9 { // 7.9 is a candidate of 8.0
		major, minor = major+1, 0
	}
	for _, w := range writers {
		if w.valkey == valkey && (major > w.major || major == w.major && minor >= w.minor) {
			return w.version
		}
	}
	return 0
}

// agreeing is how many records of a kind there must be so that none of them is damage.
const agreeing = 3

// firstTypes counts the first keys by their types, as far as they can be read as those of a version.
func (s *salvager) firstTypes(f rdb.Family, version int) (keys [256]int) {
	const records = 4096
	x := newRecordReader(s.opt)
	defer x.r.Close()
	x.r.Resume(io.NewSectionReader(s.src, headerSize, max(0, s.size-headerSize)), rdb.Position{Offset: headerSize, Family: f, Version: version})
	var r record
	for n := 0; n < records && x.head(&r) && r.start < viewSize && r.what != isEnd; n++ {
		if r.what == isKey {
			keys[r.typ]++
		}
	}
	return keys
}

// newerThan returns the version that the first records of the file must be of, if the one believed has no such records and several
// agree; else the version believed.
func (s *salvager) newerThan(f rdb.Family, version int) int {
	if f == rdb.Valkey {
		return version
	}
	first := map[int]int{}
	for t, n := range s.firstTypes(rdb.Redis, rdb.MaxRedisVersion) {
		first[typeVersions[rdb.Type(t)].first] += n
	}
	needed := version
	for v, n := range first {
		if n >= agreeing {
			needed = max(needed, v)
		}
	}
	if b := s.probe.view.at(s.size-headerSize, headerSize); version < firstChecked && len(b) >= headerSize && b[0] == opEOF && b[headerSize-1] != opEOF {
		needed = max(needed, firstChecked+1)
	}
	for _, w := range []int{6, 7, 8, 9, 10, 11, 12, 13, 14} {
		if needed > version && w >= needed {
			return w
		}
	}
	return version
}

// idleFirst reports whether nearly all of the first keys have idle times, or access counters, as servers with some settings write them for all: what the walk would know of no
// key before some came.
func (s *salvager) idleFirst() (idle, freqs bool) {
	const most = 64
	x := newRecordReader(s.opt)
	defer x.r.Close()
	x.r.Resume(io.NewSectionReader(s.src, headerSize, max(0, s.size-headerSize)), s.probe.position(headerSize))
	var r record
	c := census{}
	for x.head(&r) && r.start < viewSize && r.what != isEnd && c.keys < most {
		if r.what == isKey {
			c.countKey(r.typ, r.expires, x.entry.Idle >= 0, x.entry.Freq >= 0)
		}
	}
	return c.usually(c.idle), c.usually(c.freqs)
}
