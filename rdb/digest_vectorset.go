package rdb

import (
	"fmt"
	"strconv"
)

var errVectorSet = fmt.Errorf("%w: a vector set that is not laid out as one", ErrContent)

// vectorDigest is the part in the digest of a vector set, which the module of Redis 8 computes:
//
//	(count, dimension) xor (vector, item, [attributes]) xor …
//
// It is fed the items that the module saved:
//
//	U dimension, U count, U config, U flags, [flags & 1: U, STR projection],
//	count times: STR item, [flags & 2: STR attributes], STR vector, U n, n times U
//
// (Redis 8 vset.c, VectorSetDigest)
type vectorDigest struct {
	id    ModuleID
	known bool
	sum   Sum
	next  int // place in the layout of what comes next

	dim, left, flags, params uint64
	item, attributes         []byte
}

const (
	vectorDim = iota
	vectorCount
	vectorConfig
	vectorFlags
	vectorInput
	vectorProjection
	vectorItem
	vectorAttributes
	vectorVector
	vectorParams
	vectorParam
	vectorDone
	vectorBad
)

func (v *vectorDigest) reset(id ModuleID) {
	*v = vectorDigest{id: id, known: id.Name() == "vectorset" && id.Version() == 0, item: v.item, attributes: v.attributes}
}

func (v *vectorDigest) add(it *ModuleItem) {
	if !v.known {
		return
	}
	wantString := v.next == vectorProjection || v.next >= vectorItem && v.next <= vectorVector
	if wantString != (it.Kind == ModuleString) || v.next >= vectorDone {
		v.next = vectorBad
		return
	}
	v.next = v.step(it)
}

// step takes the item whose place has come and returns the place of the next.
func (v *vectorDigest) step(it *ModuleItem) (next int) {
	switch v.next {
	case vectorDim:
		v.dim = it.Int
	case vectorCount:
		v.left = it.Int
		v.sequence(strconv.AppendUint(nil, v.left, 10), strconv.AppendUint(nil, v.dim, 10))
	case vectorFlags:
		if v.flags = it.Int; v.flags&1 == 0 {
			return v.element()
		}
	case vectorProjection:
		return v.element()
	case vectorItem:
		v.item, v.attributes = append(v.item[:0], it.String...), v.attributes[:0]
		if v.flags&2 == 0 {
			return vectorVector
		}
	case vectorAttributes:
		v.attributes = append(v.attributes[:0], it.String...)
	case vectorVector:
		if len(v.attributes) > 0 {
			v.sequence(it.String, v.item, v.attributes)
		} else {
			v.sequence(it.String, v.item)
		}
	case vectorParams:
		v.params = it.Int
		return v.param()
	case vectorParam:
		v.params--
		return v.param()
	}
	return v.next + 1
}

// element returns what comes where an element may begin.
func (v *vectorDigest) element() int {
	if v.left == 0 {
		return vectorDone
	}
	v.left--
	return vectorItem
}

// param returns what comes where a parameter may.
func (v *vectorDigest) param() int {
	if v.params == 0 {
		return v.element()
	}
	return vectorParam
}

// sequence adds parts that belong together in this order.
func (v *vectorDigest) sequence(parts ...[]byte) {
	var sum Sum
	for _, p := range parts {
		sum.mix(p)
	}
	v.sum.xor(sum[:])
}
