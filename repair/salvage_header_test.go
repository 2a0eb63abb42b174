package repair

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageVersionOfWriter: behind a damaged header the version is the writer's, not that of a file inside a value.
func TestSalvageVersionOfWriter(t *testing.T) {
	for _, c := range []struct {
		target, inside rdb.Target
	}{{rdb.Version9, rdb.Version80}, {rdb.Version12, rdb.Version80}, {rdb.Version80, rdb.Version12}} {
		inner, _ := fuzz.RDB(7, fuzz.RDBOptions{Target: c.inside, Keys: 5})
		head, _ := fuzz.RDB(7, fuzz.RDBOptions{Target: c.target, Keys: 5})
		end := len(head) - 9 // the end mark and the checksum
		in := slices.Concat(head[:end], []byte("\x00\x05inner\x80"), binary.BigEndian.AppendUint32(nil, uint32(len(inner))), inner, head[end:])
		copy(in[3:], "?????")
		s, err := Salvage(context.Background(), bytes.NewReader(in), int64(len(in)), SalvageOptions{})
		require.NoError(t, err)
		assert.True(t, s.HeaderDamaged)
		assert.Equal(t, int(c.target), s.Version)
	}
}
