package repair

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// manyParts makes a file that selects a database before every key.
func manyParts(keys, databases int) []byte {
	b := []byte("REDIS0011")
	for i := range keys {
		b = append(b, opSelectDB)
		b = appendLength(b, uint64(i%databases))
		b = fmt.Appendf(b, "\x00\x0bkey:%07d\x05value", i)
	}
	return append(b, opEOF, 0, 0, 0, 0, 0, 0, 0, 0)
}

// TestSalvageOfManyParts: the work grows with the number of databases and gaps, not with its square, and what is kept in memory of them is bounded.
func TestSalvageOfManyParts(t *testing.T) {
	t.Parallel()
	keys := 50_000
	if testing.Short() {
		keys = 15_000
	}
	b := manyParts(keys, keys)
	for i := range 20 {
		at := len(b) / 21 * (i + 1)
		clear(b[at : at+10])
	}
	s, err := Salvage(context.Background(), bytes.NewReader(b), int64(len(b)), SalvageOptions{})
	require.NoError(t, err)
	require.InDelta(t, keys, s.Keys, 40)
	require.InDelta(t, keys, len(s.DBs), 40)

	if testing.Short() {
		return
	}
	b = manyParts(segmentsMost+10, 2)
	_, err = Salvage(context.Background(), bytes.NewReader(b), int64(len(b)), SalvageOptions{})
	require.ErrorIs(t, err, ErrTooManyParts)
}
