package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/report"
)

// newest are the servers whose verdict check gives.
var newest = []string{"redis-8.6", "valkey-9.1"}

// explained are the recipes of which the verdict is another than the server's.
var explained = map[string]string{
	"nr00028": "data of a module type AAAAAAAAA, which a server with such a module would load: worth a note, no damage",
}

func checkBytes(t *testing.T, b []byte) report.Target {
	in, err := input.Open(context.Background(), input.Stdin, bytes.NewReader(b))
	require.NoError(t, err)
	return checkRDB(context.Background(), in, &checkOptions{databases: 16}, func() {})
}

// TestServerVerdicts compares the verdict on every damaged file with what the newest server of its family did with it. A file that
// the server loads may yet be damaged: what it drops silently is lost.
func TestServerVerdicts(t *testing.T) {
	verdicts := corpus.RDBVerdicts(t)
	total, equal, drops := 0, 0, 0
	for r := range corpus.RDBRecipes(t) {
		for _, server := range newest {
			want, ok := verdicts[r.ID].Servers[server]
			if !ok {
				continue
			}
			total++
			got := checkBytes(t, r.MustApply(t))
			loads := got.Server.Verdict != "refuses"
			if loads && got.Verdict == report.Damaged {
				drops++
			}
			if loads == want.Loaded {
				equal++
			} else if explained[r.ID] == "" {
				t.Errorf("%s %s %s: %s loaded %v %q; ours %v: %s at %v", r.ID, r.Base, r.Kind, server, want.Loaded, want.Message, got.Server.Verdict, got.Server.Message, got.Server.Offset)
			}
		}
	}
	t.Logf("%d files, %d verdicts equal, %d loaded with a loss", total, equal, drops)
}

// TestExportOfDamage exports every damaged file: what comes out is whole lines, and the status is 4 only for what check finds damaged,
// and always where the file cannot be followed to its end.
func TestExportOfDamage(t *testing.T) {
	files, lines, all := 0, 0, 0
	for r := range corpus.RDBRecipes(t) {
		if all++; testing.Short() && all%10 != 0 || os.Getenv("KVFSCK_BIG") == "" && all%2 != 0 {
			continue
		}
		b := r.MustApply(t)
		checked := checkBytes(t, b)
		var out, stderr bytes.Buffer
		code := run(context.Background(), []string{"export", "-"}, &env{stdin: bytes.NewReader(b), stdout: &out, stderr: &stderr})
		switch code {
		case exitClean:
			require.True(t, checked.Summary.Complete, "%s: %+v", r.ID, checked.Findings)
		case exitDamaged:
			require.Equal(t, report.Damaged, checked.Verdict, "%s: %s", r.ID, stderr.String())
		default:
			t.Fatalf("%s: status %d: %s", r.ID, code, stderr.String())
		}
		for line := range bytes.Lines(out.Bytes()) {
			require.True(t, json.Valid(line) && line[len(line)-1] == '\n', "%s: %.200s", r.ID, line)
			lines++
		}
		files++
	}
	t.Logf("%d files, %d keys", files, lines)
}

// TestRepairOfDamage repairs damaged files of all kinds: the outcome is clean, or it is said why there is none, and the damaged files
// are as they were.
func TestRepairOfDamage(t *testing.T) {
	step := 40
	if testing.Short() {
		step = 400
	}
	quiet := func() *env { return &env{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard} }
	outcomes := map[int]int{}
	n := 0
	for _, recipes := range []iter.Seq[corpus.Recipe]{corpus.RDBRecipes(t), corpus.AOFRecipes(t)} {
		for r := range recipes {
			if n++; n%step != 0 {
				continue
			}
			dir := t.TempDir()
			path := r.Build(t, dir)
			before := filesIn(t, dir)
			out := filepath.Join(t.TempDir(), "out")
			code := run(context.Background(), []string{"repair", path, "--out", out, "--databases", "0"}, quiet())
			outcomes[code]++
			if got := filesIn(t, dir); !maps.Equal(got, before) {
				t.Errorf("%s %s %s: the damaged files were changed", r.ID, r.Base, r.Kind)
			}
			switch code {
			case exitRepaired:
				if code := run(context.Background(), []string{"check", "-q", "--databases", "0", out}, quiet()); code != exitClean {
					t.Errorf("%s %s %s: the repaired one has status %d", r.ID, r.Base, r.Kind, code)
				}
			case exitClean, exitDamaged:
				if _, err := os.Stat(out); err == nil {
					t.Errorf("%s %s %s: status %d, and there is an output", r.ID, r.Base, r.Kind, code)
				}
			default:
				var stderr bytes.Buffer
				e := quiet()
				e.stderr = &stderr
				run(context.Background(), []string{"repair", path, "--dry-run"}, e)
				t.Logf("%s %s %s: status %d: %s", r.ID, r.Base, r.Kind, code, stderr.String())
			}
		}
	}
	t.Logf("by status: %v", outcomes)
}
