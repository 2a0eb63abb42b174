package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/corpus"
)

// runIn runs the program and returns what it printed.
func runIn(t *testing.T, stdin []byte, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &env{stdin: bytes.NewReader(stdin), stdout: &out, stderr: &errs})
	return code, out.String(), errs.String()
}

// TestSetsAreClean checks every set of the corpus, by its manifest and by its directory.
func TestSetsAreClean(t *testing.T) {
	for _, set := range corpus.AOFSets(t) {
		for _, path := range []string{set.Path, set.EntryPath()} {
			code, out, errs := runIn(t, nil, "check", path)
			require.Equal(t, exitClean, code, "%s\n%s", out, errs)
		}
	}
}

// TestDamagedLogs checks and exports damaged sets. What is exported is whole commands outside unfinished transactions, and the status
// of an export is 0 only where the whole set could be read.
func TestDamagedLogs(t *testing.T) {
	all, files, damaged := 0, 0, 0
	for r := range corpus.AOFRecipes(t) {
		if all++; all%8 != 0 {
			continue
		}
		dir := t.TempDir()
		path := r.Build(t, dir)
		code, text, errs := runIn(t, nil, "check", path)
		require.Contains(t, []int{exitClean, exitDamaged}, code, "%s: %s", r.ID, errs)
		exported, stream, errs := runIn(t, nil, "export", path, "--format", "resp")
		require.Contains(t, []int{exitClean, exitDamaged}, exported, "%s: %s", r.ID, errs)
		if code == exitClean {
			require.Equal(t, exitClean, exported, "%s: %s\n%s", r.ID, errs, text)
		}
		requireCommands(t, r.ID, []byte(stream))
		_, lines, _ := runIn(t, nil, "export", path)
		for line := range bytes.Lines([]byte(lines)) {
			require.True(t, json.Valid(line), "%s: %s", r.ID, line)
		}
		files++
		if code == exitDamaged {
			damaged++
		}
	}
	t.Logf("%d sets, %d of them damaged", files, damaged)
}

// requireCommands says that a stream is whole commands, and ends outside a transaction.
func requireCommands(t *testing.T, name string, stream []byte) {
	t.Helper()
	r := aof.NewReaderOptions(bytes.NewReader(stream), aof.ReaderOptions{Strictness: aof.AsChecker, NoPreamble: true})
	for r.Next() {
		require.IsType(t, &aof.Command{}, r.Record(), "%s", name)
	}
	require.NoError(t, r.Err(), "%s", name)
}

// TestStreamOfLog gives a log by the standard input, whole and with a snapshot in front.
func TestStreamOfLog(t *testing.T) {
	for _, set := range corpus.AOFSets(t) {
		if set.Multipart {
			continue
		}
		file, err := os.ReadFile(filepath.Join(set.Path, set.Files[0].Name))
		require.NoError(t, err)
		code, out, errs := runIn(t, file, "check", "-", "--json")
		require.Equal(t, exitClean, code, "%s\n%s", out, errs)
		require.Contains(t, out, `"kind":"aof"`)
		_, streamed, errs := runIn(t, file, "export", "-", "--format", "resp")
		require.Empty(t, errs)
		require.Equal(t, string(exportRESP(t, set.Path)), streamed)
	}
}
