package repair

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// typed gives vector sets another type of module.
func typed(t *testing.T, b []byte, id uint64, keys ...string) {
	t.Helper()
	for _, key := range keys {
		at := bytes.Index(b, append([]byte(key), binary.BigEndian.AppendUint64([]byte{0x81}, uint64(vectorSetID))...))
		require.Positive(t, at, key)
		binary.BigEndian.PutUint64(b[at+len(key)+1:], id)
	}
}

// TestSalvageVectorSetOfAnotherType damages the types of vector sets, of which no other sign of damage is seen.
func TestSalvageVectorSetOfAnotherType(t *testing.T) {
	o, err := os.ReadFile(corpus.Path(t, "rdb/redis-8.6/vectors.rdb"))
	require.NoError(t, err)
	other, _ := rdb.NewModuleID("RXx2n7set", 0)
	for _, c := range []struct {
		name   string
		keys   []string
		summed bool // the checksum is made anew
		lost   int64
	}{
		{"one", []string{"vs:small"}, false, 1},
		{"a larger one", []string{"vs:q8"}, false, 1},
		{"two of one type", []string{"vs:small", "vs:q8"}, false, 0},
		{"one, and the checksum is right", []string{"vs:small"}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(o)
			typed(t, b, uint64(other), c.keys...)
			if c.summed {
				binary.LittleEndian.PutUint64(b[len(b)-8:], crc64.Checksum(b[:len(b)-8]))
			}
			s, _ := salvage(t, b, SalvageOptions{})
			assert.Equal(t, 9-c.lost, s.Keys)
			assert.Equal(t, c.lost, s.DoubtfulKeys)
			if c.lost > 0 {
				require.Len(t, s.Lost, 1)
				assert.Equal(t, c.keys[0], string(s.Lost[0].Key))
				assert.Equal(t, DoubtForm, s.Lost[0].Doubt)
			}
		})
	}
}

// TestSalvageOtherModules keeps keys of modules that nobody knows, in files whose checksum is wrong.
func TestSalvageOtherModules(t *testing.T) {
	for _, name := range []string{"redis-6.2/modules.rdb", "redis-7.4/modules.rdb", "valkey-8.0/modules.rdb"} {
		b, err := os.ReadFile(corpus.Path(t, "rdb/"+name))
		require.NoError(t, err)
		keys := int64(0)
		for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
			require.NoError(t, err)
			if _, ok := rec.(*rdb.Entry); ok {
				keys++
			}
		}
		b[len(b)-1] ^= 1
		s, _ := salvage(t, b, SalvageOptions{})
		assert.Equal(t, keys, s.Keys, name)
	}
}

// TestSalvageDamagedVectorSet leaves out a set whose graph no server takes.
func TestSalvageDamagedVectorSet(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "rdb/redis-8.6/vectors.rdb"))
	require.NoError(t, err)
	end := []byte("\x02\x80\x01\x00\x00\x00") // level 0, version 1
	at := bytes.LastIndex(b, end)
	require.Positive(t, at)
	b[at+2] = 2
	binary.LittleEndian.PutUint64(b[len(b)-8:], crc64.Checksum(b[:len(b)-8]))
	s, _ := salvage(t, b, SalvageOptions{})
	require.EqualValues(t, 8, s.Keys)
	require.Len(t, s.Lost, 1)
	require.Equal(t, rdb.CodeVectorNode, s.Lost[0].Code)
}
