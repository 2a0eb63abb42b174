package repair

import "github.com/kvfsck/kvfsck/rdb"

// checkedPart is what a check of the file found out, so that no value is checked twice: up to where reading failed the values are sound in
// which it found no fault.
type checkedPart struct {
	end    int64
	first  int64          // faulty record
	faulty map[int64]bool // records
}

// partChecked returns what a report that kept going says, nil if it is not to be relied on.
func partChecked(rep *rdb.Report) *checkedPart {
	if rep == nil {
		return nil
	}
	c := &checkedPart{end: rep.Size, first: rep.Size, faulty: map[int64]bool{}}
	for _, f := range rep.Faults {
		c.faulty[f.Record] = true
		c.first = min(c.first, f.Record)
	}
	if rep.Total > int64(len(rep.Faults)) { // behind the last one that was kept there are more
		c.end = 0
		if n := len(rep.Faults); n > 0 {
			c.end = rep.Faults[n-1].Record
		}
	}
	return c
}

// sound reports whether the value of the record that begins at an offset is known to be.
func (c *checkedPart) sound(at int64) bool {
	return c != nil && at < c.end && (at < c.first || !c.faulty[at])
}
