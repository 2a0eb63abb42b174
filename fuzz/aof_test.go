package fuzz

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// fs is the log as a file system.
func (f Files) fs() fstest.MapFS {
	m := fstest.MapFS{}
	for _, file := range f {
		m[file.Name] = &fstest.MapFile{Data: file.Data, Mode: 0o600}
	}
	return m
}

// TestAOFSetIsValid checks generated logs: nothing is found in them, both servers load them, the commands are all known.
func TestAOFSetIsValid(t *testing.T) {
	n := uint64(400)
	if testing.Short() {
		n = 60
	}
	for seed := range n {
		opt := AnyAOFOptions(seed, rdb.Version10)
		files, _ := AOFSet(seed, opt)
		set, err := aof.Discover(files.fs(), aof.DiscoverOptions{DirName: AOFDir, FileName: opt.filled().Name})
		require.NoError(t, err)
		rep, err := set.Check(t.Context(), aof.CheckOptions{})
		require.NoError(t, err)
		v := rep.Verdict(aof.Redis86, true)
		require.LessOrEqual(t, v.Outcome, aof.LoadsEmpty, "seed %d, %+v: %v %v", seed, opt, v, rep.Findings)
		for _, f := range rep.Files {
			require.NoError(t, f.ServerErr, "seed %d", seed)
			require.NoError(t, f.CheckerErr, "seed %d", seed)
		}
	}
}

// TestAOFContentsAreWhole writes what a log leaves as an RDB, in which nothing stands twice. Of 2123 a command made a group that was there before.
func TestAOFContentsAreWhole(t *testing.T) {
	seeds := []uint64{2123}
	for seed := range uint64(100) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		_, c := AOFSet(seed, AnyAOFOptions(seed, rdb.Version10))
		_, err := c.Digest(rdb.DigestOld)
		require.NoError(t, err, "seed %d", seed)
	}
}

// TestServersLoadAOF has real servers load generated logs and compares what they then hold with what the generator knows.
func TestServersLoadAOF(t *testing.T) {
	sets := 25
	switch {
	case big:
		sets = 10_000/len(loaders) + 1
	case testing.Short():
		sets = 5
	}
	for _, s := range loaders {
		t.Run(s.name, func(t *testing.T) {
			binary := serverBinary(t, s.name)
			target := s.targets[len(s.targets)-1]
			var sum loadCount
			for seed := range uint64(sets) {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { sum.loadAOF(t, binary, seed, AnyAOFOptions(seed, target), s.dialect) })
			}
			t.Logf("%d sets, %d keys, %d streams: %d differences", sum.files, sum.keys, sum.streams, sum.differences)
		})
	}
}

func (n *loadCount) loadAOF(t *testing.T, binary string, seed uint64, opt AOFOptions, dialect rdb.DigestDialect) {
	t.Helper()
	files, want := AOFSet(seed, opt)
	dir := t.TempDir()
	require.NoError(t, files.WriteTo(dir))
	s := oracle.StartServer(t, binary, dir, "--appendonly", "yes", "--appendfilename", opt.filled().Name, "--loglevel", "warning", "--sanitize-dump-payload", "yes")
	n.files++
	if s.Exited() {
		n.differences++
		t.Fatalf("seed %d, %+v: refused:\n%s", seed, opt, s.Log())
	}
	n.compare(t, s, seed, opt, want, dialect)
	s.Kill()
}
