package rdb

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/kvfsck/kvfsck/rdb/internal/intset"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// Which type a collection becomes, by version:
//
//	          6                7           8, 9        10              11              12, 13             80
//	list      ziplist 10 or    quicklist   the same    quicklist 2 18  the same        the same           the same
//	          linkedlist 1     14
//	set       intset 11 or     the same    the same    the same        also listpack   the same           the same
//	          hash table 2                                             20
//	zset      ziplist 12 or    the same    12 or       listpack 17     the same        the same           the same
//	          skiplist 3                   skiplist 5  or 5
//	hash      ziplist 13 or    the same    the same    listpack 16     the same        with field expiry  with field expiry
//	          hash table 4                             or 4                            25 or 24           22
//
// The packed form is taken within the limits, as a server does that was given the elements one by one.

// maxPacked is the size that no packed encoding reaches: servers refuse to make larger ones and put such collections, and items of lists
// that are this long, into plain forms. (Redis 7.0 listpack.c, LISTPACK_MAX_SAFETY_SIZE, and quicklist.c, packed_threshold; less what
// header, end and one entry's head and backlen take.)
const maxPacked = 1<<30 - 64

// extent is what the choice of an encoding depends on.
type extent struct {
	elements int
	long     int   // size of the longest string
	total    int64 // size of all, with more than an entry's head and backlen for each
}

func (x *extent) add(p []byte) {
	x.long = max(x.long, len(p))
	x.total += int64(len(p)) + packedOverhead
}

const packedOverhead = 16

// within reports whether a collection within the limits, of so many elements with strings of at most so many bytes, may be packed.
func (x *extent) within(elements, size int) bool {
	return x.elements <= elements && x.long <= size && x.total <= maxPacked
}

// packer is a writer of one of the packed encodings.
type packer interface {
	Reset(dst []byte)
	Add(s []byte)
	AddInt(v int64)
	Len() int
	Size() int
	Finish() ([]byte, error)
}

// packer begins a packed encoding of the kind that the version has.
func (e *encoder) packer() packer {
	var w packer = &e.lp
	if e.target < Version10 {
		w = &e.zl
	}
	w.Reset(e.blob[:0])
	return w
}

// packed writes a packed encoding as a string. Its size was bounded by choose, so that Finish has nothing to object to.
func (e *encoder) packed(w packer) {
	e.blob, _ = w.Finish()
	e.str(e.blob)
	e.spill()
}

func (e *encoder) chooseList(l List) (Type, error) {
	if len(l) == 0 {
		return 0, e.omitKey(FeatureEmpty)
	}
	x := extent{elements: len(l)}
	for _, item := range l {
		x.add(item)
	}
	switch {
	case e.target >= Version10:
		return TypeListQuicklist2, nil
	case e.target >= Version7:
		if x.long > maxPacked {
			return 0, e.unsupported(FeatureValue, "an item of 1 GiB")
		}
		return TypeListQuicklist, nil
	case x.within(e.limits.ListEntries, e.limits.ListValue):
		return TypeListZiplist, nil
	}
	return TypeList, nil
}

func (e *encoder) list(t Type, l List) {
	switch t {
	case TypeList:
		e.strs(l)
	case TypeListZiplist:
		w := e.packer()
		for _, item := range l {
			w.Add(item)
		}
		e.packed(w)
	default:
		nodes := 0
		body := e.apart(func() {
			for len(l) > 0 {
				l = l[e.node(t, l):]
				nodes++
			}
		})
		e.length(uint64(nodes))
		e.raw(body)
	}
}

func (e *encoder) strs(l [][]byte) {
	e.length(uint64(len(l)))
	for _, p := range l {
		e.str(p)
		e.spill()
	}
}

// node writes the next node of a quicklist and returns how many items it has: as many as fit by the rule of the servers, which add at
// the tail as long as the node's size with the item stays within the limit. (Redis 5.0, 7.0 and 7.4 quicklist.c)
func (e *encoder) node(t Type, l List) (items int) {
	if t == TypeListQuicklist2 {
		if len(l[0]) > e.plainAbove() {
			e.length(containerPlain)
			e.str(l[0])
			return 1
		}
		e.length(containerPacked)
	}
	w := e.packer()
	for _, item := range l {
		if items > 0 && !e.fits(w, len(item)) {
			break
		}
		w.Add(item)
		items++
	}
	e.packed(w)
	return items
}

// nodeSizes are the sizes that the settings -1 to -5 stand for (Redis quicklist.c, optimization_level).
var nodeSizes = [...]int{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10}

// safeNodeSize is the limit where the setting is a number of items.
const safeNodeSize = 8 << 10

// nodeLimit returns the limits of a node in bytes and in items.
func (e *encoder) nodeLimit() (size, items int) {
	if n := e.limits.ListSize; n < 0 {
		return nodeSizes[min(-n, len(nodeSizes))-1], math.MaxInt
	}
	return safeNodeSize, max(e.limits.ListSize, 1)
}

// plainAbove returns the size above which an item has a node of its own, unpacked.
func (e *encoder) plainAbove() int {
	if e.target < Version12 { // Redis 7.0 and 7.2 have a fixed threshold
		return maxPacked
	}
	size, _ := e.nodeLimit()
	return size
}

// fits reports whether an item of n bytes goes into a node that has some already.
func (e *encoder) fits(w packer, n int) bool {
	size, items := e.nodeLimit()
	overhead := 8
	if e.target < Version10 {
		overhead = ziplistOverhead(n)
	}
	return n <= e.plainAbove() && w.Len() < items && w.Size()+n+overhead <= size
}

// ziplistOverhead is what the servers reckon an item of n bytes takes beside itself (Redis 5.0 quicklist.c).
func ziplistOverhead(n int) int {
	prev := 1
	if n >= 254 {
		prev = 5
	}
	switch {
	case n < 64:
		return prev + 1
	case n < 16384:
		return prev + 2
	}
	return prev + 5
}

func (e *encoder) chooseSet(s Set) (Type, error) {
	if len(s) == 0 {
		return 0, e.omitKey(FeatureEmpty)
	}
	if e.intsOf(s) {
		return TypeSetIntset, nil
	}
	x := extent{elements: len(s)}
	for _, member := range s {
		x.add(member)
	}
	if e.target >= Version11 && x.within(e.limits.SetEntries, e.limits.SetValue) {
		return TypeSetListpack, nil
	}
	return TypeSet, nil
}

// intsOf puts the members in order into e.ints and reports whether they make an intset.
func (e *encoder) intsOf(s Set) bool {
	if len(s) > e.limits.SetInts {
		return false
	}
	e.ints = e.ints[:0]
	for _, member := range s {
		v, ok := packed.ParseInt(member)
		if !ok {
			return false
		}
		e.ints = append(e.ints, v)
	}
	slices.Sort(e.ints)
	return len(slices.Compact(e.ints)) == len(s)
}

func (e *encoder) set(t Type, s Set) {
	switch t {
	case TypeSet:
		e.strs(s)
	case TypeSetIntset:
		e.blob, _ = intset.Append(e.blob[:0], e.ints) // in order, none twice
		e.str(e.blob)
	default:
		w := e.packer()
		for _, member := range s {
			w.Add(member)
		}
		e.packed(w)
	}
}

func compareScored(a, b ScoredMember) int {
	if c := cmp.Compare(a.Score, b.Score); c != 0 {
		return c
	}
	return bytes.Compare(a.Member, b.Member)
}

func (e *encoder) chooseZset(z SortedSet) (Type, error) {
	if len(z) == 0 {
		return 0, e.omitKey(FeatureEmpty)
	}
	x := extent{elements: len(z), total: int64(len(z)) * (packedOverhead + int64(len(e.text)))}
	for _, m := range z {
		x.add(m.Member)
		if math.IsNaN(m.Score) {
			return 0, e.unsupported(FeatureValue, "the score of member "+strconv.Quote(string(shorten(m.Member)))+" is NaN")
		}
	}
	switch small := x.within(e.limits.ZsetEntries, e.limits.ZsetValue); {
	case small && e.target >= Version10:
		return TypeZsetListpack, nil
	case small:
		return TypeZsetZiplist, nil
	case e.target >= Version8:
		return TypeZset2, nil
	}
	return TypeZset, nil
}

// zset writes a sorted set: packed ones from the lowest score up, others from the highest down, by which a server that loads them
// always adds at the front.
func (e *encoder) zset(t Type, z SortedSet) {
	plain := t == TypeZset || t == TypeZset2
	first, step := 0, 1 // ascending
	if !slices.IsSortedFunc(z, compareScored) {
		if !slices.IsSortedFunc(z, func(a, b ScoredMember) int { return compareScored(b, a) }) {
			z = slices.Clone(z)
			slices.SortFunc(z, compareScored)
		} else {
			first, step = len(z)-1, -1
		}
	}
	if plain {
		first, step = len(z)-1-first, -step
		e.length(uint64(len(z)))
		for i := first; i >= 0 && i < len(z); i += step {
			e.scored(t, &z[i])
		}
		return
	}
	w := e.packer()
	for i := first; i >= 0 && i < len(z); i += step {
		w.Add(z[i].Member)
		e.packedScore(w, z[i].Score)
	}
	e.packed(w)
}

func (e *encoder) scored(t Type, m *ScoredMember) {
	e.str(m.Member)
	if t == TypeZset2 {
		e.uint64(math.Float64bits(m.Score))
	} else {
		e.textScore(m.Score)
	}
	e.spill()
}

// textScore writes a score of type 3; see [decoder.score].
func (e *encoder) textScore(v float64) {
	switch {
	case math.IsInf(v, 1):
		e.byte(254)
	case math.IsInf(v, -1):
		e.byte(255)
	default:
		text := appendScore17(e.text[:0], v)
		e.byte(byte(len(text)))
		e.raw(text)
	}
}

func (e *encoder) packedScore(w packer, v float64) {
	if e.target >= Version10 {
		if n, ok := scoreInt(v, scoreListpackLimit); ok {
			w.AddInt(n)
			return
		}
	}
	if e.target >= Version11 {
		w.Add(appendScoreShort(e.text[:0], v))
	} else {
		w.Add(appendScore17(e.text[:0], v))
	}
}

func (e *encoder) chooseHash(h Hash) (Type, error) {
	if len(h) == 0 {
		return 0, e.omitKey(FeatureEmpty)
	}
	x, expires := extent{elements: len(h), total: int64(len(h)) * packedOverhead}, false
	for i := range h {
		f := &h[i]
		x.add(f.Name)
		x.add(f.Value)
		if f.ExpireAt != NoExpire {
			if err := e.fieldExpire(f); err != nil {
				return 0, err
			}
			expires = e.target.Holds(FeatureFieldExpire)
		}
	}
	small := x.within(e.limits.HashEntries, e.limits.HashValue)
	switch {
	case expires && e.target.Family() == Valkey:
		return TypeHash2, nil
	case expires && small:
		return TypeHashListpackTTL, nil
	case expires:
		return TypeHashTTL, nil
	case small && e.target >= Version10:
		return TypeHashListpack, nil
	case small:
		return TypeHashZiplist, nil
	}
	return TypeHash, nil
}

func (e *encoder) fieldExpire(f *HashField) error {
	switch {
	case !e.target.Holds(FeatureFieldExpire):
		return e.without(FeatureFieldExpire, "field "+strconv.Quote(string(shorten(f.Name))))
	case f.ExpireAt < 0, e.target.Family() == Redis && (f.ExpireAt == 0 || f.ExpireAt > maxFieldExpire):
		return e.unsupported(FeatureFieldExpireRange, "field "+strconv.Quote(string(shorten(f.Name)))+", "+strconv.FormatInt(f.ExpireAt, 10))
	}
	return nil
}

func (e *encoder) hash(t Type, h Hash) {
	if t == TypeHashListpack || t == TypeHashZiplist {
		w := e.packer()
		for i := range h {
			w.Add(h[i].Name)
			w.Add(h[i].Value)
		}
		e.packed(w)
		return
	}
	expiring := t != TypeHash && !(t == TypeHash2 && e.target.Family() == Valkey)
	var earliest int64
	if expiring {
		earliest = earliestExpiry(h)
		e.uint64(uint64(earliest))
	}
	if t == TypeHashListpackTTL {
		e.packedExpiring(h)
		return
	}
	e.length(uint64(len(h)))
	for i := range h {
		e.field(t, &h[i], earliest)
	}
}

// field writes a field of a hash that is not packed; see [decoder.fields].
func (e *encoder) field(t Type, f *HashField, earliest int64) {
	if t == TypeHashTTL {
		ttl := uint64(0)
		if f.ExpireAt != NoExpire {
			ttl = uint64(f.ExpireAt-earliest) + 1
		}
		e.length(ttl)
	}
	e.str(f.Name)
	e.str(f.Value)
	if t == TypeHash2 {
		e.uint64(uint64(f.ExpireAt))
	}
	e.spill()
}

func earliestExpiry(h Hash) int64 {
	earliest := int64(math.MaxInt64)
	for i := range h {
		if h[i].ExpireAt != NoExpire {
			earliest = min(earliest, h[i].ExpireAt)
		}
	}
	return earliest
}

// packedExpiring writes field, value, expiry: the soonest first, those that never expire, with 0, last.
func (e *encoder) packedExpiring(h Hash) {
	when := func(f HashField) uint64 { return uint64(f.ExpireAt) } // NoExpire becomes the greatest
	order := func(a, b HashField) int { return cmp.Compare(when(a), when(b)) }
	if !slices.IsSortedFunc(h, order) {
		h = slices.Clone(h)
		slices.SortStableFunc(h, order)
	}
	w := e.packer()
	for i := range h {
		w.Add(h[i].Name)
		w.Add(h[i].Value)
		w.AddInt(max(h[i].ExpireAt, 0))
	}
	e.packed(w)
}
