package rdb

import (
	"fmt"
	"strconv"
)

var errVectorSet = fmt.Errorf("%w: a vector set that is not laid out as one", ErrContent)

// vectorDigest is the part in the digest of a vector set, which the module of Redis 8 computes:
//
//	(count, dimension) xor (vector, element, [attributes]) xor …
//
// It is fed the items that the module saved. (Redis 8 vset.c, VectorSetDigest)
type vectorDigest struct {
	vectorLayout
	id    ModuleID
	known bool
	sum   Sum

	name, attributes []byte
}

func (v *vectorDigest) reset(id ModuleID) {
	*v = vectorDigest{id: id, known: id.Name() == vectorSetName && id.Version() == 0, name: v.name, attributes: v.attributes}
}

func (v *vectorDigest) add(it *ModuleItem) {
	if !v.known {
		return
	}
	switch v.take(it.Kind, it.Int) {
	case vectorCount:
		v.sequence(strconv.AppendUint(nil, it.Int, 10), strconv.AppendUint(nil, v.dim, 10))
	case vectorElement:
		v.name, v.attributes = append(v.name[:0], it.String...), v.attributes[:0]
	case vectorAttributes:
		v.attributes = append(v.attributes[:0], it.String...)
	case vectorVector:
		if len(v.attributes) > 0 {
			v.sequence(it.String, v.name, v.attributes)
		} else {
			v.sequence(it.String, v.name)
		}
	}
}

// sequence adds parts that belong together in this order.
func (v *vectorDigest) sequence(parts ...[]byte) {
	var sum Sum
	for _, p := range parts {
		sum.mix(p)
	}
	v.sum.xor(sum[:])
}
