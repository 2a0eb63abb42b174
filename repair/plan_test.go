package repair_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

func sample(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", name))
	require.NoError(t, err)
	return b
}

func plan(t *testing.T, b []byte, opt repair.PlanOptions) *repair.Plan {
	t.Helper()
	p, err := repair.NewPlan(context.Background(), bytes.NewReader(b), int64(len(b)), opt)
	require.NoError(t, err)
	return p
}

func TestPlanOfASoundFile(t *testing.T) {
	p := plan(t, sample(t, "redis-8.6-sample.rdb"), repair.PlanOptions{})
	assert.True(t, p.Sound())
	assert.Nil(t, p.Chosen)
	_, err := p.Apply(context.Background(), filepath.Join(t.TempDir(), "x"), nil)
	assert.ErrorIs(t, err, repair.ErrNothing)
}

// TestPlanHealsWhatTheChecksumProves flips one bit; the repaired file is the original.
func TestPlanHealsWhatTheChecksumProves(t *testing.T) {
	whole := sample(t, "redis-8.6-sample.rdb")
	b := bytes.Clone(whole)
	b[1200] ^= 4
	p := plan(t, b, repair.PlanOptions{})
	require.NotNil(t, p.Chosen)
	assert.Equal(t, repair.StrategyHeal, p.Chosen.Strategy)
	dst := filepath.Join(t.TempDir(), "repaired.rdb")
	res, err := p.Apply(context.Background(), dst, nil)
	require.NoError(t, err)
	assert.EqualValues(t, 30, res.Report.Keys)
	got, err := os.ReadFile(dst)
	require.NoError(t, err)
	assert.Equal(t, whole, got)
}

// TestPlanSalvagesTheRest has a damaged value under a right checksum: one key is lost, with its name.
func TestPlanSalvagesTheRest(t *testing.T) {
	p := plan(t, sample(t, "damaged.rdb"), repair.PlanOptions{})
	require.Len(t, p.Offers, 3)
	assert.False(t, p.Offers[0].Possible)
	require.Equal(t, repair.StrategySalvage, p.Chosen.Strategy)
	assert.EqualValues(t, 29, p.Chosen.Keys)
	require.Len(t, p.Chosen.Salvaged.Lost, 1)
	assert.Equal(t, "hash:listpack", string(p.Chosen.Salvaged.Lost[0].Key))
	assert.Less(t, p.Offers[2].Keys, p.Chosen.Keys, "truncation keeps less")
	dst := filepath.Join(t.TempDir(), "repaired.rdb")
	_, err := p.Apply(context.Background(), dst, nil)
	require.NoError(t, err)
	assert.NotContains(t, keysOf(t, dst), "0 hash:listpack")
	assert.Len(t, keysOf(t, dst), 29)
}

// TestPlanCountsWhatHealingLeavesOut has bytes behind the end of a healed file, and one of which a transfer as text changed all line ends.
func TestPlanCountsWhatHealingLeavesOut(t *testing.T) {
	whole := sample(t, "redis-8.6-sample.rdb")
	b := bytes.Clone(whole)
	b[1200] ^= 4
	heal := repair.PlanOptions{Strategies: []repair.Strategy{repair.StrategyHeal}}
	for _, c := range []struct {
		name    string
		damaged []byte
		whole   bool
		removed int64
		bytes   int64
	}{
		{"tail", append(b, "what another program wrote there"...), false, 0, 32},
		{"line ends", bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")), true, 14, 14},
		{"line ends and tail", append(bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")), "\r\n"...), true, 14, 16},
		{"byte more", slices.Insert(bytes.Clone(whole), 40, 0xEE), false, 1, 1},
	} {
		p := plan(t, c.damaged, heal)
		require.NotNil(t, p.Chosen, c.name)
		assert.Equal(t, c.whole, p.Chosen.Healed.Whole(), c.name)
		assert.Equal(t, c.removed, p.Chosen.Healed.Removed(), c.name)
		assert.Equal(t, c.bytes, p.Chosen.Bytes, c.name)
		assert.False(t, p.Chosen.Partial(), c.name)
	}
}

func keysOf(t *testing.T, path string) (keys []string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	for rec, err := range rdb.NewReader(f).Records() {
		require.NoError(t, err)
		if e, ok := rec.(*rdb.Entry); ok {
			keys = append(keys, string(rune('0'+e.DB))+" "+string(e.Key))
		}
	}
	return keys
}

func TestStrategiesCanBeChosen(t *testing.T) {
	b := sample(t, "damaged.rdb")
	p := plan(t, b, repair.PlanOptions{Strategies: []repair.Strategy{repair.StrategyTruncate}})
	require.Len(t, p.Offers, 1)
	assert.Equal(t, repair.StrategyTruncate, p.Chosen.Strategy)
	p = plan(t, b, repair.PlanOptions{Strategies: []repair.Strategy{repair.StrategyHeal}})
	assert.Nil(t, p.Chosen)
}

// TestInPlaceKeepsTheOriginal replaces a file with its mode, and keeps the damaged one.
func TestInPlaceKeepsTheOriginal(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "dump.rdb"), filepath.Join(dir, "dump.rdb.damaged")
	b := sample(t, "damaged.rdb")
	require.NoError(t, os.WriteFile(path, b, 0o640))
	p := plan(t, b, repair.PlanOptions{})
	res, err := p.ApplyInPlace(context.Background(), path, backup)
	require.NoError(t, err)
	assert.Equal(t, backup, res.Backup)
	kept, err := os.ReadFile(backup)
	require.NoError(t, err)
	assert.Equal(t, b, kept)
	assert.Len(t, keysOf(t, path), 29)
	_, err = p.ApplyInPlace(context.Background(), path, backup)
	assert.ErrorIs(t, err, os.ErrExist, "a copy that is there is not written over")
}

// failing reads as r does, up to a point.
type failing struct {
	r  io.ReaderAt
	at int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		return 0, errDisk
	}
	return f.r.ReadAt(p, off)
}

// TestNothingIsWrittenOnErrors ends in a cancelled context, and in an input that cannot be read.
func TestNothingIsWrittenOnErrors(t *testing.T) {
	b := sample(t, "damaged.rdb")
	p := plan(t, b, repair.PlanOptions{})
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.Apply(ctx, filepath.Join(dir, "x.rdb"), nil)
	assert.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	_, err = repair.NewPlan(context.Background(), failing{bytes.NewReader(b), 100}, int64(len(b)), repair.PlanOptions{})
	assert.ErrorIs(t, err, errDisk)
}

// TestServerLoadsWhatIsRepaired damages the 7.0 sample at every 97th byte, with a right checksum over the damage, and loads what the
// plan makes of it into a real server.
func TestServerLoadsWhatIsRepaired(t *testing.T) {
	loader := oracle.NewLoader(t, oracle.Find(t, oracle.RedisServer), oracle.LoadOptions{})
	whole := sample(t, "redis-7.0-sample.rdb")
	n := 0
	for at := 60; at < len(whole)-9; at += 97 {
		b := bytes.Clone(whole)
		b[at] ^= 0x55
		binary.LittleEndian.PutUint64(b[len(b)-8:], crc64.Checksum(b[:len(b)-8]))
		p := plan(t, b, repair.PlanOptions{Strategies: []repair.Strategy{repair.StrategySalvage}})
		if p.Sound() || p.Chosen == nil {
			continue
		}
		dst := filepath.Join(t.TempDir(), "repaired.rdb")
		_, err := p.Apply(context.Background(), dst, nil)
		require.NoError(t, err, "byte %d", at)
		repaired, err := os.ReadFile(dst)
		require.NoError(t, err)
		got := loader.Load(repaired)
		require.True(t, got.OK, "byte %d: %s", at, got.Log)
		keys, err := got.Server.KeyCount()
		require.NoError(t, err)
		assert.Equal(t, p.Chosen.Keys, keys, "byte %d", at)
		n++
	}
	assert.Greater(t, n, 5)
	t.Logf("%d repaired files loaded", n)
}

// TestPlanOfCandidates has a checksum of which nothing is left: any damage would explain it, so the change is offered and not made.
func TestPlanOfCandidates(t *testing.T) {
	whole := sample(t, "redis-8.6-sample.rdb")
	b := bytes.Clone(whole)
	copy(b[len(b)-8:], "\x51\x9a\x37\xee\x04\xc2\x7d\x88")
	p := plan(t, b, repair.PlanOptions{Strategies: []repair.Strategy{repair.StrategyHeal}})
	assert.Nil(t, p.Chosen)
	require.Equal(t, repair.HealUnproven, p.Offers[0].Healing.Outcome)
	require.Equal(t, 1, p.Offers[0].Healing.Verified())
	_, err := repair.NewPlan(t.Context(), bytes.NewReader(b), int64(len(b)), repair.PlanOptions{Strategies: []repair.Strategy{repair.StrategyHeal}, Candidate: 2})
	assert.ErrorContains(t, err, "there is no candidate 2: there are 1")
	p = plan(t, b, repair.PlanOptions{Candidate: 1})
	require.NotNil(t, p.Chosen)
	dst := filepath.Join(t.TempDir(), "repaired.rdb")
	_, err = p.Apply(context.Background(), dst, nil)
	require.NoError(t, err)
	got, err := os.ReadFile(dst)
	require.NoError(t, err)
	assert.Equal(t, whole, got)
}

// TestWhatThereIsNot is an error, and not passed over.
func TestWhatThereIsNot(t *testing.T) {
	b := sample(t, "redis-8.6-sample.rdb")
	two := bytes.Clone(b)
	copy(two[500:520], make([]byte, 20))
	copy(two[1500:1540], make([]byte, 40))
	for name, opt := range map[string]repair.PlanOptions{
		"a strategy":           {Strategies: []repair.Strategy{"Heal"}},
		"one of two":           {Strategies: []repair.Strategy{repair.StrategySalvage, ""}},
		"candidate 99":         {Candidate: 99},
		"candidate -1":         {Candidate: -1},
		"candidate of another": {Candidate: 1, Strategies: []repair.Strategy{repair.StrategySalvage}},
	} {
		_, err := repair.NewPlan(t.Context(), bytes.NewReader(two), int64(len(two)), opt)
		assert.Error(t, err, name)
	}
	log := fstest.MapFS{"a.aof": {Data: []byte("*1\r\n$4\r\nPING\r\n*1\r\n")}}
	_, err := repair.NewLogPlan(t.Context(), log, "a.aof", repair.LogPlanOptions{Strategies: []repair.Strategy{"Heal"}})
	assert.Error(t, err)
	for _, opt := range []repair.AOFOptions{{MoveLostDB: true, LostDB: -1}, {MoveLostDB: true, LostDB: 16, Databases: 16}} {
		_, err = repair.NewLogPlan(t.Context(), log, "a.aof", repair.LogPlanOptions{AOFSetOptions: repair.AOFSetOptions{AOFOptions: opt}})
		assert.Error(t, err)
	}
	_, err = repair.SalvageSet(t.Context(), log, repair.AOFSetOptions{Choice: -1})
	assert.Error(t, err)
}
