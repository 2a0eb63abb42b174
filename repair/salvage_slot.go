package repair

import (
	"bytes"
	"strconv"

	"github.com/kvfsck/kvfsck/rdb"
)

// slotInfo reads Valkey's field slot-info: "slot,keys,expires" and perhaps more.
func slotInfo(a *rdb.Aux) (numbers [3]uint64, ok bool) {
	if !bytes.EqualFold(a.Name, []byte("slot-info")) {
		return numbers, false
	}
	parts := bytes.Split(a.Value, []byte(","))
	if len(parts) < 3 {
		return numbers, false
	}
	for i := range numbers {
		v, err := strconv.ParseUint(string(parts[i]), 10, 64)
		if err != nil {
			return numbers, false
		}
		numbers[i] = v
	}
	return numbers, true
}

// slotCheck compares keys with the cluster slots that are announced before them, in ascending order. A key of another slot has a damaged
// name, unless the announcement is what is damaged.
type slotCheck struct {
	known     bool
	last, now uint64
	first     bool // now is the first one known, so last says nothing
	right     int  // keys of the slot announced
	wrongs    int  // and others
}

// reset forgets the slot: behind a gap it is not known.
func (c *slotCheck) reset() { c.known = false }

// wrong reports whether f, which rest begins with, is of another slot than announced.
func (c *slotCheck) wrong(f *record, rest []record) bool {
	switch f.what {
	case isSelect, isAux: // of fields only the announcements stand between keys
		c.reset()
	case isSlot, isSlotField:
		c.first = !c.known
		c.known, c.last, c.now = true, c.now, f.numbers[0]
	case isKey:
		if !c.known {
			return false
		}
		if uint64(f.slot) == c.now {
			c.right++
			return false
		}
		c.wrongs++
		return c.right > 4*c.wrongs && !c.misannounced(f, rest)
	}
	return false
}

// misannounced reports whether it is the announcement that is wrong or missing: the key fits between those around it, where a damaged name
// hardly would; or it is out of order and the key is not; or several keys agree.
func (c *slotCheck) misannounced(f *record, rest []record) bool {
	next, slot, agree := uint64(16384), uint64(f.slot), 0
	for i := range rest {
		g := &rest[i]
		if g.what == isSlot || g.what == isSlotField {
			next = g.numbers[0]
			break
		}
		if g.what == isKey && g.slot == f.slot {
			agree++
		}
	}
	low := c.last
	if c.first {
		low = 0
	}
	const narrow = 1024 // slots
	if slot > low && slot < next && next-low < narrow {
		return true
	}
	fits := slot < next && (c.first || slot > low)
	inOrder := c.now < next && (c.first || c.now > low)
	return fits && (!inOrder || agree >= 2)
}
