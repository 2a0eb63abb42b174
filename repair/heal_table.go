package repair

import "math/bits"

// registerTable finds the number that was put down with a register. Most registers that are asked for are not there, so a filter of bits that
// fits a cache comes first.
type registerTable struct {
	filter []uint64
	keys   []uint64 // open addressing; 0 is free
	vals   []uint32
	fshift uint
	shift  uint
}

// Bytes of memory that a table needs for an entry, at most.
const tableEntrySize = 4*(8+4) + 4

// newRegisterTable returns a table for so many entries at most.
func newRegisterTable(entries int64) *registerTable {
	logSlots := uint(bits.Len64(uint64(entries))) + 1
	logBits := max(6, logSlots+3)
	return &registerTable{
		filter: make([]uint64, 1<<(logBits-6)), fshift: 64 - logBits,
		keys: make([]uint64, 1<<logSlots), vals: make([]uint32, 1<<logSlots), shift: 64 - logSlots,
	}
}

const scatter = 0x9E3779B97F4A7C15

// put puts a number down with a register, unless there is one. That of the register 0 is not kept.
func (t *registerTable) put(register uint64, v uint32) {
	if register == 0 {
		return
	}
	h := register * scatter
	t.filter[h>>t.fshift>>6] |= 1 << (h >> t.fshift & 63)
	for i := h >> t.shift; ; i++ {
		i &= uint64(len(t.keys) - 1)
		if t.keys[i] == register {
			return
		}
		if t.keys[i] == 0 {
			t.keys[i], t.vals[i] = register, v
			return
		}
	}
}

// maybe is false for most registers that are not in the table.
func (t *registerTable) maybe(register uint64) bool {
	b := register * scatter >> t.fshift
	return t.filter[b>>6]>>(b&63)&1 != 0
}

// get returns the number that was put down with a register.
func (t *registerTable) get(register uint64) (v uint32, ok bool) {
	if register == 0 || !t.maybe(register) {
		return 0, false
	}
	for i := register * scatter >> t.shift; ; i++ {
		i &= uint64(len(t.keys) - 1)
		if t.keys[i] == register {
			return t.vals[i], true
		}
		if t.keys[i] == 0 {
			return 0, false
		}
	}
}
