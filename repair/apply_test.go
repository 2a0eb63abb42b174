package repair

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestApplyUnproven has a writer that does not write what the plan says: nothing is put in place, whether too little comes, too much, or something else.
func TestApplyUnproven(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 4000}, 0)
	bad := bytes.Clone(o.bytes)
	clear(bad[len(bad)/2:][:300])
	dir := t.TempDir()
	broken := errors.New("broken")
	for name, change := range map[string]func(p *Plan, write func(io.Writer) error) func(io.Writer) error{
		"less": func(_ *Plan, write func(io.Writer) error) func(io.Writer) error {
			return func(w io.Writer) error {
				var b bytes.Buffer
				err := write(&b)
				return errors.Join(err, second(w.Write(b.Bytes()[:b.Len()-9])))
			}
		},
		"more": func(_ *Plan, write func(io.Writer) error) func(io.Writer) error {
			return func(w io.Writer) error { return errors.Join(write(w), second(w.Write([]byte("more")))) }
		},
		"another byte": func(_ *Plan, write func(io.Writer) error) func(io.Writer) error {
			return func(w io.Writer) error {
				var b bytes.Buffer
				err := write(&b)
				b.Bytes()[b.Len()/3] ^= 1
				return errors.Join(err, second(w.Write(b.Bytes())))
			}
		},
		"other keys": func(p *Plan, write func(io.Writer) error) func(io.Writer) error {
			p.Chosen.Keys--
			return write
		},
		"an error": func(_ *Plan, write func(io.Writer) error) func(io.Writer) error {
			return func(w io.Writer) error { return errors.Join(write(w), broken) }
		},
	} {
		p, err := NewPlan(t.Context(), bytes.NewReader(bad), int64(len(bad)), PlanOptions{Strategies: []Strategy{StrategySalvage}})
		require.NoError(t, err)
		p.Chosen.write = change(p, p.Chosen.write)
		want := ErrUnproven
		if name == "an error" {
			want = broken
		}
		dst := filepath.Join(dir, "repaired.rdb")
		_, err = p.Apply(t.Context(), dst, nil)
		require.ErrorIs(t, err, want, name)
		there, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, there, name)
	}
}

func second(_ int, err error) error { return err }

// TestCopyIsCancelled: a copy of a large part of a file asks the context now and then.
func TestCopyIsCancelled(t *testing.T) {
	src := bytesFile(t, make([]byte, 5*copyMost))
	ctx, cancel := context.WithCancel(t.Context())
	w := &cancelling{cancel: cancel}
	for _, r := range []io.Reader{io.NewSectionReader(src, 7, 5*copyMost), io.MultiReader(bytes.NewReader([]byte("more")), io.NewSectionReader(src, 0, 5*copyMost))} {
		w.n = 0
		_, err := io.Copy(contextWriter{ctx, w}, r)
		require.ErrorIs(t, err, context.Canceled)
		require.LessOrEqual(t, w.n, copyMost)
	}
	var b bytes.Buffer
	part := io.NewSectionReader(src, 7, 5*copyMost)
	_, err := part.Seek(9, io.SeekStart)
	require.NoError(t, err)
	n, err := io.Copy(contextWriter{t.Context(), &b}, part)
	require.NoError(t, err)
	require.EqualValues(t, 5*copyMost-16, n) // to the end of the file
	require.EqualValues(t, n, b.Len())
}

// cancelling cancels a context with the first bytes that it gets.
type cancelling struct {
	cancel func()
	n      int
}

func (c *cancelling) Write(p []byte) (int, error) {
	c.n += len(p)
	c.cancel()
	return len(p), nil
}
