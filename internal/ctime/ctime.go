// Package ctime reads when an RDB was made, by its own account.
package ctime

import (
	"bytes"
	"strconv"

	"github.com/kvfsck/kvfsck/rdb"
)

// Of reads from the start of an RDB when it was made, in seconds since 1970.
func Of(r *rdb.Reader) (at int64, ok bool) {
	for range 32 {
		if !r.Next() {
			return 0, false
		}
		switch rec := r.Record().(type) {
		case *rdb.Aux:
			if bytes.Equal(rec.Name, []byte("ctime")) {
				at, err := strconv.ParseInt(string(rec.Value), 10, 64)
				return at, err == nil
			}
		case *rdb.Header:
		default:
			return 0, false
		}
	}
	return 0, false
}
