package rdb_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// demandRuns demands that the runs that a verification tells of are what a reader finds there, and that it finds fault with none of their keys. It
// returns how many keys these are.
func demandRuns(t *testing.T, b []byte, window int, duplicates bool, what any) (keys int64) {
	t.Helper()
	var runs []rdb.KeyRun
	opt := rdb.VerifyOptions{Workers: 3, KeepGoing: true, DuplicateKeys: duplicates, OnRun: func(k *rdb.KeyRun) {
		c := *k
		c.Hashes = slices.Clone(k.Hashes)
		runs = append(runs, c)
		counted := int64(0)
		for typ := range rdb.Type(30) {
			counted += k.Count(typ)
		}
		require.Equal(t, k.Keys, counted, "%v: types", what)
	}}
	rep, _ := rdb.Verify(context.Background(), bytes.NewReader(b), opt.Narrow(window, 0).Whole(b))
	last := int64(0)
	names := map[uint64]string{}
	for _, k := range runs {
		require.GreaterOrEqual(t, k.Offset, last, "%v: the order", what)
		require.Equal(t, crc64.Checksum(b[k.Offset:k.End()]), k.Checksum, "%v: the checksum", what)
		last = k.End()
		keys += k.Keys
		r := rdb.NewReader(nil)
		r.Resume(bytes.NewReader(b[k.Offset:k.End()]), rdb.Position{Offset: k.Offset, Family: rep.Family, Version: rep.Version, DB: k.DB})
		got := rdb.KeyRun{Span: rdb.Span{Offset: k.Offset}, DB: k.DB}
		for r.Offset() < k.End() {
			require.True(t, r.Next(), "%v: %v", what, r.Err())
			e, ok := r.Record().(*rdb.Entry)
			require.True(t, ok, "%v: a record that is no key", what)
			require.NoError(t, e.Check(), what)
			require.Equal(t, k.DB, e.DB, what)
			name := fmt.Sprintf("%d %s", e.DB, e.Key)
			hash := k.Hashes[got.Keys]
			require.Contains(t, []string{"", name}, names[hash], "%v: the hash of a key", what)
			names[hash] = name
			got.Keys++
			if e.ExpireAt == rdb.NoExpire {
				continue
			}
			if got.Expires++; got.Expires == 1 {
				got.FirstExpire, got.LastExpire = e.ExpireAt, e.ExpireAt
			}
			got.FirstExpire, got.LastExpire = min(got.FirstExpire, e.ExpireAt), max(got.LastExpire, e.ExpireAt)
		}
		got.Size = r.Offset() - k.Offset
		k.Hashes = nil
		require.Equal(t, [7]int64{k.Offset, k.Size, int64(k.DB), k.Keys, k.Expires, k.FirstExpire, k.LastExpire},
			[7]int64{got.Offset, got.Size, int64(got.DB), got.Keys, got.Expires, got.FirstExpire, got.LastExpire}, "%v", what)
		for _, f := range rep.Faults {
			require.False(t, f.Code != rdb.CodeDuplicateKey && f.Record >= k.Offset && f.Record < k.End(), "%v: a fault in a run: %v", what, f)
		}
	}
	return keys
}

func TestOnRun(t *testing.T) {
	files, damages := uint64(5), uint64(5)
	if testing.Short() {
		files, damages = 2, 2
	}
	for seed := range files {
		opt := fuzz.AnyOptions(seed)
		opt.Keys = 300
		b, _ := fuzz.RDB(seed, opt)
		for _, window := range []int{200, 1500, 6000} {
			demandRuns(t, b, window, seed%2 == 0, seed)
			for damage := range damages {
				bad, m := fuzz.Mutate(damage+100*seed, b)
				demandRuns(t, bad, window, seed%2 == 0, fmt.Sprint(seed, m))
			}
			bad := bytes.Clone(b)
			clear(bad[len(b)/2:][:min(900, len(b)/4)])
			demandRuns(t, bad, window, true, fmt.Sprint(seed, "zeros"))
		}
	}
	b, _ := fuzz.RDB(1, fuzz.RDBOptions{Keys: 3000, Databases: 1, Edge: fuzz.Never})
	require.Greater(t, demandRuns(t, b, 4000, true, "plain"), int64(2000))
}

// TestVerifyFrom begins a check in the middle, in every way there is: it finds what one of the whole finds from there on, but for the checksum.
func TestVerifyFrom(t *testing.T) {
	files := uint64(4)
	if testing.Short() {
		files = 2
	}
	for seed := range files {
		opt := fuzz.AnyOptions(seed)
		opt.Keys = 80
		b, _ := fuzz.RDB(seed, opt)
		if seed%2 > 0 {
			b, _ = fuzz.Mutate(seed, b)
		}
		var places []rdb.Position
		r := rdb.NewReaderOptions(bytes.NewReader(b), rdb.ReaderOptions{OnFault: func(*rdb.FormatError) error { return nil }})
		family, version := rdb.Redis, 0
		for r.Next() {
			switch rec := r.Record().(type) {
			case *rdb.Header:
				family, version = rec.Family, rec.Version
			case *rdb.Entry:
				places = append(places, rdb.Position{Offset: rec.Offset, Family: family, Version: version, DB: rec.DB})
			}
		}
		whole, _ := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{KeepGoing: true, Workers: 1})
		for i := 0; i < len(places); i += 13 {
			from := places[i]
			var want []string
			for _, f := range whole.Faults {
				if f.Record >= from.Offset && f.Code != rdb.CodeChecksum {
					want = append(want, f.Error())
				}
			}
			for n, opt := range []rdb.VerifyOptions{
				{Workers: 1}, rdb.VerifyOptions{Workers: 2}.Narrow(100, 100), rdb.VerifyOptions{Workers: 2}.Narrow(300, 1<<10).Whole(b),
				rdb.VerifyOptions{Workers: 3, DuplicateKeys: true}.Narrow(500, 0).Whole(b).Suspect(),
			} {
				opt.From, opt.KeepGoing = &from, true
				var src io.Reader = bytes.NewReader(b)
				if i%2 > 0 {
					src = iotest.HalfReader(src)
				}
				rep, _ := rdb.Verify(context.Background(), src, opt)
				var got []string
				for _, f := range rep.Faults {
					if f.Code != rdb.CodeDuplicateKey {
						got = append(got, f.Error())
					}
				}
				require.Equal(t, want, got, "%d, from %d, %d", seed, from.Offset, n)
				require.Equal(t, []any{whole.Keys - int64(i), whole.Size, whole.Complete, whole.Trailing, whole.Version},
					[]any{rep.Keys, rep.Size, rep.Complete, rep.Trailing, rep.Version}, "%d, from %d, %d", seed, from.Offset, n)
			}
		}
	}
}

// TestVerifyFromBeyond begins a check at and behind the end, as where a file has become shorter meanwhile, and before the beginning.
func TestVerifyFromBeyond(t *testing.T) {
	b, _ := fuzz.RDB(1, fuzz.RDBOptions{Bytes: 2 << 20})
	path := filepath.Join(t.TempDir(), "x.rdb")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	for _, offset := range []int64{int64(len(b)), int64(len(b)) + 1, 1 << 40} {
		for name, src := range map[string]io.Reader{
			"file": io.NewSectionReader(f, 0, 1<<50), "reader": iotest.HalfReader(bytes.NewReader(b)), "bytes": bytes.NewReader(b),
		} {
			for _, workers := range []int{1, 2} {
				from := rdb.Position{Offset: offset, Family: rdb.Redis, Version: 11}
				rep, err := rdb.Verify(context.Background(), src, rdb.VerifyOptions{From: &from, Workers: workers, DuplicateKeys: true})
				require.ErrorIs(t, err, rdb.ErrTruncated, "%s, %d, %d workers", name, offset, workers)
				require.Zero(t, rep.Keys)
				if s, ok := src.(io.Seeker); ok {
					_, err := s.Seek(0, io.SeekStart)
					require.NoError(t, err)
				}
			}
		}
	}
	_, err = rdb.Verify(context.Background(), f, rdb.VerifyOptions{From: &rdb.Position{Offset: -1}})
	require.ErrorContains(t, err, "offset -1")
}

// TestDuplicatesOfWhole: of a file that cannot be followed to its end, keys that stand twice need not be looked for; of others they are.
func TestDuplicatesOfWhole(t *testing.T) {
	b, _ := fuzz.RDB(1, fuzz.RDBOptions{Keys: 3000, Databases: 1, Edge: fuzz.Never})
	body := b[:len(b)-9]
	twice := append(bytes.Clone(body), "\x00\x01k\x01v\x00\x01k\x01w"...)
	twice = append(append(twice, body[bytes.IndexByte(body, 0xFE):]...), 0xFF, 0, 0, 0, 0, 0, 0, 0, 0)
	broken := append(bytes.Clone(twice[:len(twice)-9]), 0xF2, 0xF2)
	for _, c := range []struct {
		b     []byte
		whole bool
		want  bool
	}{{twice, false, true}, {twice, true, true}, {broken, false, true}, {broken, true, false}} {
		opt := rdb.VerifyOptions{Workers: 2, KeepGoing: true, DuplicateKeys: true, DuplicatesOfWhole: c.whole}
		rep, err := rdb.Verify(context.Background(), bytes.NewReader(c.b), opt.Whole(c.b))
		require.Error(t, err)
		require.Equal(t, c.want, rep.Duplicates > 0, "%d bytes, %v: %d", len(c.b), c.whole, rep.Duplicates)
	}
}
