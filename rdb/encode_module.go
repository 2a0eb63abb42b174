package rdb

import (
	"encoding/binary"
	"math"
	"strconv"
)

func (e *encoder) chooseModule(m *Module) (Type, error) {
	if !e.target.Holds(FeatureModule) {
		return 0, e.omitKey(FeatureModule)
	}
	return TypeModule2, e.checkItems(m.Items)
}

// checkItems refuses items of a kind that does not exist, which no server could pass.
func (e *encoder) checkItems(items []ModuleItem) error {
	for i := range items {
		if k := items[i].Kind; k < ModuleSInt || k > ModuleString {
			return e.unsupported(FeatureValue, "a module item of kind "+strconv.Itoa(int(k)))
		}
	}
	return nil
}

func (e *encoder) module(m *Module) {
	e.length(uint64(m.ID))
	e.items(m.Items)
}

// items writes module items and their end; see [decoder.module].
func (e *encoder) items(items []ModuleItem) {
	for i := range items {
		it := &items[i]
		e.length(uint64(it.Kind))
		switch it.Kind {
		case ModuleSInt, ModuleUInt:
			e.length(it.Int)
		case ModuleFloat:
			e.buf = binary.LittleEndian.AppendUint32(e.buf, it.float32Bits())
		case ModuleDouble:
			e.uint64(it.float64Bits())
		case ModuleString:
			e.str(it.String)
		}
		e.spill()
	}
	e.length(moduleEOF)
}

// float32Bits and float64Bits return the bits of the number. A Reader keeps those of the file in Int, which for a NaN say more than
// Float; where the two disagree the item was made by hand and Float counts.
func (m *ModuleItem) float32Bits() uint32 {
	if f := math.Float32frombits(uint32(m.Int)); sameFloat(float64(f), m.Float) {
		return uint32(m.Int)
	}
	return math.Float32bits(float32(m.Float))
}

func (m *ModuleItem) float64Bits() uint64 {
	if sameFloat(math.Float64frombits(m.Int), m.Float) {
		return m.Int
	}
	return math.Float64bits(m.Float)
}

func sameFloat(a, b float64) bool {
	return a == b && math.Signbit(a) == math.Signbit(b) || math.IsNaN(a) && math.IsNaN(b)
}

// metadata writes the metadata of a key; see [decoder.keyMeta].
func (e *encoder) metadata(meta []KeyMeta) {
	e.byte(opKeyMeta)
	e.length(uint64(len(meta)))
	for i := range meta {
		e.buf = binary.LittleEndian.AppendUint32(e.buf, uint32(meta[i].Class))
		e.items(meta[i].Items)
	}
}
