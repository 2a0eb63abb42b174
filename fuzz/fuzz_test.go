package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

// FuzzRDB lets the engine choose seeds: every file is flawless, reads back as what it is known to hold, and comes out the same when it is written anew.
func FuzzRDB(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed, seed*7)
	}
	f.Fuzz(func(t *testing.T, seed, options uint64) {
		opt := AnyOptions(options)
		if options%3 == 0 {
			opt = opt.WithModules(options)
		}
		checkRDB(t, seed, opt)
		b, want := RDB(seed, opt)
		checkRewrite(t, b, want)
	})
}

// checkRewrite writes what is read, once copying values and once encoding them anew, and demands the same contents.
func checkRewrite(t testing.TB, b []byte, want *Contents) {
	t.Helper()
	for _, reencode := range []bool{false, true} {
		var buf bytes.Buffer
		w := rdb.NewWriter(&buf, want.Target, rdb.WriterOptions{Reencode: reencode})
		for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
			require.NoError(t, err)
			require.NoError(t, w.WriteRecord(rec))
		}
		flawless(t, buf.Bytes())
		got, err := ReadContents(&buf)
		require.NoError(t, err)
		require.Empty(t, want.Diff(got))
	}
}

// few is n, or a fifth of it where tests are to be short.
func few(n uint64) uint64 {
	if testing.Short() {
		return n / 5
	}
	return n
}

func TestRewrite(t *testing.T) {
	for seed := range few(150) {
		b, want := RDB(seed, AnyOptions(seed))
		checkRewrite(t, b, want)
	}
}

// FuzzMutate damages files by seeds: all ways of reading agree about them, and none panics or allocates without measure.
func FuzzMutate(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed, seed*11)
	}
	f.Fuzz(func(t *testing.T, seed, damage uint64) {
		opt := AnyOptions(seed)
		if seed%3 == 0 {
			opt = opt.WithModules(seed)
		}
		b, _ := RDB(seed, opt)
		b, m := Mutate(damage, b)
		checkAgreement(t, b, m)
	})
}

// FuzzBytes lets the engine damage files by itself.
func FuzzBytes(f *testing.F) {
	for _, target := range rdb.Targets() {
		b, _ := RDB(1, RDBOptions{Target: target, Keys: 8, Elements: 3, Functions: 1, Loose: 50, Edge: Never})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 1<<16 {
			checkAgreement(t, b, Mutation{})
		}
	})
}

func TestMutatedFilesAgree(t *testing.T) {
	for seed := range few(300) {
		b, _ := RDB(seed, AnyOptions(seed))
		b, m := Mutate(seed, b)
		checkAgreement(t, b, m)
	}
}

// checkAgreement reads a file whole, by elements, by checking, and past its values, from a slice and byte by byte, and verifies it.
func checkAgreement(t testing.TB, b []byte, m Mutation) {
	t.Helper()
	want := walk(bytes.NewReader(b), 0, (*rdb.Entry).Check)
	for name, ask := range map[string]func(*rdb.Entry) error{
		"value": func(e *rdb.Entry) error { _, err := e.Value(); return err },
		"elements": func(e *rdb.Entry) (last error) {
			for _, err := range e.Elements() {
				last = err
			}
			return last
		},
	} {
		require.Equal(t, want, walk(bytes.NewReader(b), 64, ask), "%s: %v", name, m)
	}
	require.Equal(t, want, walk(iotest.OneByteReader(bytes.NewReader(b)), 0, (*rdb.Entry).Check), "byte by byte: %v", m)

	skipped := walk(bytes.NewReader(b), 0, func(*rdb.Entry) error { return nil })
	raw := walk(bytes.NewReader(b), 64, func(e *rdb.Entry) error { _, _ = e.Raw(); return nil })
	require.Equal(t, skipped.keys, raw.keys, "%v", m)
	require.Equal(t, skipped.end == "", raw.end == "", "%v", m)

	rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{KeepGoing: true})
	accepted := want.end == "" && !want.fault
	require.Equal(t, accepted, err == nil || !mindedByReader(rep), "verify: %v; %v", err, m)
}

// mindedByReader reports whether there is a fault that a Reader tells: one that the server of the family refuses, unless it is one of those that only
// Verify looks for, in the file as a whole and in libraries.
func mindedByReader(rep *rdb.Report) bool {
	for _, f := range rep.Faults {
		if f.Server() == rdb.Refuses && !errors.Is(f, rdb.ErrFile) && f.Code != rdb.CodeFunctionDuplicate && f.Code != rdb.CodeFunctionHeader {
			return true
		}
	}
	return !rep.Complete
}

// outcome is what a walk came to.
type outcome struct {
	keys  string
	fault bool // in a value, or in a module's data
	end   string
}

func walk(src io.Reader, window int, ask func(*rdb.Entry) error) (o outcome) {
	r := rdb.NewReaderOptions(src, rdb.ReaderOptions{Window: window})
	defer r.Close()
	for r.Next() {
		switch rec := r.Record().(type) {
		case *rdb.Entry:
			key := fmt.Sprintf("%d %q", rec.Offset, rec.Key)
			err := ask(rec)
			o.keys += fmt.Sprintln(key, err)
			o.fault = o.fault || err != nil
		case *rdb.ModuleAux:
			_, err := rec.Items()
			o.fault = o.fault || err != nil
		}
	}
	if err := r.Err(); err != nil {
		o.end = err.Error()
	}
	return o
}

// FuzzAOF damages logs by seeds: reading as a server and as a checker ends, and what was read can be written and read again.
func FuzzAOF(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, seed*13)
	}
	f.Fuzz(func(t *testing.T, seed, damage uint64) {
		opt := AnyAOFOptions(seed)
		opt.Layout = AOFPlain
		files, _ := AOFSet(seed, opt)
		b, m := MutateAOF(damage, files[0].Data)
		checkLog(t, b, m)
	})
}

func checkLog(t testing.TB, b []byte, m Mutation) {
	t.Helper()
	for _, strictness := range []aof.Strictness{aof.AsServer, aof.AsChecker} {
		whole := logWalk(bytes.NewReader(b), strictness)
		require.Equal(t, whole, logWalk(iotest.OneByteReader(bytes.NewReader(b)), strictness), "%v", m)
	}
}

func logWalk(src io.Reader, s aof.Strictness) (lines []string) {
	r := aof.NewReaderOptions(src, aof.ReaderOptions{Strictness: s, NoPreamble: true})
	for r.Next() {
		if c, ok := r.Record().(*aof.Command); ok {
			lines = append(lines, fmt.Sprintf("%d+%d db %d %v %q", c.Offset, c.Size, c.DB, c.InMulti, c.Args))
		}
	}
	return append(lines, fmt.Sprint(r.Err()))
}

func TestMutatedLogsAgree(t *testing.T) {
	for seed := range few(300) {
		opt := AnyAOFOptions(seed)
		opt.Layout = AOFPlain
		files, _ := AOFSet(seed, opt)
		b, m := MutateAOF(seed, files[0].Data)
		checkLog(t, b, m)
	}
}
