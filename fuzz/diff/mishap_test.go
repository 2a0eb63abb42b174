package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestMishaps has a checker that crashes on every file: that is listed, with one file per rule broken, and is no difference.
func TestMishaps(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "crash")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\ncase $1 in --version) echo 'crash v=7.0.0'; exit;; esac\n"+
		"echo '=== REDIS BUG REPORT START ==='; echo '# ==> listpack.c:404 '\"'p'\"' is not true'; kill -SEGV $$\n"), 0o700))
	o := options{seed: 2, n: 2, real: realCheckRDB, path: script, jobs: 1, out: filepath.Join(dir, "found"), shrink: 2 * time.Second}
	var out strings.Builder
	good, err := o.run(t.Context(), &out)
	if err != nil {
		t.Skipf("skipped: needs a POSIX shell: %v", err)
	}
	require.True(t, good, out.String())
	require.Contains(t, out.String(), "crashed on 2 and hung on 0\n")
	require.Contains(t, out.String(), "listpack.c 'p' is not true; seed ")
	found, err := filepath.Glob(filepath.Join(o.out, "*", "input.rdb"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
}

func TestMishapOf(t *testing.T) {
	refuses := verdict{codes: []string{string(rdb.CodeDuplicateKey)}, place: "read-object-value string"}
	cases := []struct {
		mine, real verdict
		class      string
		name       string
	}{
		{verdict{accepts: true}, verdict{accepts: true}, "", ""},
		{refuses, verdict{text: "[offset 9] RDB CRC error"}, "", ""},
		{verdict{accepts: true}, verdict{hung: true}, realHangs, "the real one hangs on a file that ours accepts"},
		{refuses, verdict{hung: true, crashed: true}, realHangs, "the real one hangs on a file that ours refuses: duplicate-key read-object-value string"},
		{refuses, verdict{crashed: true, text: "# Guru Meditation: Duplicated key found in RDB file #rdb.c:12\n"}, realCrashes,
			"the real one crashes on a file that ours refuses: Duplicated key found in RDB file"},
		{refuses, verdict{crashed: true, text: "# Redis 8.6.3 crashed by signal: 11, si_code: 1\n"}, realCrashes, "the real one crashes on a file that ours refuses: 11"},
	}
	for _, c := range cases {
		class, name := mishapOf(c.mine, c.real)
		require.Equal(t, c.class, class)
		require.Equal(t, c.name, name)
	}
}
