package rdb

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/kvfsck/kvfsck/internal/decimal"
	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/lzf"
	"github.com/kvfsck/kvfsck/rdb/internal/intset"
	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
)

// keyFrame is where a key's record lies in the window, as [Reader.quick] finds it.
type keyFrame struct {
	start    int // of the record, with what is said of the key
	typeByte int
	key      strHead
	keyAt    int    // the bytes of the key's string
	text     []byte // the key, where values are checked; it holds for as long as nothing else is read
	value    int
	end      int
	typ      Type
	expireAt int64
}

// quickShape is what [Reader.quick] knows to pass.
type quickShape struct {
	shape  shape
	layout listpack.Layout
}

var quickShapes = func() (t [2][256]quickShape) {
	for f := range t {
		for i := range t[f] {
			if info := Family(f).info(Type(i)); info != nil && info.tuple <= 2 {
				t[f][i] = quickShape{info.shape, layoutOf(info)}
			}
		}
	}
	return t
}()

// layoutOf is how elements of one or two entries lie in a listpack.
func layoutOf(info *typeInfo) listpack.Layout {
	return listpack.Layout{Pairs: info.tuple == 2, Names: info.kind != KindList, Numbers: info.kind == KindSortedSet}
}

// quick passes the record of a key if it is whole in the window, of a frequent form, and, where check is set, if no rule says
// anything about it. Otherwise it is false, has passed nothing, and the record is for the other methods to read. It reports nothing,
// allocates nothing and makes no [Entry]; the frame holds until the window moves.
//
// With check set, strings whose compression is still to be checked are added to r.later, unless that is nil: they are checked faster
// in numbers.
func (r *Reader) quick(k *keyFrame, check bool) bool {
	s := &r.src
	room := s.end + s.behind
	b := s.buf[:room:room]
	value := r.quickHead(b, k)
	if value == 0 {
		return false
	}
	later := len(r.later)
	end := r.quickValue(b, k.typ, value, check)
	switch {
	case end == 0 || end > s.end:
	case !check:
		s.pos, k.end = end, end
		return true
	case k.key.form == formPlain:
		s.pos, k.end = end, end
		k.text = b[k.keyAt:value]
		return true
	case r.quickText(b, k):
		s.pos, k.end = end, end
		return true
	}
	if r.later != nil {
		r.later = r.later[:later]
	}
	return false
}

// quickLarge is quick, with check set, for a record that may be very large and is a collection of parts: what was walked of it is told to r.passed, and
// not looked at again; that may end it.
func (r *Reader) quickLarge(k *keyFrame) bool {
	s := &r.src
	b := s.buf[:s.end:s.end]
	value := r.quickHead(b, k)
	if value == 0 || quickShapes[r.dec.family&1][k.typ].shape != shapeQuicklist2 && !isTable(k.typ) || max(k.key.size, k.key.out) > windowSize || !r.quickText(b, k) {
		return false
	}
	if k.key.form == formPlain {
		r.keyBuf = append(r.keyBuf[:0], k.text...)
		k.text = r.keyBuf
	}
	r.quickEntry(b, k, s.base+int64(value))
	end := r.quickValue(b, k.typ, value, true)
	if end == 0 {
		return false
	}
	s.pos, k.end = end, end
	r.entry.Size = int64(end - k.start)
	return true
}

// quickHead is quick for what stands before the value, and returns where that is, or 0. It passes nothing. What it tells is handed on as it is found out:
// one record waits for the other, and through memory it would wait longer.
func (r *Reader) quickHead(b []byte, k *keyFrame) (value int) {
	if r.state != atRecord || r.pend.set {
		return 0
	}
	p := r.src.pos
	k.start, k.expireAt = p, NoExpire
	for {
		if p > len(b)-quickRoom {
			return 0
		}
		op := b[p]
		if op < opKeyMeta {
			break
		}
		switch op {
		case opExpireTimeMS:
			k.expireAt = int64(binary.LittleEndian.Uint64(b[p+1:]))
			p += 9
		case opFreq:
			p += 2
		case opIdle:
			if _, p = lengthAt(b, p+1); p == 0 {
				return 0
			}
		default:
			return 0
		}
	}
	k.typ, k.typeByte = Type(b[p]), p
	key, keyAt := strHead{size: uint64(b[p+1])}, p+2
	if key.size >= 0x40 { // hardly ever
		if key, keyAt = headAt(b, p+1); keyAt == 0 {
			return 0
		}
	}
	if key.size > uint64(len(b)-keyAt) {
		return 0
	}
	value = keyAt + int(key.size)
	k.key, k.keyAt, k.value = key, keyAt, value
	return value
}

// quickKey is step for the key of a record that begins in a frequent form. Otherwise it is false and has passed nothing.
func (r *Reader) quickKey() bool {
	s, d, k := &r.src, &r.dec, &r.frame
	b := s.buf[:s.end:s.end]
	if d.slow || cap(r.keyBuf) > 4*windowSize || r.quickHead(b, k) == 0 || d.family.info(k.typ) == nil || d.longest > 0 && max(k.key.size, k.key.out) > d.longest || !r.quickText(b, k) {
		return false
	}
	if k.key.form == formPlain && !r.still { // what it lies in may move, or be used for something else, while the key still counts
		if len(k.text) > windowSize {
			return false
		}
		r.keyBuf = append(r.keyBuf[:0], k.text...)
		k.text = r.keyBuf
	}
	s.pos = k.value
	d.record, d.key, d.typ, d.hasType, d.phase, d.item, d.mode = s.base+int64(k.start), k.text[:len(k.text):len(k.text)], k.typ, true, PhaseKey, "key", modeEmit
	d.report, r.faulted, r.inAux = r.reports.record, nil, false
	r.quickEntry(b, k, s.base+int64(k.value))
	r.state, r.typeByte = atValue, s.base+int64(k.typeByte)
	return true
}

// quickEntry makes the Entry of a frame, which ends at an offset.
func (r *Reader) quickEntry(b []byte, k *keyFrame, end int64) {
	at, e := r.src.base+int64(k.start), &r.entry
	e.Span, e.ValueOffset = Span{at, end - at}, r.src.base+int64(k.value)
	e.DB, e.Family, e.Key, e.Type = r.dec.db, r.dec.family, k.text[:len(k.text):len(k.text)], k.typ
	e.ExpireAt, e.Idle, e.Freq, e.r = k.expireAt, -1, -1, r
	if e.Meta != nil {
		e.Meta = nil
	}
	if n := k.typeByte - k.start; n > 0 && (n != 9 || b[k.start] != opExpireTimeMS) {
		e.said(b[k.start:k.typeByte])
	}
	r.rec = e
}

// quickCheck is quick for the value of the current record, whose head was read.
func (r *Reader) quickCheck() bool {
	if r.state != atValue || r.inAux || r.later != nil {
		return false
	}
	s, k := &r.src, &r.frame
	k.typ, k.value = r.dec.typ, s.pos
	end := r.quickValue(s.buf[:s.end], k.typ, k.value, true)
	if end == 0 {
		return false
	}
	s.pos, r.dec.hasTTL = end, false
	r.valueEnd()
	return true
}

// quickRoom is what must be left in the window: the longest head of a string and an opcode with its operand are within it.
const quickRoom = 16

// quickText makes the text of the key.
func (r *Reader) quickText(b []byte, k *keyFrame) bool {
	p := b[k.keyAt:k.value]
	switch k.key.form {
	case formPlain:
		k.text = p
		return true
	case formLZF:
		if k.key.out == 0 || k.key.out > min(maxQuickKey, uint64(r.dec.limit)) || k.key.size > uint64(r.dec.limit) {
			return false
		}
		k.text = slices.Grow(r.keyBuf[:0], int(k.key.out))[:k.key.out]
		r.keyBuf = k.text
		return decompress(k.text, p[:len(p):len(p)]) == nil
	}
	k.text = decimal.AppendInt(r.keyBuf[:0], intOf(k.key.form, p))
	r.keyBuf = k.text
	return true
}

// maxQuickKey bounds, in bytes, the keys that are decompressed on the way.
const maxQuickKey = 4 << 10

// quickValue returns the end of the value at p, 0 if it is not to be passed.
func (r *Reader) quickValue(b []byte, typ Type, p int, check bool) int {
	if p > len(b)-quickRoom {
		return 0
	}
	info := &quickShapes[r.dec.family&1][typ]
	switch info.shape {
	case shapeString:
		return r.quickString(b, p, check)
	case shapeListpack:
		return r.quickBlob(b, p, info, check)
	case shapeQuicklist2:
		return r.quickNodes(b, p, info, check)
	}
	if check {
		switch info.shape {
		case shapeIntset:
			return r.quickIntset(b, p)
		case shapeStream:
			return r.quickStream(b, typ, p)
		}
		return r.quickTable(b, typ, p)
	}
	switch info.shape {
	case shapeZiplist, shapeIntset, shapeZipmap:
		return skipAt(b, p, 1, 0)
	case shapeItems:
		if n, q := lengthAt(b, p); q != 0 {
			return skipAt(b, q, n, 0)
		}
	case shapeScored:
		if n, q := lengthAt(b, p); q != 0 && typ == TypeZset2 {
			return skipAt(b, q, n, 8)
		}
	case shapeFields:
		if n, q := lengthAt(b, p); q != 0 && typ == TypeHash {
			return skipAt(b, q, 2*n, 0)
		}
	}
	return 0
}

// showString is stringValue for one that is whole in the window and of a frequent form. Otherwise it is false and has passed nothing.
func (d *decoder) showString() bool {
	if d.slow || d.longest > 0 {
		return false
	}
	d.arena.reset()
	text, end := d.textAt(d.s.buf[:d.s.end:d.s.end], d.s.pos, 0)
	if end == 0 {
		return false
	}
	d.el.Kind, d.el.Data, d.s.pos = ElementString, slices.Clip(text), end
	d.emit()
	return true
}

// show yields the next elements of a collection of n that is not packed for as long as they are whole in the window, of a frequent form, and no
// rule says anything about them. It returns how many are left, which are for the parser proper, and makes ready for looking for duplicates.
func (d *decoder) show(n uint64) (left uint64) {
	start := d.s.pos
	if left = n; !d.slow && d.longest == 0 {
		left = d.showPlain(n)
	}
	if d.distinct = left == 0 || d.mode != modeEmit; d.distinct {
		return left
	}
	d.newDups()
	if d.typ != TypeList && left < n {
		d.checkAgain(start, n-left)
	}
	return left
}

// checkAgain checks n elements at an index of the window that were found plain, so that the names and sizes of all elements are known.
func (d *decoder) checkAgain(start int, n uint64) {
	pos, report := d.s.pos, d.report
	d.s.pos, d.mode, d.report = start, modeCheck, ignore
	for ; n > 0; n-- {
		d.arena.reset()
		_, _, err := d.name()
		nameLen, valueLen := d.nameLen, uint64(0)
		switch {
		case err != nil: // there was none
		case d.typ == TypeZset2:
			err = d.s.skip(8)
		case d.typ == TypeHash:
			valueLen, err = d.checkStrLen()
		}
		if err != nil {
			break
		}
		d.stillSmall(nameLen, valueLen)
	}
	d.s.pos, d.mode, d.report = pos, modeEmit, report
}

// showPlain is the loop of show.
func (d *decoder) showPlain(n uint64) (left uint64) {
	el, named := &d.el, true
	switch d.typ {
	case TypeList:
		el.Kind, named = ElementItem, false
	case TypeSet:
		el.Kind = ElementMember
	case TypeZset2:
		el.Kind = ElementScored
	case TypeHash:
		el.Kind, el.ExpireAt = ElementField, NoExpire
	default:
		return n
	}
	b := d.s.buf[:d.s.end:d.s.end]
	d.few.Reset()
	for ; n > 0 && d.mode == modeEmit; n-- {
		d.arena.reset()
		text, p := d.textAt(b, d.s.pos, 0)
		if p == 0 || named && !d.few.New(dupset.QuickSum(text, 0, len(text))) {
			break
		}
		switch el.Data = slices.Clip(text); d.typ {
		case TypeZset2:
			if p > len(b)-8 {
				return n
			}
			if el.Score = math.Float64frombits(binary.LittleEndian.Uint64(b[p:])); el.Score != el.Score {
				return n
			}
			p += 8
		case TypeHash:
			if text, p = d.textAt(b, p, 1); p == 0 {
				return n
			}
			el.Value = slices.Clip(text)
		}
		d.s.pos = p
		d.emit()
	}
	return n
}

// textAt returns the string at p and the end of it, which is 0 if that is not whole in b and of a frequent form. The text of a number is in
// texts[place] then. The capacity behind it is not the caller's.
func (d *decoder) textAt(b []byte, p, place int) (text []byte, end int) {
	if p > len(b)-quickRoom {
		return nil, 0
	}
	if c := int(b[p]); c < 0x40 && c < len(b)-p { // nearly always
		return b[p+1 : p+1+c], p + 1 + c
	}
	h, p := headAt(b, p)
	if p == 0 || h.size > uint64(len(b)-p) {
		return nil, 0
	}
	end = p + int(h.size)
	switch h.form {
	case formPlain:
		return b[p:end], end
	case formLZF:
		if text = d.quickOut(b[p:end], &h); text == nil {
			return nil, 0
		}
		return text, end
	}
	return decimal.AppendInt(d.texts[place][:0], intOf(h.form, b[p:end])), end
}

// quickOut decompresses a string; nil if it is long or not sound. The capacity behind it is lent.
func (d *decoder) quickOut(p []byte, h *strHead) []byte {
	if h.out == 0 || max(h.size, h.out) > uint64(d.limit) {
		return nil
	}
	out := d.arena.lend(int(h.out))
	if n, err := lzf.DecompressLent(out, p); err != nil || n != len(out) {
		return nil
	}
	return out
}

// quickString passes the string at p.
func (r *Reader) quickString(b []byte, p int, check bool) int {
	if p > len(b)-quickRoom {
		return 0
	}
	if c := b[p]; c < 0x40 && int(c) < len(b)-p {
		return p + 1 + int(c)
	}
	if f := &strForms[b[p]]; f.head != 0 {
		if end := p + f.length(b, p); end <= len(b) {
			return end
		}
		return 0
	}
	h, p := headAt(b, p)
	if p == 0 || h.size > uint64(len(b)-p) || check && h.form == formLZF && !r.quickLZF(b, &h, p) {
		return 0
	}
	return p + int(h.size)
}

// quickNodes passes the nodes of a quicklist.
func (r *Reader) quickNodes(b []byte, p int, info *quickShape, check bool) int {
	n, p := lengthAt(b, p)
	if p == 0 || n == 0 {
		return 0
	}
	for ; n > 0; n-- {
		if p > len(b)-quickRoom || check && b[p] != containerPacked || b[p] > containerPacked {
			return 0
		}
		if p = r.quickBlob(b, p+1, info, check); p == 0 {
			return 0
		}
		if r.passed != nil && !r.passed(p) {
			return 0
		}
	}
	return p
}

// quickBlob passes a string that is a listpack.
func (r *Reader) quickBlob(b []byte, p int, info *quickShape, check bool) int {
	if !check {
		return skipAt(b, p, 1, 0)
	}
	blob, end := r.quickWhole(b, p)
	if end == 0 {
		return 0
	}
	if n, ok := listpack.Plain(blob, info.layout, &r.dec.few); !ok || n == 0 {
		return 0
	}
	return end
}

// quickIntset passes a string that is an intset.
func (r *Reader) quickIntset(b []byte, p int) int {
	blob, end := r.quickWhole(b, p)
	if end == 0 || !intset.Plain(blob) {
		return 0
	}
	return end
}

// quickWhole passes a string and returns what it is, decompressed if need be.
func (r *Reader) quickWhole(b []byte, p int) (blob []byte, end int) {
	h, p := headAt(b, p)
	if p == 0 || h.size > uint64(len(b)-p) {
		return nil, 0
	}
	end = p + int(h.size)
	blob = b[p:end]
	switch {
	case h.form == formLZF:
		r.dec.arena.reset()
		if blob = r.dec.quickOut(blob, &h); blob == nil {
			return nil, 0
		}
	case h.form != formPlain || h.size > uint64(r.dec.limit):
		return nil, 0
	}
	return blob, end
}

// quickLZF checks a compressed string at p, now or later.
func (r *Reader) quickLZF(b []byte, h *strHead, p int) bool {
	if h.out == 0 || max(h.size, h.out) > uint64(r.dec.limit) {
		return false
	}
	if r.later != nil {
		r.later = append(r.later, lzf.Block{Start: p, End: p + int(h.size), Length: int(h.out)})
		return true
	}
	return lzf.Validate(b[p:p+int(h.size)], int64(h.out)) == nil
}

// skipAt passes n strings at p, each with so many bytes behind it.
func skipAt(b []byte, p int, n uint64, behind int) int {
	for ; n > 0; n-- {
		if p < len(b)-quickRoom && b[p] < 0x40 { // nearly always
			if p += 1 + int(b[p]) + behind; p > len(b) {
				return 0
			}
			continue
		}
		h, q := headAt(b, p)
		if q == 0 || h.size > uint64(len(b)-q) {
			return 0
		}
		if p = q + int(h.size) + behind; p > len(b) {
			return 0
		}
	}
	return p
}

// headAt is [decoder.head] for a string's head at p, which must not be near the end of b. It returns the index behind the head, or 0
// if the head is too close to the end or not of a form that writers use.
func headAt(b []byte, p int) (h strHead, q int) {
	if p > len(b)-quickRoom {
		return h, 0
	}
	switch c := b[p]; {
	case c < 0x40:
		h.size = uint64(c)
		return h, p + 1
	case c < len64:
		h.size, q = lengthAt(b, p)
		return h, q
	case c == 0xC0|encLZF:
		h.form = formLZF
		if h.size, q = lengthAt(b, p+1); q != 0 {
			h.out, q = lengthAt(b, q)
		}
		return h, q
	case c >= 0xC0 && c < 0xC0|encLZF:
		h.form, h.size = formInt8+c&3, 1<<(c&3)
		return h, p + 1
	}
	return h, 0
}

// lengthAt is [source.length] for a length of up to 32 bits at p, with five bytes of b there.
func lengthAt(b []byte, p int) (v uint64, q int) {
	switch c := b[p]; {
	case c < 0x40:
		return uint64(c), p + 1
	case c < 0x80:
		return uint64(c&0x3F)<<8 | uint64(b[p+1]), p + 2
	case c == len32:
		return uint64(binary.BigEndian.Uint32(b[p+1:])), p + 5
	}
	return 0, 0
}
