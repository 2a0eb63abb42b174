package rdb_test

import (
	"context"
	"errors"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/atomicfile"
	"github.com/kvfsck/kvfsck/internal/filemap"
	"github.com/kvfsck/kvfsck/rdb"
)

// verifyGrowing verifies a file while it is written, in pieces of all sizes, and stops writing with an error when so many bytes are there.
func verifyGrowing(t *testing.T, b []byte, until int, stop error) (rep *rdb.Report, err error) {
	r := rand.New(rand.NewSource(int64(len(b))))
	wrote := atomicfile.WriteBeside(filepath.Join(t.TempDir(), "x.rdb"), nil, func(w io.Writer) error {
		for done := 0; done < until; {
			n := min(r.Intn(700_000)+1, until-done)
			if _, err := w.Write(b[done : done+n]); err != nil {
				return err
			}
			done += n
		}
		return stop
	}, func(path string, w *atomicfile.Written) error {
		f, openErr := os.Open(path)
		require.NoError(t, openErr)
		defer f.Close()
		size := int64(len(b))
		g := &filemap.Growing{File: f, Size: size, Await: w.Await}
		rep, err = rdb.Verify(context.Background(), io.NewSectionReader(g, 0, size), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Workers: 2})
		return nil
	})
	require.ErrorIs(t, wrote, stop)
	return rep, err
}

// TestVerifyGrowing: a file that is still being written is verified as it will be.
func TestVerifyGrowing(t *testing.T) {
	size := int64(8 << 20)
	if testing.Short() {
		size = 4 << 20
	}
	small, _ := fuzz.RDB(1, fuzz.RDBOptions{Bytes: size, StringSize: 100, Edge: fuzz.Never})
	large, _ := fuzz.RDB(2, fuzz.RDBOptions{Bytes: 12 << 20, StringSize: 3 << 20, Edge: fuzz.Never})
	damaged, _ := fuzz.Mutate(3, small)
	again := append(append([]byte{}, small[:len(small)-9]...), small[len(small)/2:]...)
	for name, b := range map[string][]byte{"small keys": small, "large keys": large, "damaged": damaged, "keys twice": again} {
		if testing.Short() && name == "large keys" {
			continue
		}
		path := filepath.Join(t.TempDir(), "x.rdb")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		f, err := os.Open(path)
		require.NoError(t, err)
		defer f.Close()
		want, wantErr := rdb.Verify(context.Background(), f, rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Workers: 2})
		got, gotErr := verifyGrowing(t, b, len(b), nil)
		require.Equal(t, wantErr, gotErr, name)
		require.Equal(t, want, got, name)

		full := errors.New("the disk is full")
		for _, part := range []int{0, len(b) / 3, len(b) - 20} {
			_, err := verifyGrowing(t, b, part, full)
			if name == "damaged" && err != nil {
				continue // it may end before
			}
			require.ErrorIs(t, err, full, "%s: %d bytes", name, part)
		}
	}
}
