package rdb_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// demandSlowAndQuick verifies b in the slow way alone and in all others, with every fault told and with none.
func demandSlowAndQuick(t *testing.T, b []byte, what any) {
	t.Helper()
	for _, opt := range []rdb.VerifyOptions{everything, {}} {
		verify := func(opt rdb.VerifyOptions) (*rdb.Report, string) {
			rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), opt)
			return rep, fmt.Sprint(err)
		}
		opt.Workers = 1
		want, wantErr := verify(opt.Slow())
		for workers := 1; workers < 3; workers++ {
			opt.Workers = workers
			got, err := verify(opt)
			opts := cmp.Options{cmpopts.IgnoreUnexported(rdb.Report{}, rdb.FormatError{}, rdb.DBCount{}), cmpopts.IgnoreFields(rdb.FormatError{}, "Err")}
			if diff := cmp.Diff(want, got, opts); diff != "" || err != wantErr {
				t.Fatalf("%v, %d workers: %s, not %s\n%s", what, workers, err, wantErr, diff)
			}
		}
	}
}

// TestQuickIsSlow has snapshots of many values, sound and damaged.
func TestQuickIsSlow(t *testing.T) {
	files := uint64(40)
	if testing.Short() {
		files = 8
	}
	targets := rdb.Targets()
	for seed := range files {
		opt := fuzz.RDBOptions{Target: targets[seed%uint64(len(targets))], Keys: 60, Idle: 10, Freq: 10, Loose: 20, StringSize: 20 + int(seed%4)*30, Edge: int(seed%3)*10 - 1}
		b, _ := fuzz.RDB(seed, opt)
		demandSlowAndQuick(t, b, seed)
		for damage := range uint64(30) {
			bad, m := fuzz.Mutate(damage, b)
			demandSlowAndQuick(t, bad, m)
		}
	}
}

func FuzzQuick(f *testing.F) {
	for _, c := range ruleCases {
		f.Add(c.file)
	}
	for seed := range uint64(4) {
		b, _ := fuzz.RDB(seed, fuzz.RDBOptions{Keys: 12, StringSize: 40})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		demandSlowAndQuick(t, b, "")
	})
}
