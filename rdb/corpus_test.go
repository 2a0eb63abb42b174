package rdb_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

func verifyBytes(b []byte) *rdb.Report {
	rep, _ := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{})
	return rep
}

var internalError = regexp.MustCompile(`^Internal error in RDB reading offset \d+, function at rdb.c:\d+ -> `)

// TestCorpusRecipes compares the checker's verdict on every damaged file with the one recorded of the newest real checker.
func TestCorpusRecipes(t *testing.T) {
	verdicts := corpus.RDBVerdicts(t)
	var total, same, place, message int
	for r := range corpus.RDBRecipes(t) {
		v := verdicts[r.ID]
		want, ok := v.Checkers["redis-8.6"]
		if !ok {
			want = v.Checkers["valkey-9.1"]
		}
		rep := verifyBytes(r.MustApply(t))
		got := rep.CheckerFault()
		total++
		if want.Accepted() != (got == nil) {
			t.Logf("%s %s %s %s: recorded rc %v %q at %d, ours %v", r.ID, r.Base, r.Kind, "", want.RC, want.Message, want.Offset, got)
			continue
		}
		same++
		if got == nil {
			continue
		}
		if got.Offset == want.Offset {
			place++
		} else {
			t.Logf("%s %s offset: recorded %q at %d, ours %v", r.ID, r.Base, want.Message, want.Offset, got)
		}
		text, _ := got.CheckerMessage()
		if text == internalError.ReplaceAllString(want.Message, "") {
			message++
		} else {
			t.Logf("%s %s message: recorded %q, ours %q: %v", r.ID, r.Base, want.Message, text, got)
		}
	}
	t.Logf("%d recipes, %d verdicts equal, offsets %d, messages %d", total, same, place, message)
}

func TestCorpusFiles(t *testing.T) {
	for _, f := range corpus.RDBs(t) {
		b, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Hints: true})
		if err != nil || rep.Keys != int64(f.Keys) {
			t.Errorf("%s: %v, keys %d of %d", f.Path, err, rep.Keys, f.Keys)
		}
		for _, e := range rep.Faults {
			if e.Severity() > rdb.Note {
				t.Errorf("%s: %v %v", f.Path, e.Code, e)
			}
		}
	}
}
