package repair

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// big reports whether the long form of the tests was asked for.
func big() bool { return os.Getenv("KVFSCK_BIG") == "1" }

// original is a sound file and its keys.
type original struct {
	name   string
	bytes  []byte
	keys   []sourceKey
	at     map[int64]int // key by the offset of its record
	names  map[string]bool
	family rdb.Family
}

type sourceKey struct {
	start, end int64
	db         uint64
	key        string
}

func newOriginal(t testing.TB, name string, b []byte) *original {
	o := &original{name: name, bytes: b, at: map[int64]int{}, names: map[string]bool{}}
	faults := 0
	r := rdb.NewReaderOptions(bytes.NewReader(b), rdb.ReaderOptions{OnFault: func(e *rdb.FormatError) error {
		if e.Server() != rdb.Accepts {
			faults++
		}
		return nil
	}})
	for r.Next() {
		if h, ok := r.Record().(*rdb.Header); ok {
			o.family = h.Family
		}
		if e, ok := r.Record().(*rdb.Entry); ok {
			k := sourceKey{start: e.Offset, db: e.DB, key: string(e.Key)}
			if err := e.Check(); err != nil || faults > 0 {
				return nil // a test file of others, damaged on purpose
			}
			k.end = e.End()
			o.at[k.start] = len(o.keys)
			o.keys = append(o.keys, k)
			o.names[k.key] = true
		}
	}
	if r.Err() != nil {
		return nil
	}
	return o
}

// damaged is a damaged copy of a file that knows where each of its bytes comes from.
type damaged struct {
	*original
	kind  string
	bytes []byte
	from  []int32 // offset in the original, -1 for bytes that were not there
	put   [2]int  // from where to where bytes of another file stand, both 0 if none do
}

func newDamaged(o *original, kind string) *damaged {
	d := &damaged{original: o, kind: kind, bytes: slices.Clone(o.bytes), from: make([]int32, len(o.bytes))}
	for i := range d.from {
		d.from[i] = int32(i)
	}
	return d
}

// splice replaces [i, j) by bytes that were not there; those equal to what they replace are taken as untouched.
func (d *damaged) splice(i, j int, b []byte) {
	from := make([]int32, len(b))
	for k := range from {
		from[k] = -1
		if len(b) == j-i && d.bytes[i+k] == b[k] {
			from[k] = d.from[i+k]
		}
	}
	d.bytes = slices.Concat(d.bytes[:i], b, d.bytes[j:])
	d.from = slices.Concat(d.from[:i], from, d.from[j:])
}

// move replaces [i, j) by a copy of [k, l).
func (d *damaged) move(i, j, k, l int) {
	b, from := slices.Clone(d.bytes[k:l]), slices.Clone(d.from[k:l])
	if l-k == j-i {
		for x := range b {
			if d.bytes[i+x] == b[x] {
				from[x] = d.from[i+x]
			}
		}
	}
	d.bytes = slices.Concat(d.bytes[:i], b, d.bytes[j:])
	d.from = slices.Concat(d.from[:i], from, d.from[j:])
}

// intactAt reports whether the original's key k stands whole at an offset of the damaged file.
func (d *damaged) intactAt(at int64, k *sourceKey) bool {
	if at+k.end-k.start > int64(len(d.from)) {
		return false
	}
	for i := k.start; i < k.end; i++ {
		if int64(d.from[at+i-k.start]) != i {
			return false
		}
	}
	return true
}

// untouched returns the keys whose records stand whole somewhere in the damaged file before its original end.
func (d *damaged) untouched() map[int]bool {
	set := map[int]bool{}
	for at, from := range d.from {
		if k, ok := d.at[int64(from)]; ok && from >= 0 && !set[k] && d.intactAt(int64(at), &d.keys[k]) {
			set[k] = true
		}
	}
	return set
}

// score is what became of the keys of damaged files.
type score struct {
	files, failed                      int
	untouched, found, wrongDB          int
	inPlace, cutShort, invented, extra int
	doubtful, damagedNamed             int64
	lost                               []string
	bad                                []string
}

func (s *score) add(o *score) {
	s.files += o.files
	s.failed += o.failed
	s.untouched += o.untouched
	s.found += o.found
	s.wrongDB += o.wrongDB
	s.inPlace += o.inPlace
	s.cutShort += o.cutShort
	s.invented += o.invented
	s.extra += o.extra
	s.doubtful += o.doubtful
	s.damagedNamed += o.damagedNamed
}

func (s *score) String() string {
	return fmt.Sprintf("files %5d  untouched %7d  recovered %7d (%.4f%%)  other db %4d  altered in place %5d  beginning lost %3d  invented %3d  failed %d",
		s.files, s.untouched, s.found, 100*float64(s.found)/max(1, float64(s.untouched)), s.wrongDB, s.inPlace, s.cutShort, s.invented, s.failed)
}

// rate salvages a damaged file and compares the result with the original.
func rate(t testing.TB, d *damaged) (sc score, s *Salvaged) {
	sc.files = 1
	s, err := Salvage(context.Background(), bytes.NewReader(d.bytes), int64(len(d.bytes)), SalvageOptions{})
	require.NoError(t, err)
	untouched := d.untouched()
	sc.untouched = len(untouched)
	sc.doubtful, sc.damagedNamed = s.DoubtfulKeys, s.DamagedKeys
	seen := map[int]bool{}
	for _, g := range s.out {
		for _, p := range g.pieces {
			r := rdb.NewReader(nil)
			r.Resume(io.NewSectionReader(s.source(), p.start, p.end-p.start), rdb.Position{Offset: s.lead + p.start, Family: s.Family, Version: s.Version})
			for r.Next() {
				e, ok := r.Record().(*rdb.Entry)
				if !ok {
					continue
				}
				if err := e.Check(); err != nil {
					sc.bad = append(sc.bad, fmt.Sprintf("%s %s: kept damaged %q: %v", d.name, d.kind, e.Key, err))
					sc.invented++
				}
				sc.judge(d, e, g.db, untouched, seen)
			}
		}
	}
	for k := range untouched {
		if seen[k] {
			sc.found++
		} else if !otherOfName(d, s, k, seen) {
			key := &d.keys[k]
			sc.lost = append(sc.lost, fmt.Sprintf("%s %s: %q at %d", d.name, d.kind, key.key[:min(len(key.key), 40)], key.start))
		} else {
			sc.found++
		}
	}
	sc.verify(t, d, s)
	return sc, s
}

// otherOfName reports whether a duplicate of key k was kept in its place, as where two keys were made equal by the damage.
func otherOfName(d *damaged, s *Salvaged, k int, seen map[int]bool) bool {
	if s.DuplicateKeys == 0 {
		return false
	}
	for j := range seen {
		if d.keys[j].key == d.keys[k].key {
			return true
		}
	}
	return s.keptNames()[d.keys[k].key]
}

// keptNames are the names of all keys that are kept.
func (s *Salvaged) keptNames() map[string]bool {
	names := map[string]bool{}
	for _, g := range s.out {
		for _, p := range g.pieces {
			r := rdb.NewReader(nil)
			r.Resume(io.NewSectionReader(s.source(), p.start, p.end-p.start), rdb.Position{Offset: p.start, Family: s.Family, Version: s.Version})
			for r.Next() {
				if e, ok := r.Record().(*rdb.Entry); ok {
					names[string(e.Key)] = true
				}
			}
		}
	}
	return names
}

// judge says what a key that was kept is.
func (sc *score) judge(d *damaged, e *rdb.Entry, db uint64, untouched, seen map[int]bool) {
	start, end := e.Offset, e.End()
	from := int64(d.from[start])
	if k, ok := d.at[from]; ok && from >= 0 && end-start == d.keys[k].end-d.keys[k].start && d.intactAt(start, &d.keys[k]) {
		seen[k] = true
		if db != d.keys[k].db {
			sc.wrongDB++
		}
		return
	}
	for i := range d.keys {
		k := &d.keys[i]
		if end-start == k.end-k.start && d.within(start, end, k.start) {
			sc.inPlace++
			return
		}
		if k.key == string(e.Key) && d.sameValue(k, start) {
			sc.inPlace++ // written otherwise
			return
		}
		if from == k.start && int64(d.from[end-1]) == k.end-1 {
			sc.inPlace++ // well-formed all the same, from its first byte to its last
			return
		}
		if d.names[string(e.Key)] && k.key == string(e.Key) && int64(d.from[end-1]) == k.end-1 {
			sc.cutShort++
			sc.bad = append(sc.bad, fmt.Sprintf("%s %s: beginning lost %q at %d", d.name, d.kind, e.Key, start))
			return
		}
	}
	if d.inserted(start, end) {
		sc.extra++ // a whole record that was put in
		return
	}
	sc.invented++
	sc.bad = append(sc.bad, fmt.Sprintf("%s %s: invented %q (%v) at %d..%d", d.name, d.kind, e.Key[:min(len(e.Key), 60)], e.Type, start, end))
}

// inserted reports whether a range is of another file, or was not there before.
func (d *damaged) inserted(start, end int64) bool {
	if int64(d.put[0]) <= start && end <= int64(d.put[1]) {
		return true
	}
	for _, from := range d.from[start:end] {
		if from >= 0 {
			return false
		}
	}
	return true
}

// sameValue reports whether the key at an offset of the damaged file has the value and the expiry that the original's key k has.
func (d *damaged) sameValue(k *sourceKey, at int64) bool {
	read := func(b []byte, at int64) (rdb.Value, int64) {
		r := rdb.NewReader(nil)
		r.ResumeBytes(b[at:], rdb.Position{Offset: at, Family: d.family, Version: 13})
		if !r.Next() {
			return nil, 0
		}
		e, ok := r.Record().(*rdb.Entry)
		if !ok {
			return nil, 0
		}
		v, err := e.Value()
		if err != nil {
			return nil, 0
		}
		return v, e.ExpireAt
	}
	v, expires := read(d.original.bytes, k.start)
	w, expiresToo := read(d.bytes, at)
	return v != nil && expires == expiresToo && reflect.DeepEqual(v, w)
}

// within reports whether [start, end) is the record at an original offset with some bytes changed in their places.
func (d *damaged) within(start, end, at int64) bool {
	same := 0
	for i := start; i < end; i++ {
		if int64(d.from[i]) == at+i-start {
			same++
		}
	}
	return same > 0 && int64(same) >= (end-start)/2
}

// verify demands that the output is what a server loads.
func (sc *score) verify(t testing.TB, d *damaged, s *Salvaged) {
	var out bytes.Buffer
	_, err := s.WriteTo(&out)
	require.NoError(t, err)
	rep, err := rdb.Verify(context.Background(), bytes.NewReader(out.Bytes()), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Hints: true})
	for _, f := range rep.Faults {
		if f.Server() != rdb.Accepts || f.Code == rdb.CodeResizeDB || f.Code == rdb.CodeTrailing {
			sc.failed = 1
			sc.bad = append(sc.bad, fmt.Sprintf("%s %s: output: %v", d.name, d.kind, f))
			break
		}
	}
	if err != nil && sc.failed == 0 || rep.Keys != s.Keys {
		sc.failed = 1
		sc.bad = append(sc.bad, fmt.Sprintf("%s %s: output: %v, %d keys, claimed %d", d.name, d.kind, err, rep.Keys, s.Keys))
	}
	last := int64(0)
	for _, r := range s.Regions {
		if r.Start != last {
			sc.failed = 1
			sc.bad = append(sc.bad, fmt.Sprintf("%s %s: map: hole at %d: %v", d.name, d.kind, last, s.Regions))
			break
		}
		last = r.End
	}
	if last != s.Size && sc.failed == 0 {
		sc.failed = 1
		sc.bad = append(sc.bad, fmt.Sprintf("%s %s: map ends at %d of %d", d.name, d.kind, last, s.Size))
	}
}

// tally is what salvages of several kinds of damage came to.
type tally struct {
	t         testing.TB
	scores    map[string]*score
	lost, bad []string
}

func newTally(t testing.TB) *tally { return &tally{t: t, scores: map[string]*score{}} }

// try rates the salvage of a damaged file.
func (a *tally) try(kind string, d *damaged) {
	sc, _ := rate(a.t, d)
	if a.scores[kind] == nil {
		a.scores[kind] = &score{}
	}
	a.scores[kind].add(&sc)
	a.lost, a.bad = append(a.lost, sc.lost...), append(a.bad, sc.bad...)
}

// table prints scores by kind and returns their sum.
func table(t testing.TB, scores map[string]*score) *score {
	total := &score{}
	for _, kind := range slices.Sorted(maps.Keys(scores)) {
		total.add(scores[kind])
		t.Logf("%-16s %v", kind, scores[kind])
	}
	t.Logf("%-16s %v", "all", total)
	return total
}

// report prints one line for each file that something is to be said about.
func report(t testing.TB, what string, lines []string) {
	count, first := map[string]int{}, map[string]string{}
	var files []string
	for _, l := range lines {
		file, rest, _ := strings.Cut(l, ": ")
		if count[file]++; count[file] == 1 {
			files = append(files, file)
			first[file] = rest
		}
	}
	for i, f := range files {
		files[i] = fmt.Sprintf("%s: %d: %s", f, count[f], first[f])
	}
	if len(files) > 0 {
		t.Logf("%s:\n  %s", what, strings.Join(files, "\n  "))
	}
}
