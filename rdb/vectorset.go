package rdb

// vectorSetName is the type of module that vector sets are of, which are part of Redis 8.
const vectorSetName = "vectorset"

// vectorLayout follows the items that this module saves, in version 0 of its encoding:
//
//	U dimension, U count, U config, U flags, [flags & 1: U input dimension, STR projection],
//	count times: STR element, [flags & 2: STR attributes], STR vector, U n, n times U
//
// The lowest byte of config is the form of the vectors. Of each number in the head but the count, and of n, only 32 bits count.
// (Redis 8.6 vset.c, VectorSetRdbLoad)
type vectorLayout struct {
	next vectorPlace // of the item to come

	dim, left, config, flags, input, params uint64 // left: elements to come; params: parameters of the current one
}

// vectorPlace is a place in the layout.
type vectorPlace uint8

const (
	vectorDim vectorPlace = iota
	vectorCount
	vectorConfig
	vectorFlags
	vectorInput
	vectorProjection
	vectorElement
	vectorAttributes
	vectorVector
	vectorParams
	vectorParam
	vectorDone
	vectorBad
)

// Flags of a vector set.
const (
	vectorHasProjection = 1
	vectorHasAttributes = 2
)

// Forms of vectors.
const (
	vectorFloats = iota // f32le
	vectorBytes
	vectorBits // in groups of 64
)

// take takes an item, and its number if it is one, and returns its place, or vectorBad if it is not the one to come.
func (v *vectorLayout) take(kind ModuleItemKind, n uint64) (place vectorPlace) {
	place = v.next
	want := ModuleUInt
	switch place {
	case vectorProjection, vectorElement, vectorAttributes, vectorVector:
		want = ModuleString
	}
	if kind != want || place >= vectorDone {
		v.next = vectorBad
		return vectorBad
	}
	v.next = v.step(n)
	return place
}

// step takes the item whose place has come and returns the place of the next.
func (v *vectorLayout) step(n uint64) (next vectorPlace) {
	short := uint64(uint32(n))
	switch v.next {
	case vectorDim:
		v.dim = short
	case vectorCount:
		v.left = n
	case vectorConfig:
		v.config = short
	case vectorFlags:
		if v.flags = short; v.flags&vectorHasProjection == 0 {
			return v.element()
		}
	case vectorInput:
		v.input = short
	case vectorProjection:
		return v.element()
	case vectorElement:
		if v.flags&vectorHasAttributes == 0 {
			return vectorVector
		}
	case vectorParams:
		v.params = short
		return v.param()
	case vectorParam:
		v.params--
		return v.param()
	}
	return v.next + 1
}

// element returns what comes where an element may begin.
func (v *vectorLayout) element() vectorPlace {
	if v.left == 0 {
		return vectorDone
	}
	v.left--
	return vectorElement
}

// param returns what comes where a parameter may.
func (v *vectorLayout) param() vectorPlace {
	if v.params == 0 {
		return v.element()
	}
	return vectorParam
}

// form is that of the vectors.
func (v *vectorLayout) form() uint64 { return v.config & 0xFF }

// vectorSize is how many bytes a vector has.
func (v *vectorLayout) vectorSize() uint64 {
	switch v.form() {
	case vectorBytes:
		return v.dim
	case vectorBits:
		return (v.dim + 63) / 64 * 8
	}
	return 4 * v.dim
}

// projectionSize is how many bytes the matrix has that makes vectors of those given: floats.
func (v *vectorLayout) projectionSize() uint64 { return 4 * v.input * v.dim }
