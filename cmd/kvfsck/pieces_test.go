package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/jsonl"
)

// TestPiecesAreTheWhole exports large snapshots, sound and damaged, in pieces and in one go: lines, complaints and status are the same.
func TestPiecesAreTheWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump.rdb")
	export := func(inPieces bool) string {
		var stdout, stderr bytes.Buffer
		w := walk{env: &env{stdin: nil, stdout: &stdout, stderr: &stderr}, path: path, filter: &filter{}}
		require.NoError(t, w.filter.ready())
		if inPieces {
			w.pieces = &pieceExport{&stdout, func(out io.Writer) exporter { return jsonl.NewWriter(out) }}
		}
		to := jsonl.NewWriter(&stdout)
		err := w.export(context.Background(), to)
		require.NoError(t, to.Close())
		return fmt.Sprintf("%s%s%v %d", stdout.String(), stderr.String(), err, w.taken)
	}
	files := uint64(2)
	if testing.Short() {
		files = 1
	}
	for seed := range files {
		many, _ := fuzz.RDB(seed, fuzz.RDBOptions{Keys: 3000, StringSize: 60})
		large, _ := fuzz.RDB(seed, fuzz.RDBOptions{Keys: 3, StringSize: 200 << 10})
		for _, b := range [][]byte{many, large} {
			for damage := range uint64(5) {
				bad := b
				if damage > 0 {
					bad, _ = fuzz.Mutate(damage, b)
				}
				require.NoError(t, os.WriteFile(path, bad, 0o600))
				want, got := export(false), export(true)
				if want != got {
					t.Fatalf("seed %d, damage %d: %d bytes in one go, %d in pieces", seed, damage, len(want), len(got))
				}
			}
		}
	}
}
