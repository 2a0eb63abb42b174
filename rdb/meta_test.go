package rdb_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestEmptyMetadata: metadata of no class is told from none.
func TestEmptyMetadata(t *testing.T) {
	for file, empty := range map[string]bool{"REDIS0013\x00\x01k\x01v\xFF": false, "REDIS0013\xF3\x00\x00\x01k\x01v\xFF": true} {
		r := rdb.NewReader(strings.NewReader(file))
		for r.Next() {
			if e, ok := r.Record().(*rdb.Entry); ok {
				require.Equal(t, empty, e.Meta != nil)
				require.Empty(t, e.Meta)
			}
		}
		r.Close()
	}
}
