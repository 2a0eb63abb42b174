package rdb

import (
	"encoding/binary"
	"math"
)

// value walks the value of the current type.
func (d *decoder) value() error {
	info := d.family.info(d.typ)
	d.phase, d.item, d.hasTTL, d.distinct = PhaseValue, "value", false, false
	switch info.shape {
	case shapeString:
		return d.stringValue()
	case shapeItems:
		return d.items(info)
	case shapeScored:
		return d.scored()
	case shapeFields:
		return d.fields()
	case shapeQuicklist, shapeQuicklist2:
		return d.quicklist(info)
	case shapeStream:
		return d.stream()
	case shapeModule:
		return d.module()
	case shapeModulePreGA:
		return d.place(CodeModulePreGA)
	default:
		return d.packed(info)
	}
}

// stringValue walks:
//
//	str
func (d *decoder) stringValue() (err error) {
	switch d.mode {
	case modeFrame:
		return d.skipStr()
	case modeCheck:
		return d.checkStr()
	}
	if d.showString() {
		return nil
	}
	d.begin()
	defer d.end()
	d.el.Kind = ElementString
	if d.el.Data, err = d.str(); err == nil {
		d.emit()
	}
	return err
}

// items walks a list or a set:
//
//	len n, then n times str
func (d *decoder) items(info *typeInfo) error {
	set := info.kind == KindSet
	n, err := d.collection()
	for ; err == nil && n > 0; n-- {
		switch {
		case d.mode == modeFrame:
			return d.skipStrs(n)
		case set:
			err = d.element(d.member)
		case d.mode == modeCheck:
			err = d.checkStr()
		default:
			err = d.element(d.listItem)
		}
	}
	if err == nil && set {
		err = d.lateDups(CodeSetDuplicate)
	}
	return err
}

// element reads one element between begin and end.
func (d *decoder) element(read func() error) error {
	d.begin()
	err := read()
	d.end()
	return err
}

// collection reads how many elements a collection has and makes ready for looking for duplicates among them. Elements that are wanted it
// shows, as long as they are plain: n is how many are left.
func (d *decoder) collection() (n uint64, err error) {
	if n, err = d.count(); err != nil {
		return 0, err
	}
	switch {
	case n == 0:
		d.fault(CodeEmpty, nil, "")
	case n > maxBuckets && n <= maxTable && d.mode != modeFrame && d.hashed():
		d.faultSaying(CodeCollectionSize, "OOM in dictTryExpand %d", n)
	}
	d.small = n <= smallHash
	switch d.mode {
	case modeCheck:
		d.newDups()
	case modeEmit:
		n = d.show(n)
	}
	return n, nil
}

// Bounds of a hash table, in elements. A server makes room for all of a collection before it reads the first: one pointer each, in a power of two. Beyond
// maxBuckets that is more than the address space, and beyond maxTable its size in bytes is more than 64 bits hold, upon which it makes none.
const (
	maxBuckets = 1 << 43
	maxTable   = 1 << 60
)

// hashed reports whether many elements of the current type become a hash table as soon as their number is known.
func (d *decoder) hashed() bool {
	switch d.typ {
	case TypeSet, TypeZset, TypeZset2, TypeHash:
		return true
	}
	return false
}

func (d *decoder) listItem() (err error) {
	d.el.Kind = ElementItem
	if d.el.Data, err = d.str(); err == nil {
		d.emit()
	}
	return err
}

func (d *decoder) member() error {
	b, dup, err := d.name()
	if err != nil {
		return err
	}
	if dup {
		d.fault(CodeSetDuplicate, nil, "")
	}
	d.el.Kind, d.el.Data = ElementMember, b
	d.emit()
	return nil
}

// scored walks a sorted set:
//
//	len n, then n times str member, score
//
// A score is a little endian double (type 5), or text (type 3): a byte that is its length, or 253 for NaN, 254 and 255 for the
// infinities.
func (d *decoder) scored() error {
	n, err := d.collection()
	for ; err == nil && n > 0; n-- {
		err = d.element(d.scoredMember)
	}
	if err == nil {
		err = d.lateDups(CodeZsetDuplicate)
	}
	return err
}

func (d *decoder) scoredMember() (err error) {
	if d.mode == modeFrame {
		if err = d.skipStr(); err != nil {
			return err
		}
		_, _, err = d.score()
		return err
	}
	b, dup, err := d.name()
	if err != nil {
		return err
	}
	score, ok, err := d.score()
	switch {
	case err != nil:
		return err
	case !ok:
		d.fault(CodeScore, nil, "")
	case math.IsNaN(score):
		d.fault(CodeScoreNaN, nil, "")
	case dup:
		d.fault(CodeZsetDuplicate, nil, "")
	}
	d.el.Kind, d.el.Data, d.el.Score = ElementScored, b, score
	d.emit()
	return nil
}

// score reads a score; ok is false if its text is no number.
func (d *decoder) score() (v float64, ok bool, err error) {
	if d.typ == TypeZset2 {
		p, err := d.s.take(8)
		if err != nil {
			return 0, false, err
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(p)), true, nil
	}
	n, err := d.s.byte()
	if err != nil {
		return 0, false, err
	}
	switch n {
	case 253:
		return math.NaN(), true, nil
	case 254:
		return math.Inf(1), true, nil
	case 255:
		return math.Inf(-1), true, nil
	}
	p, err := d.s.take(int(n))
	if err != nil {
		return 0, false, err
	}
	v, ok = scanfDouble(p)
	return v, ok, nil
}

// fields walks a hash. By type:
//
//	4              len n, then n times str field, str value
//	22 of Redis    len n, then n times len expiry, str field, str value
//	24             i64le earliest expiry, len n, then n times len ttl, str field, str value; expiry = earliest + ttl - 1
//	22 of Valkey   len n, then n times str field, str value, i64le expiry
//
// An expiry is in milliseconds; 0 is none, with Valkey -1.
func (d *decoder) fields() error {
	h := hashWalk{d: d, timeFirst: d.typ != TypeHash && d.family == Redis, timeLast: d.typ == TypeHash2 && d.family == Valkey}
	if d.typ == TypeHashTTL {
		d.item = "earliest field expiry"
		v, err := d.s.uint64()
		if err != nil {
			return err
		}
		d.item = "value"
		if h.earliest = v; v > maxFieldExpire+1 && d.mode != modeFrame {
			d.fault(CodeHashMinExpire, nil, "%d", v)
		}
	}
	n, err := d.collection()
	for ; err == nil && n > 0; n-- {
		if d.mode == modeFrame && d.typ == TypeHash {
			if n > math.MaxUint64/2 {
				n = math.MaxUint64 / 2
			}
			return d.skipStrs(2 * n)
		}
		err = d.element(h.field)
	}
	if err == nil {
		err = d.lateDups(CodeHashDuplicate)
	}
	return err
}

// maxFieldExpire is the latest time that a field can expire at (Redis ebuckets.h, EB_EXPIRE_TIME_MAX).
const maxFieldExpire = 1<<48 - 1

// smallHash and smallHashValue are the servers' default limits of a packed hash. The checker builds the hash, and words the fault of
// a duplicate field by what it had become.
const (
	smallHash      = 512
	smallHashValue = 64
)

// hashWalk is a walk over the fields of a hash that is not packed.
type hashWalk struct {
	d         *decoder
	earliest  uint64
	timeFirst bool
	timeLast  bool
}

func (h *hashWalk) field() error {
	d := h.d
	expire := NoExpire
	if h.timeFirst {
		d.item = "hash TTL"
		v, err := d.number()
		if err != nil {
			return err
		}
		expire = h.expiry(v)
		d.item = "hash field"
	}
	if d.mode == modeFrame {
		return h.skip()
	}
	name, dup, err := d.name()
	if err != nil {
		return err
	}
	nameLen := d.nameLen
	if h.timeFirst {
		d.item = "hash value"
	}
	valueLen, err := h.value()
	if err != nil {
		return err
	}
	if h.timeLast {
		v, err := d.s.uint64()
		if err != nil {
			return err
		}
		if expire = int64(v); expire < NoExpire {
			d.fault(CodeFieldExpireNeg, nil, "%d", expire)
		}
	}
	if dup {
		h.duplicate()
	}
	d.stillSmall(nameLen, valueLen)
	d.hasTTL = d.hasTTL || expire != NoExpire
	d.el.Kind, d.el.Data, d.el.ExpireAt = ElementField, name, expire
	d.emit()
	return nil
}

// skip passes a field behind its time, if that comes first.
func (h *hashWalk) skip() error {
	d := h.d
	if err := d.skipStr(); err != nil {
		return err
	}
	if h.timeFirst {
		d.item = "hash value"
	}
	if err := d.skipStr(); err != nil || !h.timeLast {
		return err
	}
	_, err := d.s.uint64()
	return err
}

// stillSmall notes the sizes of a field.
func (d *decoder) stillSmall(name, value uint64) {
	d.small = d.small && max(name, value) <= smallHashValue
}

// value reads or checks a field's value and returns its size.
func (h *hashWalk) value() (size uint64, err error) {
	if h.d.mode == modeEmit {
		h.d.el.Value, err = h.d.str()
		return uint64(len(h.d.el.Value)), err
	}
	return h.d.checkStrLen()
}

func (h *hashWalk) duplicate() {
	if h.d.small && !h.timeLast {
		h.d.faultSaying(CodeHashDuplicate, "Hash with dup elements")
	} else {
		h.d.fault(CodeHashDuplicate, nil, "")
	}
}

// expiry turns the number before a field into its expiry.
func (h *hashWalk) expiry(v uint64) int64 {
	if v == 0 {
		return NoExpire
	}
	if h.d.typ == TypeHashTTL {
		v += h.earliest - 1
	}
	if v > maxFieldExpire && h.d.mode != modeFrame {
		h.d.faultSaying(CodeFieldExpire, "invalid expireAt time: %d", v)
	}
	if v == 0 {
		return NoExpire
	}
	return int64(v)
}
