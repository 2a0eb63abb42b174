package repair

import (
	"bytes"
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
