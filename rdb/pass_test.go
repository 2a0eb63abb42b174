package rdb_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// checkDown writes down the records of a reader, with the faults of their values; next reads a record and tells whether its value was passed.
func checkDown(b *strings.Builder, r *rdb.Reader, faults *[]string, next func() (ok, passed bool)) {
	for {
		*faults = nil
		ok, passed := next()
		if !ok {
			break
		}
		e, isKey := r.Record().(*rdb.Entry)
		if !isKey {
			fmt.Fprintf(b, "%T %+v\n", r.Record(), r.Record())
			continue
		}
		if !passed {
			if err := e.Check(); err != nil {
				fmt.Fprintf(b, "%v\n", err)
			}
		}
		fmt.Fprintf(b, "%+v db %d %q %d %d %d %d value at %d %v\n", e.Span, e.DB, e.Key, e.Type, e.ExpireAt, e.Idle, e.Freq, e.ValueOffset, *faults)
	}
	if r.Err() != nil {
		fmt.Fprintf(b, "%v\n", r.Err())
	}
}

// demandPass reads b with Next and Check, and in pieces with Pass.
func demandPass(t *testing.T, b []byte, size int, what any) {
	t.Helper()
	var faults []string
	opt := rdb.ReaderOptions{OnFault: func(e *rdb.FormatError) error { faults = append(faults, e.Error()); return nil }}
	var want strings.Builder
	whole := rdb.NewReaderOptions(bytes.NewReader(b), opt)
	checkDown(&want, whole, &faults, func() (bool, bool) { return whole.Next(), false })

	var got strings.Builder
	s := rdb.NewSplitterOptions(bytes.NewReader(b), rdb.SplitterOptions{Size: size})
	r := rdb.NewReaderOptions(nil, opt)
	var p rdb.Piece
	for failed := false; !failed && s.Next(&p); failed = r.Err() != nil {
		var piece strings.Builder
		for again := false; ; again = true {
			piece.Reset()
			r.OpenPass(&p, again)
			checkDown(&piece, r, &faults, func() (bool, bool) { return r.Pass(true) })
			if r.Settle() {
				break
			}
		}
		got.WriteString(piece.String())
	}
	if want.String() != got.String() {
		t.Fatalf("%v, pieces of %d: %s", what, size, firstDifference(want.String(), got.String()))
	}
}

func TestPass(t *testing.T) {
	targets, files := rdb.Targets(), uint64(12)
	if testing.Short() {
		files = 3
	}
	for seed := range files {
		b, _ := fuzz.RDB(seed, fuzz.RDBOptions{Target: targets[seed%uint64(len(targets))], Keys: 100, Idle: 10, Freq: 10, Loose: 20, StringSize: 60, Functions: 1, Metadata: 5})
		for _, size := range []int{100, 1000, 256 << 10} {
			demandPass(t, b, size, seed)
			for damage := range uint64(6) {
				bad, m := fuzz.Mutate(damage, b)
				demandPass(t, bad, size, m)
			}
		}
	}
}

// TestPassUnchecked: records are the same where values are only passed.
func TestPassUnchecked(t *testing.T) {
	b, _ := fuzz.RDB(5, fuzz.RDBOptions{Keys: 500, Idle: 20, Freq: 20})
	var want, got strings.Builder
	down := func(b *strings.Builder, e *rdb.Entry) {
		fmt.Fprintf(b, "%d %q %d %d\n", e.Offset, e.Key, e.ValueOffset, e.Idle)
	}
	r := rdb.NewReader(bytes.NewReader(b))
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			down(&want, e)
		}
	}
	s := rdb.NewSplitter(bytes.NewReader(b))
	var p rdb.Piece
	quick := 0
	for s.Next(&p) {
		for r.OpenPass(&p, false); ; {
			ok, passed := r.Pass(false)
			if !ok {
				break
			}
			e, ok := r.Record().(*rdb.Entry)
			if !ok {
				continue
			}
			down(&got, e)
			if passed {
				quick++
			} else if err := e.Skip(); err != nil {
				t.Fatal(err)
			}
		}
		if !r.Settle() {
			t.Fatal("nothing was left to be settled")
		}
	}
	if want.String() != got.String() {
		t.Fatal(firstDifference(want.String(), got.String()))
	}
	if quick < 300 {
		t.Fatalf("%d of 500 keys were passed quickly", quick)
	}
}

// TestSplitterInTheMiddle: from any place between two records on the pieces have the rest.
func TestSplitterInTheMiddle(t *testing.T) {
	b, _ := fuzz.RDB(6, fuzz.RDBOptions{Keys: 100})
	r := rdb.NewReader(bytes.NewReader(b))
	var version int
	for n := 0; r.Next(); n++ {
		if h, ok := r.Record().(*rdb.Header); ok {
			version = h.Version
		}
		e, ok := r.Record().(*rdb.Entry)
		if !ok || n%7 > 0 {
			continue
		}
		place := rdb.Position{Offset: e.Offset, Version: version, DB: e.DB}
		var want, got strings.Builder
		x := rdb.NewReader(nil)
		x.Resume(bytes.NewReader(b[e.Offset:]), place)
		writeDown(&want, x)
		s := rdb.NewSplitterOptions(bytes.NewReader(b[e.Offset:]), rdb.SplitterOptions{Size: 300, From: &place})
		var p rdb.Piece
		for s.Next(&p) {
			x.Open(&p)
			writeDown(&got, x)
		}
		if want.String() != got.String() {
			t.Fatalf("from %d on: %s", e.Offset, firstDifference(want.String(), got.String()))
		}
	}
}

// TestFrame: what begins at any place ends where reading says, if it can be read.
func TestFrame(t *testing.T) {
	for seed := range uint64(4) {
		targets := rdb.Targets()
		target := targets[int(seed)*5%len(targets)]
		b, _ := fuzz.RDB(seed, fuzz.RDBOptions{Target: target, Keys: 30, Idle: 20, Freq: 20, Metadata: 10})
		family := rdb.Redis
		if target >= rdb.Version80 {
			family = rdb.Valkey
		}
		r := rdb.NewReaderOptions(nil, rdb.ReaderOptions{OnFault: func(*rdb.FormatError) error { return nil }})
		for at := 9; at < len(b); at++ {
			place := rdb.Position{Offset: int64(at), Family: family, Version: int(target)}
			want := int64(0)
			r.ResumeBytes(b[at:], place)
			if r.Next() {
				switch rec := r.Record().(type) {
				case *rdb.Entry:
					if rec.Skip() == nil && rec.Offset == int64(at) {
						want = rec.End()
					}
				case *rdb.ModuleAux:
					if _, err := rec.Items(); err == nil && rec.Offset == int64(at) {
						want = rec.End()
					}
				default:
					if r.Offset() > 0 && offsetOf(rec) == int64(at) {
						want = r.Offset()
					}
				}
			}
			got := int64(0)
			r.ResumeBytes(b[at:], place)
			if ok, _ := r.Frame(); ok {
				got = r.Offset()
			}
			if want != got {
				t.Fatalf("seed %d: what begins at %d with % x ends at %d, not %d", seed, at, b[at:min(at+12, len(b))], got, want)
			}
		}
	}
}

func offsetOf(rec rdb.Record) int64 {
	switch rec := rec.(type) {
	case *rdb.Aux:
		return rec.Offset
	case *rdb.SelectDB:
		return rec.Offset
	case *rdb.ResizeDB:
		return rec.Offset
	case *rdb.SlotInfo:
		return rec.Offset
	case *rdb.SlotImport:
		return rec.Offset
	case *rdb.Function:
		return rec.Offset
	case *rdb.EOF:
		return rec.Offset
	}
	return -1
}
