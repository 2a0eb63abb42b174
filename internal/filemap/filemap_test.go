package filemap

import (
	"bytes"
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
