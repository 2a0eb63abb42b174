package filemap

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// written makes a file of n bytes that tell where they are.
func written(t *testing.T, n int) (*os.File, []byte) {
	t.Helper()
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f, b
}

func needMaps(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("no maps on this system")
	}
}

func TestOf(t *testing.T) {
	needMaps(t)
	f, b := written(t, 300_000)
	_, err := f.Seek(5000, io.SeekStart)
	require.NoError(t, err)
	section := io.NewSectionReader(f, 10_000, 100_000)
	_, err = section.Seek(123, io.SeekStart)
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		src  io.Reader
		want []byte
	}{
		{"file", f, b[5000:]},
		{"section", section, b[10_123:110_000]},
		{"section beyond the end", io.NewSectionReader(f, 8192, 1<<40), b[8192:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Of(c.src, 1000)
			require.NotNil(t, m)
			defer m.Close()
			require.True(t, bytes.Equal(c.want, m.Bytes()))
			m.Release(int64(len(c.want))) // which is not to say that they are gone
			require.True(t, bytes.Equal(c.want, m.Bytes()))
			rest, err := io.ReadAll(m.From(77))
			require.NoError(t, err)
			require.True(t, bytes.Equal(c.want[77:], rest))
		})
	}
	for name, src := range map[string]io.Reader{
		"too small":    io.NewSectionReader(f, 0, 999),
		"no file":      bytes.NewReader(b),
		"not a file's": io.NewSectionReader(bytes.NewReader(b), 0, 5000),
	} {
		require.Nil(t, Of(src, 1000), name)
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	require.Nil(t, Of(r, 0), "a pipe")
}

func TestGuard(t *testing.T) {
	needMaps(t)
	f, b := written(t, 300_000)
	m := Of(f, 0)
	require.NotNil(t, m)
	defer m.Close()
	var sum byte
	touch := func() {
		for _, c := range m.Bytes() {
			sum += c
		}
	}
	require.NoError(t, Guard(touch))
	require.NoError(t, f.Truncate(100_000))
	require.ErrorIs(t, Guard(touch), ErrFault)
	rest, err := io.ReadAll(m.From(50_000))
	require.NoError(t, err)
	require.True(t, bytes.Equal(b[50_000:100_000], rest), "the file tells how much is left")
	var none *Map
	require.Panics(t, func() { _ = Guard(func() { _ = none.data[0] }) }, "what is no fault of a file goes on")
	require.PanicsWithValue(t, "other", func() { _ = Guard(func() { panic("other") }) })
}

// TestGrowing reads a file that is being written: what is read is what was there when it was waited for.
func TestGrowing(t *testing.T) {
	needMaps(t)
	f, b := written(t, 300_000)
	require.NoError(t, f.Truncate(100_000))
	failed, asked := errors.New("the disk is full"), int64(0)
	g := &Growing{File: f, Size: 300_000, Await: func(n int64) error {
		switch asked = max(asked, n); {
		case n > 200_000:
			return failed
		case n > 100_000:
			_, err := f.WriteAt(b[100_000:200_000], 100_000)
			return err
		}
		return nil
	}}
	m := Of(io.NewSectionReader(g, 0, g.Size), 1000)
	require.NotNil(t, m)
	defer m.Close()
	require.Len(t, m.Bytes(), 300_000)
	require.NoError(t, m.Await(50_000))
	require.EqualValues(t, 50_000, asked)
	require.Equal(t, b[:50_000], m.Bytes()[:50_000])
	require.NoError(t, m.Await(150_000))
	require.Equal(t, b[:150_000], m.Bytes()[:150_000])
	require.ErrorIs(t, m.Await(1<<40), failed)

	part := make([]byte, 1000)
	_, err := m.From(150_000).Read(part)
	require.NoError(t, err)
	require.Equal(t, b[150_000:151_000], part)
	_, err = m.From(199_500).Read(part)
	require.ErrorIs(t, err, failed)
}
