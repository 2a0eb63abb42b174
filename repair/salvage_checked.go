package repair

import "github.com/kvfsck/kvfsck/rdb"

// checkedPart is what a check of the file found out, so that no value is checked twice: up to where reading failed the values are sound in
// which it found no fault.
type checkedPart struct {
	end    int64
	first  int64          // faulty record
	faulty map[int64]bool // records
	to     int64          // how far it came
	runs   *soundRuns     // for one salvage; nil if there are none
}

// partChecked returns what a report that kept going says, nil if it is not to be relied on.
func partChecked(rep *rdb.Report) *checkedPart {
	if rep == nil {
		return nil
	}
	c := &checkedPart{end: rep.Size, to: rep.Size, first: rep.Size, faulty: map[int64]bool{}}
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

// close gives back what no salvage took.
func (c *checkedPart) close() {
	if c != nil && c.runs != nil {
		c.runs.close()
	}
}

// withoutRuns is the rest of what is known.
func (c *checkedPart) withoutRuns() *checkedPart {
	if c == nil {
		return nil
	}
	rest := *c
	rest.runs = nil
	return &rest
}

// takeRuns has a salvage take the runs of keys, and where their names are.
func (c *checkedPart) takeRuns() (runs []keyRun, names *keySet) {
	if c == nil || c.runs == nil || c.runs.keys == nil || len(c.runs.all) == 0 {
		return nil, nil
	}
	runs, names = c.runs.all, c.runs.keys
	c.runs.keys = nil
	return runs, names
}

// sound reports whether the value of the record that begins at an offset is known to be.
func (c *checkedPart) sound(at int64) bool {
	return c != nil && at < c.end && (at < c.first || !c.faulty[at])
}
