package repair

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// A torn record is one whose framing is lost. Its rest stands in the way: elements of a collection can look like records, and those of a
// hash with expiring fields do so exactly, since a field that never expires is a zero byte, a name and a value, just as a string with its key.
// So where such a record begins and how many elements it has is known, its elements are counted to where it must end.
const (
	tornMost   = 1 << 20 // bytes of a record that are looked through
	tornWindow = 512     // bytes behind the beginning of an element in which the next one is looked for
	tornKey    = 8       // evidence for its key
)

// torn returns where the record that failed ends at the latest, 0 if that is not known.
func (g *gap) torn() (end int64) {
	if end := g.ownFields(); end > 0 {
		return max(end, g.tornEnd())
	}
	return g.tornEnd()
}

// tornEnd returns that by what the record says of itself, if its key is one.
func (g *gap) tornEnd() (end int64) {
	p := &g.s.probe
	b := p.view.at(g.failed, tornMost)
	if int64(len(b)) > p.end-g.failed {
		b = b[:p.end-g.failed]
	}
	at := afterModifiers(b)
	if at < 0 || at+16 > len(b) || p.keyText(b[at+1:]) < tornKey {
		return 0
	}
	if rdb.Type(b[at]) == rdb.TypeHashTTL && p.census.table[rdb.TypeHashTTL] == current {
		if end := g.countFields(b, at); end > 0 {
			return end
		}
	}
	return g.otherType(b, at)
}

// otherType supposes that nothing but the type is wrong, and returns where the record ends then. Only values that tell their own end say so.
func (g *gap) otherType(b []byte, at int) int64 {
	p := &g.s.probe
	was := b[at]
	defer func() { b[at] = was }()
	for t := range rdb.Type(opMeta) {
		if p.census.table[t] != current || t == rdb.Type(was) || !packedTypes[t] && !streamTypes[t] && t != rdb.TypeModule2 {
			continue
		}
		b[at] = byte(t)
		p.x.r.ResumeBytes(b, p.position(g.failed))
		var f record
		if !p.x.head(&f) || p.x.value(&f) != nil || f.damaged || f.start != g.failed {
			continue
		}
		if packedTypes[t] || p.census.toldBy(b[p.x.entry.ValueOffset-g.failed:], t) && p.soundHead(f.end, p.view.at(f.end, 1<<10)) >= tailMin {
			return f.end
		}
	}
	return 0
}

// toldBy reports whether a stream or a value of a module, which begins b, is one as far as its beginning tells.
func (c *census) toldBy(b []byte, t rdb.Type) bool {
	v, _, enc, _ := lengthForm(b)
	if streamTypes[t] {
		return !enc && v > 0
	}
	return c.modules[rdb.ModuleID(v)]
}

// countFields returns the end of a hash with expiring fields by its count of fields, of which one is supposed to be damaged: that which
// cannot be read. at is its type in b.
func (g *gap) countFields(b []byte, at int) int64 {
	p := &g.s.probe
	p.x.r.ResumeBytes(b, p.position(g.failed))
	var f record
	if !p.x.head(&f) || f.what != isKey {
		return 0
	}
	value := int(p.x.entry.ValueOffset-g.failed) + 8 // behind the earliest expiry
	if value >= len(b) {
		return 0
	}
	count, n, enc, _ := lengthForm(b[value:])
	if n == 0 || enc || count == 0 || count > tornMost {
		return 0
	}
	seen, last := 0, value+n
	for _, err := range p.x.entry.Elements() {
		if err != nil {
			break
		}
		seen, last = seen+1, int(p.x.r.Offset()-g.failed)
	}
	left, end := int(count)-seen-1, 0
	for i := last + 1; left >= 0 && i < min(last+tornWindow, len(b)); i++ {
		if e := skipFields(b, i, left); e > 0 && (end == 0 || e < end) && p.likelyHead(g.failed+int64(e)) >= tailMin {
			end = e
		}
	}
	if end == 0 {
		return 0
	}
	return g.failed + int64(end)
}

// skipFields returns where so many fields end that begin at index i of b, 0 if they do not. Times of a few milliseconds behind the earliest
// expiry are rare; they would be types.
func skipFields(b []byte, i, n int) int {
	const rare = 2
	few := 0
	for ; n > 0 && i < len(b); n-- {
		t, size, enc, shortest := lengthForm(b[i:])
		if t > 0 && t < 1<<6 {
			few++
		}
		if size == 0 || enc || !shortest || few > rare {
			return 0
		}
		i += size
		for range 2 {
			size := stringSize(b[min(i, len(b)):])
			if size == 0 {
				return 0
			}
			i += size
		}
	}
	if n > 0 || i > len(b) {
		return 0
	}
	return i
}

// stringSize returns how many bytes of b a string takes that begins it, 0 if none does that a server writes.
func stringSize(b []byte) int {
	v, n, enc, shortest := lengthForm(b)
	switch {
	case n == 0 || !shortest:
		return 0
	case enc && v == 3:
		packed, n, enc, shortest := lengthForm(b[1:])
		if n == 0 || enc || !shortest {
			return 0
		}
		_, m, enc, shortest := lengthForm(b[1+n:])
		if m == 0 || enc || !shortest || packed > uint64(len(b)) {
			return 0
		}
		return 1 + n + m + int(packed)
	case enc:
		return 1 + 1<<v
	case v > uint64(len(b)):
		return 0
	}
	return n + int(v)
}

// goOnMost is how many bytes behind a collection are looked at as elements of it, goOnGap if these would have to be all up to a record that is known.
const (
	goOnMost = 4 << 10
	goOnGap  = 1 << 20
)

// fewMore reports whether one or two elements of a collection stand behind it, and then, at next, a record that is known: those of strings come back to its boundary by luck only
// where there are more.
func (p *prober) fewMore(f *record, next int64) bool {
	const few = 2
	if next <= f.end || next-f.end > goOnMost {
		return false
	}
	b := p.view.at(f.end, int(next-f.end))
	if int64(len(b)) < next-f.end {
		return false
	}
	b = b[:next-f.end]
	for range few {
		n := elementSize[f.typ](b)
		if n == 0 || n > len(b) {
			return false
		}
		if b = b[n:]; len(b) == 0 {
			return true
		}
	}
	return false
}

// fieldsGoOn reports whether behind a hash whose fields expire, or one of these, which reads as a string, stand more of them.
func (p *prober) fieldsGoOn(f *record) bool {
	return p.census.table[rdb.TypeHashTTL] == current && f.what == isKey && (f.typ == rdb.TypeHashTTL || f.likeField()) && p.fieldAt(f.end)
}

// elementsGoOn reports whether behind a collection stand more elements such as it has, up to a record: then its count is damaged, or the length of one.
// next is where a record is known to begin behind it, 0 if none is.
func (p *prober) elementsGoOn(f *record, next int64) bool {
	const most, few = goOnMost, 2
	size := elementSize[f.typ]
	if f.what == isKey && f.typ == rdb.TypeModule2 {
		b := p.view.at(f.end, most)
		b = b[:max(0, min(int64(len(b)), p.end-f.end))]
		_, n, _, _ := lengthForm(b) // of a part whose type is now what ends the data
		return moduleParts(b) == partsSure || n > 0 && p.census.table[b[0]] != current && moduleParts(b[n:]) == partsSure
	}
	if f.what != isKey || size == nil {
		return false
	}
	filled := func() bool { return next > f.end && next-f.end <= goOnGap && p.elementsFill(f.end, next, size) }
	if f.typ == rdb.TypeListQuicklist2 && filled() { // of whose nodes the kinds are known
		return true
	}
	if f.typ == rdb.TypeHash && p.fewMore(f, next) {
		return true
	}
	if p.soundHead(f.end, p.view.at(f.end, 1<<10)) >= tailMin {
		return false
	}
	if filled() || p.manyMore(f) {
		return true
	}
	need := float64(tailMin) // more where it is looked for at many places
	for n, at := 1, f.end; at < f.end+most; n++ {
		b := p.view.at(at, most)
		b = b[:max(0, min(int64(len(b)), p.end-at))]
		k := size(b)
		if k == 0 || k > len(b) {
			return false
		}
		at += int64(k)
		if n > few {
			need = headMin
		}
		if p.soundHead(at, p.view.at(at, 1<<10)) >= need {
			return true
		}
	}
	return false
}

// elementsFill reports whether the range between two offsets is elements, the sizes of which are told.
func (p *prober) elementsFill(from, to int64, size func(b []byte) int) bool {
	b := p.view.at(from, int(to-from))
	if int64(len(b)) < to-from {
		return false
	}
	return fills(b[:to-from], size)
}

// fills reports whether all of b is elements, the sizes of which are told.
func fills(b []byte, size func(b []byte) int) bool {
	for len(b) > 0 {
		n := size(b)
		if n == 0 || n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}

// elementsBefore reports whether the gap between two offsets is elements of the collection before it, which was left out for that.
func (g *gap) elementsBefore(from, to int64) bool {
	i := slices.IndexFunc(g.s.doubts, func(d doubtful) bool { return d.end == from && d.why == DoubtEnd })
	if i < 0 || to-from > goOnGap {
		return false
	}
	f := g.s.probe.probe(g.s.doubts[i].start)
	if f == nil || f.end != from || f.what != isKey || f.typ != rdb.TypeListQuicklist2 && f.typ != rdb.TypeHash2 {
		return false
	}
	return to > from && g.s.probe.elementsFill(from, to, elementSize[f.typ])
}

// elementSize says of some types how many bytes an element takes that begins b, 0 if none does.
var elementSize = [256]func(b []byte) int{
	rdb.TypeList: stringSize,
	rdb.TypeSet:  stringSize,
	rdb.TypeHash: func(b []byte) int { return twoSizes(b, stringSize) },
	rdb.TypeZset: func(b []byte) int { return twoSizes(b, scoreSize) },
	rdb.TypeZset2: func(b []byte) int {
		return twoSizes(b, func(b []byte) int { return min(8, len(b)/8*8) })
	},
	rdb.TypeListQuicklist:  stringSize,
	rdb.TypeListQuicklist2: nodeSize,
	rdb.TypeHash2:          fieldSize,
}

// scoreSize returns how many bytes a score written as text takes, as servers before 4.0 wrote them: its length, or one of three numbers that stand for no digits.
func scoreSize(b []byte) int {
	const notDigits = 253 // and up
	switch {
	case len(b) == 0:
		return 0
	case b[0] >= notDigits:
		return 1
	case len(b) <= int(b[0]) || b[0] == 0:
		return 0
	}
	return 1 + int(b[0])
}

// fieldSize is elementSize of a hash whose fields expire, as Valkey writes it: a field, its value and a time, -1 for none.
func fieldSize(b []byte) int {
	n := twoSizes(b, stringSize)
	if n == 0 || len(b)-n < 8 {
		return 0
	}
	if t := b[n : n+8]; binary.LittleEndian.Uint64(t) != math.MaxUint64 && !plausibleTime(t) {
		return 0
	}
	return n + 8
}

// twoSizes returns how many bytes a string and what follows it take, 0 if one of them is not there.
func twoSizes(b []byte, second func(b []byte) int) int {
	n := stringSize(b)
	if n == 0 || n > len(b) {
		return 0
	}
	m := second(b[n:])
	if m == 0 {
		return 0
	}
	return n + m
}

// tornStrings returns where a collection of strings begins that is torn: at the gap's beginning, or where reading failed. It is -1 if there is none.
// Its last strings, an empty one and two more, look like a string with its key.
func (g *gap) tornStrings() int64 {
	for _, from := range []int64{g.gapStart, g.failed, g.damaged} {
		b := g.s.probe.view.at(from, 64)
		at := afterModifiers(b)
		if at >= 0 && (b[at] == byte(rdb.TypeList) || b[at] == byte(rdb.TypeSet) || b[at] == byte(rdb.TypeHash)) {
			return from
		}
		if at >= 0 && b[at] == byte(rdb.TypeHashTTL) && g.s.fieldsPossible() {
			return from
		}
	}
	return -1
}

// tornFields reports whether what is torn is a hash whose fields expire: its last field, if that never does, is just what a string with its key is.
func (g *gap) tornFields(torn int64) bool {
	b := g.s.probe.view.at(torn, 64)
	at := afterModifiers(b)
	return at >= 0 && b[at] == byte(rdb.TypeHashTTL) && g.s.fieldsPossible()
}

// stringsGoOn reports whether a record is rather the last strings of the collection that is torn: strings in a row lead through it to its end without coming
// by its beginning, or they come by and some are empty, as its first one would be.
func (g *gap) stringsGoOn(torn int64, f *record) (through, empty bool) {
	const some = 3
	p := &g.s.probe
	from := min(f.start, max(torn, f.start-tornStringsMost))
	b := p.view.at(from, int(f.end-from))
	if int64(len(b)) < f.end-from || f.end-f.start > tornStringsMost {
		return false, false
	}
	b = b[:f.end-from]
	start := int(f.start - from)
	to, toEnd := longestRun(b, start, -1), longestRun(b, len(b), start)
	least := some + 1
	if p.integerThrough(f.start) {
		least--
	}
	return len(toEnd) >= least && len(toEnd) > len(to), slices.ContainsFunc(to, func(i int) bool { return b[i] == 0 })
}

// lastStrings reports whether a record is the last strings of the collection that could not be read, or is damaged, whatever type that seems to be of: by its count there are so many
// up to where the record ends.
func (g *gap) lastStrings(f *record) bool {
	p := &g.s.probe
	for _, from := range []int64{g.gapStart, g.failed, g.damaged} {
		if from <= 0 || from >= f.start || f.end-from > goOnGap || !g.s.spend(f.end-from) {
			continue
		}
		b := p.view.at(from, int(f.end-from))
		if int64(len(b)) < f.end-from {
			continue
		}
		b = b[:f.end-from]
		at := afterModifiers(b)
		if at < 0 || at+2 > len(b) {
			continue
		}
		key := stringSize(b[at+1:])
		if key == 0 || at+1+key > len(b) {
			continue
		}
		b = b[at+1+key:]
		count, n, enc, _ := lengthForm(b)
		if n == 0 || enc || count < 2 {
			continue
		}
		strings := uint64(0)
		for b = b[n:]; len(b) > 0; strings++ {
			n := stringSize(b)
			if n == 0 || n > len(b) {
				break
			}
			b = b[n:]
		}
		if len(b) == 0 && (strings == count || strings == 2*count) {
			return true
		}
	}
	return false
}

// longestRun returns where strings begin of which the most follow each other up to an index of b, without beginning at another one.
func longestRun(b []byte, end, without int) (starts []int) {
	run := make([]int32, end+1) // strings in a row that lead to the end, and one
	run[end] = 1
	first := end
	for i := end - 1; i >= 0; i-- {
		if n := stringSize(b[i:end]); n > 0 && i != without && i+n <= end && run[i+n] > 0 {
			if run[i] = run[i+n] + 1; run[i] > run[first] {
				first = i
			}
		}
	}
	for i := first; i < end; i += stringSize(b[i:end]) {
		starts = append(starts, i)
	}
	return starts
}

// tornStringsMost is how many bytes before a record are looked at as strings.
const tornStringsMost = 16 << 10

// integerThrough reports whether a string that is written as an integer seems to stand where its last byte is at an offset.
func (p *prober) integerThrough(at int64) bool {
	const most = 4
	b := p.view.at(at-most, most)
	return at >= most && len(b) >= most && (b[0] == 0xC2 || b[2] == 0xC1)
}
