package rdb_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestEnough: a reader that wants one fault of each value is told the first of them, and where values end; of those that end nowhere it may be told less.
func TestEnough(t *testing.T) {
	type value struct {
		end   int64
		first rdb.Code
	}
	read := func(b []byte, enough bool) (values []value, told int, err error) {
		var first rdb.Code
		faults := 0
		r := rdb.NewReaderOptions(bytes.NewReader(b), rdb.ReaderOptions{OnFault: func(e *rdb.FormatError) error {
			if told++; faults == 0 {
				first = e.Code
			}
			faults++
			if enough {
				return rdb.ErrEnough
			}
			return nil
		}})
		for r.Next() {
			if e, ok := r.Record().(*rdb.Entry); ok {
				first, faults = "", 0
				if err := e.Check(); err != nil {
					return values, told, err
				}
				values = append(values, value{e.End(), first})
			}
		}
		return values, told, r.Err()
	}
	ofManyValues(t, 20, 20, 40, func(t *testing.T, b []byte, what any) {
		want, all, err := read(b, false)
		got, told, err2 := read(b, true)
		if err2 == nil || err != nil {
			require.Equal(t, err == nil, err2 == nil, "%v", what)
		}
		require.GreaterOrEqual(t, len(got), len(want), "%v", what)
		require.Equal(t, want, got[:len(want)], "%v", what)
		require.LessOrEqual(t, told, max(all, len(got)), "%v", what)
	})
}
