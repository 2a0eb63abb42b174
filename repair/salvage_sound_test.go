package repair

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/filemap"
	"github.com/kvfsck/kvfsck/rdb"
)

// demandSound salvages a file behind a check, with the runs that this tells of and without: all is the same, the account, the map and the output. It
// returns how many bytes stood in runs before the first fault. Unless all is to be walked in the end, some must have been passed in one step, there or behind it.
func demandSound(t *testing.T, b []byte, walked bool, what any) (passed int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "damaged.rdb")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	ctx, size := context.Background(), int64(len(b))
	opt := SalvageOptions{runsLeast: 1, runsKept: 1}
	_, known, err := checkFirst(ctx, f, size, rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true}, opt)
	defer known.close()
	require.Error(t, err)
	opt.checked, opt.walkAll = known.withoutRuns(), true
	want, err := Salvage(ctx, f, size, opt)
	require.NoError(t, err)
	for _, k := range known.runs.all {
		passed += k.end - k.start
	}
	opt.checked, opt.walkAll = known, false
	got, err := Salvage(ctx, f, size, opt)
	require.NoError(t, err)
	require.True(t, passed == 0 || known.runs.keys == nil, "%v: the runs were not taken", what)
	stepped := slices.ContainsFunc(got.out, func(g segment) bool { return g.unlisted })
	require.Equal(t, !walked, stepped, "%v: in one step", what)
	require.Equal(t, stepped, len(got.sums) > 0, "%v: checksums of what was passed", what)
	require.True(t, bytes.Equal(outputOf(t, want), outputOf(t, got)), "%v: the output", what)
	for _, s := range []*Salvaged{want, got} {
		s.opt, s.src, s.sums = SalvageOptions{}, nil, nil
		for i := range s.out {
			s.out[i].unlisted, s.out[i].expiring, s.out[i].odd = false, nil, nil
		}
	}
	require.Equal(t, want, got, "%v", what)
	return passed
}

// TestSoundRuns: it is the same whether the walk passes over what the check found sound or reads it again.
func TestSoundRuns(t *testing.T) {
	t.Parallel()
	if filemap.Of(bytesFile(t, make([]byte, filemap.MinSize)), filemap.MinSize) == nil {
		t.Skip("no maps on this system")
	}
	files, parts := uint64(2), []float64{0.1, 0.5, 0.97}
	if testing.Short() {
		files, parts = 1, parts[1:2]
	}
	for seed := range files {
		opt := fuzz.RDBOptions{Bytes: 14 << 20, Databases: 1 + int(seed%2), StringSize: 200, Edge: fuzz.Never, Target: rdb.Version11}
		b, _ := fuzz.RDB(seed, opt)
		r := rand.New(rand.NewSource(int64(seed)))
		noise := func(at, n int) []byte {
			bad := bytes.Clone(b)
			r.Read(bad[at : at+n])
			return bad
		}
		for _, part := range parts {
			at := int(float64(len(b)) * part)
			require.Equal(t, part > 0.4, demandSound(t, noise(at, 4096), false, at) > 0, "%d, %v", seed, part)
		}
		zeros := bytes.Clone(b)
		clear(zeros[len(b)/2 : len(b)/2+4096])
		demandSound(t, zeros, false, "zeros")
		require.Positive(t, demandSound(t, b[:len(b)*4/5], false, "cut"))

		// A key of a run that stands again behind the damage.
		end := len(b) - 9
		again := append(bytes.Clone(b[:end]), recordAt(t, b, len(b)/3)...)
		again = append(again, b[end:]...)
		r.Read(again[len(b)*3/4:][:100])
		require.Positive(t, demandSound(t, again, false, "a key twice"))
	}
}

// TestSoundRunsSurplus: where more keys expire than the file says, those of runs are looked at after all.
func TestSoundRunsSurplus(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	o := sessions(t, 120_000, false)
	b := bytes.Clone(o.bytes)
	key := o.keys[len(o.keys)/2]
	expiry := append([]byte{0xFC}, binary.LittleEndian.AppendUint64(nil, 4102444800000)...)
	b = append(b[:key.start:key.start], append(expiry, b[key.start:]...)...)
	clear(b[len(b)-5000 : len(b)-4990])
	require.Positive(t, demandSound(t, b, true, "an expiry too many"))
}

// recordAt is the first record of a key that begins at or behind an offset.
func recordAt(t *testing.T, b []byte, at int) []byte {
	r := rdb.NewReader(bytes.NewReader(b))
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok && int(e.Offset) >= at {
			require.NoError(t, e.Skip())
			return b[e.Offset:e.End()]
		}
	}
	t.Fatal("no record")
	return nil
}

func bytesFile(t *testing.T, b []byte) *os.File {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	_, err = f.WriteAt(b, 0)
	require.NoError(t, err)
	return f
}

// TestPlanTellsOfDuplicates: what a plan says of the damaged file is what a check of it says, of keys that stand twice too.
func TestPlanTellsOfDuplicates(t *testing.T) {
	b, _ := fuzz.RDB(5, fuzz.RDBOptions{Bytes: 3 << 20, Databases: 1, StringSize: 200, Edge: fuzz.Never, Target: rdb.Version11})
	noise := func(b []byte) []byte {
		bad := bytes.Clone(b)
		rand.New(rand.NewSource(1)).Read(bad[len(b)*3/4:][:3000])
		return bad
	}
	half := len(recordsTo(t, b, len(b)/2))
	again := append(append(bytes.Clone(b[:half]), recordAt(t, b, len(b)/3)...), b[half:]...)
	for name, b := range map[string][]byte{"none twice": noise(b), "one twice": noise(again)} {
		f := bytesFile(t, b)
		want, wantErr := rdb.Verify(context.Background(), io.NewSectionReader(f, 0, int64(len(b))), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true})
		require.Error(t, wantErr)
		require.False(t, want.Complete)
		require.Equal(t, name == "one twice", want.Duplicates == 1, name)
		p, err := NewPlan(context.Background(), f, int64(len(b)), PlanOptions{Strategies: []Strategy{StrategySalvage}})
		require.NoError(t, err)
		require.Equal(t, want, p.Report, name)
		require.Equal(t, wantErr, error(p.Fault), name)
	}
}

// recordsTo is what stands before the first record of a key at or behind an offset.
func recordsTo(t *testing.T, b []byte, at int) []byte {
	return b[:bytes.Index(b[at-1:], recordAt(t, b, at))+at-1]
}

// TestTruncateDoubtsNothing: what stands before the first fault is kept, though no server writes databases in such an order, or one without counts, or gives a key a time that is text, which the
// counts know nothing of.
func TestTruncateDoubtsNothing(t *testing.T) {
	for _, order := range [][]uint64{{9, 3, 4}, {3, 9, 4}, {0, 15, 7, 8}, {1, 2, 0}} {
		keys := map[uint64]int{}
		for _, db := range order {
			keys[db] = 30
		}
		o := numbered(t, true, keys, order...)
		b := o.bytes[:len(o.bytes)-headerSize]
		odd := binary.LittleEndian.AppendUint64([]byte{opExpireTimeMS}, 0x6F2065756C617620) // which is text
		b = concat(b, odd, text("key", "value"), []byte{opSelectDB, 2}, text("k", "v"))
		b = append(b, 0xF2, 0xF2, 0xF2)
		s, err := Truncate(t.Context(), bytes.NewReader(b), int64(len(b)), SalvageOptions{})
		require.NoError(t, err)
		require.EqualValues(t, 3, s.LostBytes, "%v", order)
		require.EqualValues(t, 30*len(order)+2, s.Keys, "%v", order)
		require.Zero(t, s.DoubtfulKeys, "%v", order)
		keys[2]++
		keys[order[len(order)-1]]++
		again, err := Truncate(t.Context(), bytes.NewReader(b), int64(len(b)), SalvageOptions{databases: 4, noMore: true})
		require.NoError(t, err)
		for _, got := range [][]DBAccount{s.DBs, again.DBs} {
			for _, db := range got {
				require.EqualValues(t, keys[db.DB], db.Kept, "%v: %v", order, got)
			}
		}
	}
}
