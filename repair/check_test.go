package repair_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

func checkMap(t *testing.T, b []byte) *repair.Report {
	t.Helper()
	rep, err := repair.Check(t.Context(), bytes.NewReader(b), int64(len(b)), repair.CheckOptions{})
	require.NoError(t, err)
	at := int64(0)
	for _, r := range rep.Map {
		require.Equal(t, at, r.Start, "a hole in the map")
		require.Greater(t, r.End, r.Start)
		at = r.End
	}
	require.Equal(t, int64(len(b)), at, "the map ends early")
	return rep
}

// TestCheckMap: the ranges of a file follow each other from its first byte to its last.
func TestCheckMap(t *testing.T) {
	whole := sample(t, "redis-8.6-sample.rdb")
	rep := checkMap(t, whole)
	assert.Nil(t, rep.Fault)
	assert.EqualValues(t, 30, rep.Keys)
	assert.Equal(t, []repair.Region{{End: int64(len(whole)), Kind: repair.RegionIntact}}, rep.Map)

	rep = checkMap(t, append(bytes.Clone(whole), "another file"...))
	assert.Nil(t, rep.Fault)
	assert.Equal(t, repair.RegionForeign, rep.Map[1].Kind)

	rep = checkMap(t, sample(t, "damaged.rdb"))
	require.NotNil(t, rep.Fault)
	assert.Equal(t, rdb.CodeListpack, rep.Fault.Code)
	assert.Contains(t, rep.Map, repair.Region{Start: 1622, End: 1669, Kind: repair.RegionDamaged})

	rep = checkMap(t, whole[:len(whole)/2])
	require.NotNil(t, rep.Fault)
	assert.ErrorIs(t, rep.Fault, rdb.ErrTruncated)
}

func TestCheckOfABrokenDisk(t *testing.T) {
	b := snapshot(rand.New(rand.NewPCG(14, 14)), 4<<20)
	disk, size := brokenReader{bytes.NewReader(b)}, int64(len(b))
	_, err := repair.Check(t.Context(), disk, size, repair.CheckOptions{})
	assert.ErrorIs(t, err, errDisk)
	_, err = repair.NewPlan(t.Context(), disk, size, repair.PlanOptions{})
	assert.ErrorIs(t, err, errDisk)
	_, err = repair.Salvage(t.Context(), disk, size, repair.SalvageOptions{})
	assert.ErrorIs(t, err, errDisk)
}
