package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// BenchmarkProgram runs the jobs that the program is for, from files in the page cache; a repair includes its search for a healing change.
func BenchmarkProgram(b *testing.B) {
	dir := b.TempDir()
	small := fuzz.RDBOptions{
		Target: rdb.Version10, Bytes: 20e6, Elements: 6, Edge: fuzz.Never, Databases: 1,
		Weights: fuzz.Weights{String: 55, List: 8, Set: 10, SortedSet: 10, Hash: 16, Stream: 1},
	}
	write := func(name string, write func(w io.Writer) error) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		require.NoError(b, err)
		w := bufio.NewWriter(f)
		require.NoError(b, write(w))
		require.NoError(b, w.Flush())
		require.NoError(b, f.Close())
		return path
	}
	snapshot := write("small.rdb", func(w io.Writer) error { return fuzz.WriteRDB(w, 1, small, nil) })
	documents := write("documents.rdb", func(w io.Writer) error {
		return fuzz.WriteRDB(w, 1, fuzz.RDBOptions{
			Target: small.Target, Bytes: 20e6, Weights: fuzz.Weights{String: 1}, Strings: fuzz.StringsJSON, StringSize: 6000, Edge: fuzz.Never,
		}, nil)
	})
	damaged := write("damaged.rdb", func(w io.Writer) error {
		all, err := os.ReadFile(snapshot)
		require.NoError(b, err)
		clear(all[len(all)/2:][:4096])
		_, err = w.Write(all)
		return err
	})
	log := write("log.aof", func(w io.Writer) error {
		l := aof.NewWriter(w)
		require.NoError(b, fuzz.WriteRDB(io.Discard, 2, small, func(k *fuzz.Key) { require.NoError(b, fuzz.WriteCommands(l, small.Target, k)) }))
		return l.Flush()
	})
	for _, job := range []struct {
		name string
		args []string
		exit int
	}{
		{"check", []string{"check", snapshot}, exitClean},
		{"check documents", []string{"check", documents}, exitClean},
		{"check log", []string{"check", log}, exitClean},
		{"export", []string{"export", snapshot}, exitClean},
		{"export resp", []string{"export", "--format", "resp", snapshot}, exitClean},
		{"repair", []string{"repair", damaged, "--out", filepath.Join(dir, "repaired.rdb")}, exitRepaired},
	} {
		b.Run(job.name, func(b *testing.B) {
			for b.Loop() {
				os.Remove(filepath.Join(dir, "repaired.rdb"))
				var stderr bytes.Buffer
				code := run(context.Background(), job.args, &env{stdin: bytes.NewReader(nil), stdout: io.Discard, stderr: &stderr})
				require.Equal(b, job.exit, code, "%s", &stderr)
			}
		})
	}
}
