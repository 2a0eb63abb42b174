package repair

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
)

// withSize has one row for each function that takes a source and its size.
var withSize = map[string]func(src io.ReaderAt, size int64) error{
	"Check": func(src io.ReaderAt, size int64) error {
		_, err := Check(context.Background(), src, size, CheckOptions{})
		return err
	},
	"NewPlan": func(src io.ReaderAt, size int64) error {
		_, err := NewPlan(context.Background(), src, size, PlanOptions{})
		return err
	},
	"Heal": func(src io.ReaderAt, size int64) error {
		_, err := Heal(context.Background(), src, size, HealOptions{})
		return err
	},
	"Salvage": func(src io.ReaderAt, size int64) error {
		_, err := Salvage(context.Background(), src, size, SalvageOptions{})
		return err
	},
	"Truncate": func(src io.ReaderAt, size int64) error {
		_, err := Truncate(context.Background(), src, size, SalvageOptions{})
		return err
	},
	"SalvageAOF": func(src io.ReaderAt, size int64) error {
		_, err := SalvageAOF(context.Background(), src, size, AOFOptions{})
		return err
	},
	"SalvageAOF until": func(src io.ReaderAt, size int64) error {
		_, err := SalvageAOF(context.Background(), src, size, AOFOptions{Until: 1})
		return err
	},
	"TruncateAOF": func(src io.ReaderAt, size int64) error {
		_, err := TruncateAOF(context.Background(), src, size, AOFOptions{})
		return err
	},
}

// TestSizes takes no file for sound that has fewer bytes than it is said to have, wherever it ends, and none of a size that no file has.
func TestSizes(t *testing.T) {
	rdb, _ := fuzz.RDB(1, fuzz.RDBOptions{Keys: 5})
	log := []byte(commands("SELECT 0", "SET a 1", "SET b 2", "SET c 3"))
	whole := len(commands("SELECT 0", "SET a 1"))
	for name, do := range withSize {
		for _, size := range []int64{-1, -1 << 63} {
			assert.Error(t, do(bytes.NewReader(log), size), "%s of %d bytes", name, size)
		}
		for _, size := range []int64{int64(len(log)), 1 << 60} {
			for _, b := range [][]byte{nil, log[:whole], log[:whole+5], append(bytes.Clone(rdb), log[:whole]...), rdb[:len(rdb)-20]} {
				if int64(len(b)) < size {
					assert.ErrorIs(t, do(bytes.NewReader(b), size), io.ErrUnexpectedEOF, "%s of %d bytes that are said to be %d", name, len(b), size)
				}
			}
		}
	}
}

// TestTruncationOfAFailingFile does not take what cannot be read for damage, in the first bytes either, and writes no less than it says.
func TestTruncationOfAFailingFile(t *testing.T) {
	rdb, _ := fuzz.RDB(1, fuzz.RDBOptions{Keys: 5})
	broken := errors.New("broken")
	log := []byte(commands("SELECT 0", "SET a 1", "SET b 2"))
	for _, b := range [][]byte{log, append(bytes.Clone(rdb), log...)} {
		for at := range b {
			_, err := TruncateAOF(t.Context(), breaksAt{bytes.NewReader(b), int64(at), broken}, int64(len(b)), AOFOptions{})
			assert.ErrorIs(t, err, broken, "at %d", at)
		}
		c, err := TruncateAOF(t.Context(), bytes.NewReader(b), int64(len(b)), AOFOptions{})
		require.NoError(t, err)
		_, err = c.WriteTo(io.Discard, bytes.NewReader(b[:len(b)-1]))
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

// breaksAt reads as r does, up to a point.
type breaksAt struct {
	r   io.ReaderAt
	at  int64
	err error
}

func (b breaksAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= b.at {
		return b.r.ReadAt(p, off)
	}
	n, _ := b.r.ReadAt(p[:max(0, b.at-off)], off)
	return n, b.err
}
