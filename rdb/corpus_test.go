package rdb_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

var internalError = regexp.MustCompile(`^Internal error in RDB reading offset \d+, function at rdb.c:\d+ -> `)

// newest are the recorded programs that count: those of the newest release of each family.
func newest[T any](of map[string]T) (v T, ok bool) {
	if v, ok = of["redis-8.6"]; !ok {
		v, ok = of["valkey-9.1"]
	}
	return v, ok
}

// TestCorpusRecipes compares the checker's verdict on every damaged file with the one recorded of the newest real checker: whether
// it accepts the file, where it stops and what it says. Two recorded checkers never returned, which counts as no acceptance.
func TestCorpusRecipes(t *testing.T) {
	verdicts := corpus.RDBVerdicts(t)
	var total, verdict, place, message int
	for r := range corpus.RDBRecipes(t) {
		want, _ := newest(verdicts[r.ID].Checkers)
		rep, _ := rdb.Verify(context.Background(), bytes.NewReader(r.MustApply(t)), rdb.VerifyOptions{})
		got := rep.CheckerFault()
		total++
		switch {
		case want.Accepted() != (got == nil):
			verdict++
			t.Errorf("%s: recorded %q at %d, found %v", r.ID, want.Message, want.Offset, got)
		case got == nil || want.Timeout:
		case got.Offset != want.Offset:
			place++
			t.Errorf("%s: recorded %q at %d, found %v", r.ID, want.Message, want.Offset, got)
		default:
			if text, _ := got.CheckerMessage(); text != internalError.ReplaceAllString(want.Message, "") {
				message++
				t.Errorf("%s: recorded %q, found %q", r.ID, want.Message, text)
			}
		}
	}
	t.Logf("%d damaged files: other verdict %d, other offset %d, other message %d", total, verdict, place, message)
}

// TestCorpusServerVerdicts compares the server's verdict on the damaged files of the newest servers with what these did, which had
// no modules.
func TestCorpusServerVerdicts(t *testing.T) {
	verdicts := corpus.RDBVerdicts(t)
	opt := rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Databases: 16}
	total := 0
	for r := range corpus.RDBRecipes(t) {
		want, ok := newest(verdicts[r.ID].Servers)
		if !ok || strings.Contains(want.Message, "no matching module") {
			continue
		}
		rep, _ := rdb.Verify(context.Background(), bytes.NewReader(r.MustApply(t)), opt)
		refused := slices.ContainsFunc(rep.Faults, func(e *rdb.FormatError) bool { return e.Server() == rdb.Refuses })
		if total++; want.Loaded == refused {
			t.Errorf("%s: recorded loaded %v %q, found %v", r.ID, want.Loaded, want.Message, rep.ServerFault())
		}
	}
	t.Logf("%d damaged files", total)
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

// TestThirdPartyDigests compares the digests of other projects' samples with those of the servers that loaded them, of 7.2 or later.
func TestThirdPartyDigests(t *testing.T) {
	n := 0
	for _, f := range corpus.ThirdParty(t) {
		if !f.Loaded || f.Digest == "" || f.Server < "redis-7.2" && strings.HasPrefix(f.Server, "redis") {
			continue
		}
		b, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		var d rdb.Digest
		for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
			require.NoError(t, err)
			if e, ok := rec.(*rdb.Entry); ok {
				require.NoError(t, d.Add(e))
			}
		}
		n++
		if d.String() != f.Digest {
			t.Errorf("%s: digest %s, not %s", f.File, d.String(), f.Digest)
		}
	}
	t.Logf("%d files", n)
}
