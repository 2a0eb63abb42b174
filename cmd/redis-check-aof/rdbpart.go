package main

import (
	"io"

	"github.com/kvfsck/kvfsck/internal/rdbcheck"
)

// rdbPart checks the RDB that a file begins with, printing what redis-check-rdb prints, and returns where it ends.
func (t *target) rdbPart(r io.Reader) (end int64, ok bool) {
	res := rdbcheck.Check(t.out, t.path, r)
	if res.OK {
		t.printf("RDB preamble is OK, proceeding with AOF tail...\n")
		return res.End, true
	}
	if fault := res.Report.CheckerFault(); fault != nil {
		if _, internal := fault.CheckerMessage(); internal {
			return 0, false // the original's object loader ends the process
		}
	}
	t.printf("RDB preamble of AOF file is not sane, aborting.\n")
	return 0, false
}
