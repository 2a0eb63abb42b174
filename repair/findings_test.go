package repair

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

var update = flag.Bool("update", false, "write FINDINGS.md")

// TestFindingsDocument holds FINDINGS.md to the table.
func TestFindingsDocument(t *testing.T) {
	path := filepath.Join("..", "FINDINGS.md")
	want := findingsDocument()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "write it anew: go test ./repair -run FindingsDocument -update")
}

func findingsDocument() string {
	var b strings.Builder
	b.WriteString(`# Findings

Everything that ` + "`kvfsck check`" + ` can find, by its code: how grave it is, what it means, what to do next. An error is what the newest server
of the file's family refuses, or loses something over; a warning it does not mind, or only another line of servers does. The table is
that of the program (` + "`repair.Findings`" + `); a test holds this page to it.
`)
	for _, about := range []struct{ about, title string }{{"snapshot", "Snapshots"}, {"log", "Append-only files and sets"}} {
		fmt.Fprintf(&b, "\n## %s\n\n| code | severity | meaning | what to do next |\n| --- | --- | --- | --- |\n", about.title)
		for _, r := range Findings() {
			if r.About != about.about {
				continue
			}
			severity := r.Redis.String()
			if r.Valkey != r.Redis {
				severity = fmt.Sprintf("Redis: %s, Valkey: %s", r.Redis, r.Valkey)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Code, severity, r.Meaning, r.Advice)
		}
	}
	return b.String()
}

func TestFindingsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Findings() {
		assert.NotEmpty(t, r.Meaning, r.Code)
		assert.NotEmpty(t, r.Advice, r.Code)
		assert.False(t, seen[r.About+r.Code], r.Code)
		seen[r.About+r.Code] = true
	}
	assert.Len(t, seen, len(rdb.Rules())+len(aof.FindingCodes()))
}
