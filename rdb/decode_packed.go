package rdb

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/internal/decimal"
	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// flaw is a fault found inside a string, to be reported when the string was passed: the servers take the string first.
type flaw struct {
	code    Code
	err     error
	detail  string
	message string
}

func (d *decoder) flaw(f *flaw) {
	e := d.place(f.code)
	e.Err, e.Detail, e.message = f.err, f.detail, f.message
	d.report(e)
}

// packed walks a value that is one packed encoding:
//
//	9 str zipmap   10, 12, 13 str ziplist   11 str intset   16, 17, 20, 23 str listpack   25 i64le earliest expiry, str listpack
func (d *decoder) packed(info *typeInfo) error {
	if d.typ == TypeHashListpackTTL {
		d.item = "earliest field expiry"
		if _, err := d.s.uint64(); err != nil { // may be stale, so it is no truth to compare with
			return err
		}
		d.item = "value"
	}
	if d.mode == modeFrame {
		return d.skipStr()
	}
	d.begin()
	defer d.end()
	d.tup = tuples{d: d, info: info}
	d.newDups()
	intact, err := d.blob(d.walkTuples)
	if err != nil || !intact {
		return err
	}
	if d.tup.n == 0 {
		d.fault(CodeEmpty, nil, "")
	}
	return d.lateDups(CodePackedDuplicate)
}

// quicklist walks a list of packed nodes:
//
//	14             len n, then n times str ziplist
//	18             len n, then n times len container, str; container 1: the string is an item, 2: it is a listpack
func (d *decoder) quicklist(info *typeInfo) error {
	n, err := d.collection()
	empty := n > 0
	node := &d.tup
	*node = tuples{d: d, info: info}
	for ; err == nil && n > 0; n-- {
		container := uint64(containerPacked)
		if info.shape == shapeQuicklist2 {
			if container, err = d.count(); err != nil {
				return err
			}
		}
		switch {
		case d.mode == modeFrame:
			err = d.skipStr()
			continue
		case container != containerPlain && container != containerPacked:
			d.fault(CodeQuicklistContainer, nil, "%d", container)
			err, empty = d.skipStr(), false
			continue
		}
		d.begin()
		node.n, node.plain = 0, container == containerPlain
		intact := false
		intact, err = d.blob(d.walkTuples)
		empty = empty && intact && node.n == 0
		d.end()
	}
	if err == nil && empty && d.mode != modeFrame {
		d.fault(CodeEmpty, nil, "")
	}
	return err
}

// blob reads a string and walks what is packed in it, in memory if it is small or its elements are wanted, else in pieces.
// intact is false if a
// fault was reported that the server of the file's family minds.
func (d *decoder) blob(walk func(b *blobBytes) *flaw) (intact bool, err error) {
	h, err := d.head()
	if err != nil {
		return false, err
	}
	var f *flaw
	if d.mode == modeCheck && max(h.size, h.out) > uint64(d.limit) {
		var lzfOK bool
		lzfOK, err = d.through(h, func(b *blobBytes) { f = walk(b) })
		if err != nil || !lzfOK {
			return false, err
		}
	} else {
		p, err := d.bodyLent(h)
		if err != nil || p == nil {
			return false, err
		}
		d.whole = blobBytes{p: p, size: int64(len(p))}
		f = walk(&d.whole)
	}
	if f == nil {
		return true, nil
	}
	d.flaw(f)
	return f.code.row().server[d.family] == Accepts, nil
}

// tuples is a walk over the entries of a packed encoding, which make elements of one, two or three.
type tuples struct {
	d     *decoder
	info  *typeInfo
	plain bool // a quicklist's plain node: the string is the item
	n     int64

	lastTTL int64
	seenTTL bool
	nan     bool
}

// entry is an entry of a packed encoding.
type entry struct {
	isInt bool
	num   int64
	str   []byte
	long  bool // too long to be held; only its sum is known
	sum   dupset.Sum
}

func (t *tuples) walk(b *blobBytes) *flaw {
	t.lastTTL, t.seenTTL, t.nan = 0, false, false
	switch {
	case b.size == 0 && (t.info.shape == shapeQuicklist || t.info.shape == shapeQuicklist2):
		return &flaw{code: CodeQuicklistEmptyNode}
	case t.plain:
		return t.plainNode(b)
	}
	var f *flaw
	switch t.info.shape {
	case shapeListpack, shapeQuicklist2:
		f = t.listpack(b)
	case shapeZiplist, shapeQuicklist:
		f = t.ziplist(b)
	case shapeIntset:
		f = t.intset(b)
	case shapeZipmap:
		f = t.zipmap(b)
	}
	if f == nil && t.n%int64(t.info.tuple) != 0 {
		f = &flaw{code: CodePackedTuple}
	}
	if f == nil && t.nan {
		f = &flaw{code: CodeScoreNaNPacked}
	}
	return f
}

// opener is an iterator of a packed encoding.
type opener interface {
	Reset(b []byte)
	ResetStream(r io.Reader, size int64, buf []byte)
}

// open makes an iterator begin on the bytes.
func (b *blobBytes) open(it opener, d *decoder) {
	if b.r != nil {
		it.ResetStream(b.r, b.size, d.pieces())
	} else {
		it.Reset(slices.Clip(b.p))
	}
}

// oldIter is an iterator of a packed encoding whose speed does not matter much: servers have not written these since Redis 7.0.
type oldIter interface {
	Next() bool
	IsInt() bool
	Int() int64
	Str() []byte
	Long() bool
	Fingerprint() dupset.Sum
}

// entries takes the entries of an old encoding.
func (t *tuples) entries(it oldIter) *flaw {
	for it.Next() {
		e := entry{isInt: it.IsInt(), long: it.Long()}
		if e.isInt {
			e.num = it.Int()
		} else if e.str = it.Str(); e.long {
			e.sum = it.Fingerprint()
		}
		if f := t.entry(&e); f != nil {
			return f
		}
	}
	return nil
}

// plainNode takes a whole string as the item.
func (t *tuples) plainNode(b *blobBytes) *flaw {
	t.n++
	if b.r == nil {
		t.d.el.Kind, t.d.el.Data = ElementItem, slices.Clip(b.p)
		t.d.emit()
	}
	return nil
}

func (t *tuples) listpack(b *blobBytes) *flaw {
	if t.plainly(b) {
		if t.d.mode == modeEmit {
			t.show(b.p)
		}
		return nil
	}
	it := &t.d.lp
	b.open(it, t.d)
	for it.Next() {
		e := entry{isInt: it.IsInt(), long: it.Long()}
		if e.isInt {
			e.num = it.Int()
		} else if e.str = it.Str(); e.long {
			e.sum = it.Fingerprint()
		}
		if f := t.entry(&e); f != nil {
			return f
		}
	}
	if it.Err() != nil {
		return &flaw{code: CodeListpack, err: it.Err()}
	}
	return t.d.backlens(integrity)
}

// plainly reports whether nothing can be said about a listpack, as about nearly all.
func (t *tuples) plainly(b *blobBytes) bool {
	if t.d.mode == modeFrame || t.d.slow || b.r != nil || t.info.tuple > 2 {
		return false
	}
	n, ok := listpack.Plain(b.p, layoutOf(t.info), &t.d.few)
	if ok {
		t.n += int64(n)
	}
	return ok
}

// show yields the elements of a listpack about which nothing can be said.
func (t *tuples) show(b []byte) {
	d, el := t.d, &t.d.el
	last := len(b) - 1
	switch t.info.kind {
	case KindList:
		el.Kind = ElementItem
	case KindSet:
		el.Kind = ElementMember
	case KindSortedSet:
		el.Kind = ElementScored
	default:
		el.Kind, el.ExpireAt = ElementField, NoExpire
	}
	for p := listpack.Open(b); p < last && d.mode == modeEmit; {
		text, v, next := listpack.At(b, p)
		if text == nil {
			text = decimal.AppendInt(d.texts[0][:0], v)
		}
		if el.Data, p = text, next; t.info.tuple == 2 {
			text, v, p = listpack.At(b, p)
			switch {
			case el.Kind == ElementScored && text == nil:
				el.Score = float64(v)
			case el.Kind == ElementScored:
				el.Score = packedDouble(text, d.family)
			case text == nil:
				el.Value = decimal.AppendInt(d.texts[1][:0], v)
			default:
				el.Value = text
			}
		}
		d.emit()
	}
}

// backlens applies the rule about the sizes behind a listpack's entries: for some sizes the two families write different bytes, and
// each refuses the other's.
func (d *decoder) backlens(message string) *flaw {
	redis, valkey := d.lp.Only()
	switch {
	case redis < 0 && valkey < 0:
		return nil
	case valkey >= 0 && (d.family == Redis || redis < 0):
		return &flaw{code: CodeBacklenRedis, detail: "entry " + strconv.FormatInt(valkey, 10), message: d.packedMessage(message)}
	default:
		return &flaw{code: CodeBacklenValkey, detail: "entry " + strconv.FormatInt(redis, 10), message: d.packedMessage(message)}
	}
}

func (d *decoder) packedMessage(message string) string {
	return strings.ReplaceAll(message, "%s", d.family.packedName(d.typ))
}

func (t *tuples) ziplist(b *blobBytes) *flaw {
	it := &t.d.zl
	b.open(it, t.d)
	if f := t.entries(it); f != nil {
		return f
	}
	if it.Err() != nil {
		return &flaw{code: CodeZiplist, err: it.Err()}
	}
	return nil
}

func (t *tuples) intset(b *blobBytes) *flaw {
	it := &t.d.is
	b.open(it, t.d)
	for it.Next() {
		t.n++
		if t.d.mode == modeEmit {
			t.d.el.Kind, t.d.el.Data = ElementMember, decimal.AppendInt(t.d.texts[0][:0], it.Int())
			t.d.emit()
		}
	}
	if it.Err() != nil {
		return &flaw{code: CodeIntset, err: it.Err()}
	}
	return nil
}

// zipmap walks a zipmap. A length in the long form that would fit the short one is Redis's rule alone, so the walk goes on after it.
func (t *tuples) zipmap(b *blobBytes) *flaw {
	it := &t.d.zm
	b.open(it, t.d)
	dup := t.entries(it)
	if dup != nil {
		dup.code = CodeZipmapDuplicate
		dup.message = "Hash zipmap with dup elements, or big length (" + strconv.FormatInt(it.Len(), 10) + ")"
	}
	for it.Next() { // servers look for duplicates in what is otherwise whole
	}
	switch {
	case it.Err() != nil:
		return &flaw{code: CodeZipmap, err: it.Err()}
	case t.n == 0:
		return &flaw{code: CodeZipmap, detail: "no entries"}
	case it.LongLength() != nil:
		return &flaw{code: CodeZipmapLength}
	}
	return dup
}

// entry takes the next entry of a packed encoding and applies the rules about its place in a tuple.
func (t *tuples) entry(e *entry) *flaw {
	d := t.d
	place := t.n % int64(t.info.tuple)
	t.n++
	if place == 0 && t.info.kind != KindList && d.seen(t.fingerprint(e)) {
		return &flaw{code: CodePackedDuplicate, detail: "entry " + strconv.FormatInt(t.n-1, 10)}
	}
	if place == 2 {
		if f := t.ttl(e); f != nil {
			return f
		}
	}
	if place == 1 && t.info.kind == KindSortedSet && !e.isInt && mayBeNaN(e.str) {
		v := packedDouble(e.str, d.family)
		t.nan = t.nan || v != v
	}
	if d.mode == modeEmit {
		t.collect(e, place)
	}
	return nil
}

func (t *tuples) fingerprint(e *entry) dupset.Sum {
	switch {
	case e.long:
		return e.sum
	case e.isInt:
		return t.d.seed.Sum(strconv.AppendInt(t.d.ints[:0], e.num, 10))
	default:
		return t.d.seed.Sum(e.str)
	}
}

// mayBeNaN reports whether text could be read as NaN, which is worth knowing before reading it.
func mayBeNaN(p []byte) bool {
	for _, c := range p {
		switch c {
		case ' ', '\t', '\n', '\v', '\f', '\r', '+', '-':
		default:
			return c|0x20 == 'n'
		}
	}
	return false
}

// ttl applies the rules about the third of field, value, expiry: an integer from 0 (none) to 2^48-1; those that expire stand first,
// the soonest at the front. (Redis 7.4 rdb.c)
func (t *tuples) ttl(e *entry) *flaw {
	v := e.num
	if !e.isInt {
		var ok bool
		if v, ok = packed.ParseInt(e.str); !ok {
			return &flaw{code: CodePackedTTL, detail: strconv.Quote(string(shorten(e.str)))}
		}
	}
	if v < 0 || v > maxFieldExpire {
		return &flaw{code: CodePackedTTL, detail: strconv.FormatInt(v, 10)}
	}
	if v != 0 && t.seenTTL && (t.lastTTL == 0 || v < t.lastTTL) {
		return &flaw{code: CodePackedTTLOrder, detail: strconv.FormatInt(v, 10) + " after " + strconv.FormatInt(t.lastTTL, 10)}
	}
	t.lastTTL, t.seenTTL = v, true
	t.d.hasTTL = t.d.hasTTL || v != 0
	return nil
}

// collect puts entries together to an element and yields it when it is complete.
func (t *tuples) collect(e *entry, place int64) {
	d, el := t.d, &t.d.el
	text := e.str
	if e.isInt {
		text = decimal.AppendInt(d.texts[place][:0], e.num)
	}
	switch {
	case place == 2:
		if el.ExpireAt = t.lastTTL; t.lastTTL == 0 {
			el.ExpireAt = NoExpire
		}
	case place == 1 && t.info.kind == KindSortedSet:
		if el.Kind = ElementScored; e.isInt {
			el.Score = float64(e.num)
		} else {
			el.Score = packedDouble(e.str, d.family)
		}
	case place == 1:
		el.Kind, el.Value, el.ExpireAt = ElementField, text, NoExpire
	case t.info.kind == KindList:
		el.Kind, el.Data = ElementItem, text
	default:
		el.Kind, el.Data = ElementMember, text
	}
	if place == int64(t.info.tuple)-1 {
		d.emit()
	}
}
