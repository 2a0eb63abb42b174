package rdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// outcome is what a walk over a file came to: a line for every record and fault.
type outcome []string

func (o *outcome) add(format string, args ...any) { *o = append(*o, fmt.Sprintf(format, args...)) }

// end notes how the reading ended.
func (o *outcome) end(r *rdb.Reader) outcome {
	o.add("end %v", r.Err())
	return *o
}

// walks are the ways to read a file. The first three tell of every key whether it is good; the last only where keys are.
var walks = map[string]func(r *rdb.Reader) outcome{
	"check": func(r *rdb.Reader) (o outcome) {
		for r.Next() {
			if e, ok := r.Record().(*rdb.Entry); ok {
				err := e.Check()
				o.add("%d %q %v %v", e.Offset, e.Key, e.Type, err)
			}
		}
		return o.end(r)
	},
	"value": func(r *rdb.Reader) (o outcome) {
		for r.Next() {
			if e, ok := r.Record().(*rdb.Entry); ok {
				_, err := e.Value()
				o.add("%d %q %v %v", e.Offset, e.Key, e.Type, err)
			}
		}
		return o.end(r)
	},
	"elements": func(r *rdb.Reader) (o outcome) {
		for r.Next() {
			if e, ok := r.Record().(*rdb.Entry); ok {
				var last error
				for _, err := range e.Elements() {
					last = err
				}
				o.add("%d %q %v %v", e.Offset, e.Key, e.Type, last)
			}
		}
		return o.end(r)
	},
}

// positions reads a file without looking into values; a fault inside one is not its business.
func positions(r *rdb.Reader) (o outcome) {
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			o.add("%d %q", e.Offset, e.Key)
		}
	}
	o.add("end %v", r.Err() == nil)
	return o
}

func positionsRaw(r *rdb.Reader) (o outcome) {
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			o.add("%d %q", e.Offset, e.Key)
			e.Raw()
		}
	}
	o.add("end %v", r.Err() == nil)
	return o
}

func positionsStopping(r *rdb.Reader) (o outcome) {
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			o.add("%d %q", e.Offset, e.Key)
			for range e.Elements() {
				break
			}
		}
	}
	o.add("end %v", r.Err() == nil)
	return o
}

// checkAgreement reads b in every way there is and demands equal results.
func checkAgreement(t *testing.T, b []byte) {
	t.Helper()
	open := func(window, limit int, src io.Reader) *rdb.Reader {
		return rdb.NewReaderOptions(src, rdb.ReaderOptions{}.Narrow(window, limit))
	}
	want := walks["check"](open(0, 0, bytes.NewReader(b)))
	for name, walk := range walks {
		for _, narrow := range [][2]int{{0, 0}, {16, 16}, {64, 100}} {
			if diff := cmp.Diff(want, walk(open(narrow[0], narrow[1], bytes.NewReader(b)))); diff != "" {
				t.Fatalf("%s, window %d, limit %d:\n%s", name, narrow[0], narrow[1], diff)
			}
		}
	}
	if diff := cmp.Diff(want, walks["value"](open(0, 0, iotest.OneByteReader(bytes.NewReader(b))))); diff != "" {
		t.Fatalf("byte by byte:\n%s", diff)
	}
	skipped := positions(open(0, 0, bytes.NewReader(b)))
	for name, walk := range map[string]func(*rdb.Reader) outcome{"narrow": positions, "raw": positionsRaw, "stopping": positionsStopping} {
		if diff := cmp.Diff(skipped, walk(open(16, 16, bytes.NewReader(b)))); diff != "" {
			t.Fatalf("skipping, %s:\n%s", name, diff)
		}
	}
	compareReports(t, b)
}

// compareReports verifies b with windows and blocks of several sizes, with workers and without.
func compareReports(t *testing.T, b []byte) {
	t.Helper()
	for _, opt := range []rdb.VerifyOptions{everything, {}} {
		verify := func(workers, window, limit int, whole, suspect bool) (*rdb.Report, outcome, error) {
			var records outcome
			o := opt.Narrow(window, limit)
			if whole {
				o = o.Whole(b)
			}
			if suspect {
				o = o.Suspect()
			}
			o.Workers = workers
			o.OnRecord = func(rec rdb.Record) {
				if m, ok := rec.(*rdb.ModuleAux); ok {
					records.add("%v %v %v %v", m.Span, m.Module, m.WhenOpcode, m.When)
				} else {
					records.add("%T %+v", rec, rec)
				}
			}
			rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), o)
			return rep, records, err
		}
		want, records, err := verify(1, 0, 0, false, false)
		for _, c := range []struct {
			workers, window, limit int
			whole, suspect         bool
		}{
			{1, 16, 16, false, false}, {1, 64, 100, false, false}, {2, 16, 16, false, false}, {2, 40, 100, false, false},
			{3, 200, 1 << 10, false, false}, {2, 0, 0, false, false},
			{2, 16, 16, true, false}, {2, 100, 100, true, true}, {3, 300, 1 << 10, true, false}, {2, 2000, 0, true, true},
		} {
			got, records2, err2 := verify(c.workers, c.window, c.limit, c.whole, c.suspect)
			opts := cmp.Options{cmpopts.IgnoreUnexported(rdb.Report{}, rdb.FormatError{}, rdb.DBCount{}), cmpopts.IgnoreFields(rdb.FormatError{}, "Err")}
			if diff := cmp.Diff(want, got, opts); diff != "" {
				t.Fatalf("verify, %+v:\n%s", c, diff)
			}
			if diff := cmp.Diff(records, records2); diff != "" {
				t.Fatalf("records, %+v:\n%s", c, diff)
			}
			if fmt.Sprint(err) != fmt.Sprint(err2) {
				t.Fatalf("verify, %+v: %v, not %v", c, err2, err)
			}
		}
	}
}

func TestWaysOfReadingAgree(t *testing.T) {
	for _, c := range ruleCases {
		t.Run(c.name, func(t *testing.T) { checkAgreement(t, c.file) })
	}
}

func TestWaysOfReadingAgreeOnTheCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, f := range corpus.RDBs(t) {
		if f.Size < 20<<10 {
			b, err := os.ReadFile(f.Path)
			require.NoError(t, err)
			checkAgreement(t, b)
		}
	}
	n := 0
	for r := range corpus.RDBRecipes(t) {
		if n++; n%50 == 0 && *r.Size < 50<<10 {
			checkAgreement(t, r.MustApply(t))
		}
	}
}

// TestEveryCut cuts a file of many types at every byte; each cut is a truncation, at most as far as the cut.
func TestEveryCut(t *testing.T) {
	whole := redisFile("\xfa", str("redis-ver"), str("8.6"), "\xfe\x00\xfb\x01\x00", "\xfc", le64(1<<42), key(0, "s"), "\xc3\x05\x0a\x00a\xe0\x00\x00",
		key(5, "z"), ln(1), str("m"), f64(1), key(16, "h"), str(lp("f", "v")), key(18, "l"), ln(2), ln(1), str("plain"), ln(2), str(lp("a")),
		key(24, "t"), le64(1000), ln(1), ln(1), str("f"), str("v"), key(26, "x"), ln(1), node(1, "a"), streamTail(1, 1), ln(1), group("g", []uint64{1}, []uint64{1}),
		ln(100), ln(100), ln(1), str("p"), ln(1), str("i"), ln(1), ln(0), ln(0), ln(0), key(7, "m"), ln(1<<60), "\x02\x05\x03", "1234", "\x04", f64(1), "\x05", str("s"), "\x00")
	_, err := rdb.Verify(context.Background(), bytes.NewReader(whole), everything)
	require.NoError(t, err)
	for n := range whole {
		rep, err := rdb.Verify(context.Background(), bytes.NewReader(whole[:n]), everything)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", n)
		require.LessOrEqual(t, rep.CheckerFault().Offset, int64(n))
		_, err = rdb.Verify(context.Background(), io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(errBroken)), everything)
		var fe *rdb.FormatError
		require.ErrorIs(t, err, errBroken)
		require.False(t, errors.As(err, &fe))
	}
}

func FuzzReader(f *testing.F) {
	for _, c := range ruleCases {
		f.Add(c.file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		checkAgreement(t, b)
	})
}

// TestMapped verifies files on disk that are large enough for a map, sound and damaged, and one that becomes shorter meanwhile.
func TestMapped(t *testing.T) {
	sound, _ := fuzz.RDB(7, fuzz.RDBOptions{Bytes: 3 << 20, Databases: 5})
	require.Greater(t, len(sound), 2<<20)
	damaged := bytes.Clone(sound)
	clear(damaged[2<<20 : 2<<20+512])
	for name, b := range map[string][]byte{"sound": sound, "damaged": damaged, "cut": sound[:5<<18], "trailing": append(bytes.Clone(sound), "more"...)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dump.rdb")
			require.NoError(t, os.WriteFile(path, append([]byte("head"), b...), 0o600))
			f, err := os.Open(path)
			require.NoError(t, err)
			defer f.Close()
			want, wantErr := rdb.Verify(context.Background(), bytes.NewReader(b), everything)
			for _, src := range []io.Reader{io.NewSectionReader(f, 4, int64(len(b))), f} {
				if src == f {
					_, err = f.Seek(4, io.SeekStart)
					require.NoError(t, err)
				}
				o := everything
				o.Workers = 2
				got, err := rdb.Verify(context.Background(), src, o)
				require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err))
				require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(rdb.Report{}, rdb.FormatError{}, rdb.DBCount{}), cmpopts.IgnoreFields(rdb.FormatError{}, "Err")))
			}
		})
	}
	t.Run("shrinks", func(t *testing.T) {
		long, _ := fuzz.RDB(8, fuzz.RDBOptions{Bytes: 16 << 20}) // more than all blocks in work
		path := filepath.Join(t.TempDir(), "dump.rdb")
		require.NoError(t, os.WriteFile(path, long, 0o600))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		defer f.Close()
		o := everything
		o.Workers = 2
		o.OnRecord = func(rec rdb.Record) { // the first one
			_ = f.Truncate(1 << 20)
		}
		rep, err := rdb.Verify(context.Background(), f, o)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Less(t, rep.CheckerFault().Offset, int64(len(long)), "some blocks had been read")
	})
}
