package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/oracle"
)

// TestDifferencesAreExplained keeps the table readable: every name says why at its first row.
func TestDifferencesAreExplained(t *testing.T) {
	why := map[string]string{}
	for _, d := range differences {
		if first := strings.TrimSuffix(d.name, ", in words"); why[first] == "" {
			why[first] = d.why
		}
		require.NotNil(t, d.matches, d.name)
		require.Contains(t, []string{weAccept, weRefuse, otherText}, d.class, d.name)
		require.Contains(t, realPrograms, d.real, d.name)
	}
	for name, reason := range why {
		require.NotEmpty(t, reason, name)
	}
}

// TestRun compares a few files with Debian's checker; they agree.
func TestRun(t *testing.T) {
	o := options{seed: 1, n: 60, real: realCheckRDB, path: oracle.Find(t, oracle.RedisCheckRDB), jobs: 2, text: true, out: t.TempDir()}
	var out strings.Builder
	good, err := o.run(t.Context(), &out)
	require.NoError(t, err)
	require.True(t, good, out.String())
	require.Contains(t, out.String(), "60 files from seed 1")
}

// TestKeep has a checker that accepts everything: every damage is a difference, which is made smaller and written down.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	yes := filepath.Join(dir, "yes")
	require.NoError(t, os.WriteFile(yes, []byte("#!/bin/sh\necho 'liar v=7.0.0'\n"), 0o700))
	o := options{seed: 1, n: 12, real: realCheckRDB, path: yes, jobs: 1, out: filepath.Join(dir, "found"), time: 50 * time.Second, shrink: 20 * time.Second}
	var out strings.Builder
	good, err := o.run(t.Context(), &out)
	if err != nil {
		t.Skipf("skipped: needs a POSIX shell: %v", err)
	}
	require.False(t, good)
	require.Contains(t, out.String(), weRefuse)
	found, err := filepath.Glob(filepath.Join(o.out, "*", "input.rdb"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	info, err := os.Stat(found[0])
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(2000), "it was made smaller")
}
