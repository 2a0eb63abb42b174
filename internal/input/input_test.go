package input_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/input"
)

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zstded(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(b, nil)
}

func lz4ed(b []byte) []byte {
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	w.Apply(lz4.ChecksumOption(true), lz4.BlockChecksumOption(true))
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var content = []byte(strings.Repeat("REDIS0011 and so on. ", 20_000))

func TestLayers(t *testing.T) {
	skippable := append([]byte{0x5A, 0x2A, 0x4D, 0x18, 4, 0, 0, 0}, "skip"...)
	for _, c := range []struct {
		name   string
		file   []byte
		layers []string
	}{
		{"plain", content, nil},
		{"gzip", gzipped(content), []string{"gzip"}},
		{"gzip of two members", join(gzipped(content[:999]), gzipped(content[999:])), []string{"gzip"}},
		{"zstd", zstded(content), []string{"zstd"}},
		{"zstd of two frames", join(zstded(content[:999]), zstded(content[999:])), []string{"zstd"}},
		{"zstd behind a skippable frame", join(skippable, zstded(content)), []string{"zstd"}},
		{"lz4", lz4ed(content), []string{"lz4"}},
		{"lz4 of two frames", join(lz4ed(content[:999]), lz4ed(content[999:])), []string{"lz4"}},
		{"one in the other", gzipped(zstded(content)), []string{"gzip", "zstd"}},
		{"VCS of lz4", join([]byte("VCS\x01\x01\x00\x01"), lz4ed(content)), []string{"VCS"}},
		{"VCS of zstd", join([]byte("VCS\x01\x02\x00\x01"), zstded(content)), []string{"VCS"}},
		{"VCS of zstd, bytes behind it", join([]byte("VCS\x01\x02\x00\x01"), zstded(content), []byte("*1\r\n$4\r\nPING\r\n")), []string{"VCS"}},
		{"VCS of lz4, bytes behind it", join([]byte("VCS\x01\x01\x00\x01"), lz4ed(content), []byte("*1\r\n$4\r\nPING\r\n")), []string{"VCS"}},
		{"VKCS", join([]byte("VKCS\x01\x01\x01\x00"), lz4ed(content)), []string{"VKCS"}},
		{"VCS in a backup", gzipped(join([]byte("VCS\x01\x02\x00\x01"), zstded(content))), []string{"gzip", "VCS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, err := input.Open(context.Background(), input.Stdin, iotest.HalfReader(bytes.NewReader(c.file)))
			require.NoError(t, err)
			defer in.Close()
			got, err := io.ReadAll(in)
			require.NoError(t, err)
			require.True(t, bytes.Equal(got, content), "%d bytes, want %d", len(got), len(content))
			require.Equal(t, c.layers, in.Layers)
			require.LessOrEqual(t, in.Consumed(), int64(len(c.file)))
			require.Equal(t, int64(-1), in.Size)
		})
	}
}

// TestCorrupt says that damage of a compressed stream is told from an error of the file system, and from the end.
func TestCorrupt(t *testing.T) {
	flipped := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 0x55
		return b
	}
	for _, c := range []struct {
		name string
		file []byte
	}{
		{"gzip cut short", gzipped(content)[:200]},
		{"gzip changed", flipped(gzipped(content))},
		{"gzip with garbage behind it", join(gzipped(content), []byte("garbage garbage"))},
		{"gzip of nothing but magic", []byte{0x1F, 0x8B}},
		{"zstd cut short", zstded(content)[:40]},
		{"zstd changed", flipped(zstded(content))},
		{"lz4 cut short", lz4ed(content)[:200]},
		{"lz4 changed", flipped(lz4ed(content))},
		{"VCS of an unknown codec", []byte("VCS\x01\x03\x00\x01....")},
		{"VCS with a reserved byte", join([]byte("VCS\x01\x01\x01\x01"), lz4ed(content))},
		{"VCS without a frame", []byte("VCS\x01\x01\x00\x01REDIS0011")},
		{"VCS cut short", []byte("VCS\x01\x01")},
		{"in a layer below", gzipped(zstded(content)[:40])},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, err := input.Open(context.Background(), input.Stdin, bytes.NewReader(c.file))
			if err == nil {
				defer in.Close()
				_, err = io.Copy(io.Discard, in)
			}
			var corrupt *input.CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.ErrorContains(t, err, "stream is damaged near byte")
		})
	}
}

func TestFileSystemErrors(t *testing.T) {
	ctx := context.Background()
	_, err := input.Open(ctx, filepath.Join(t.TempDir(), "missing"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)

	_, err = input.Open(ctx, t.TempDir(), nil)
	require.ErrorIs(t, err, input.ErrDirectory)

	broken := errors.New("broken disk")
	in, err := input.Open(ctx, input.Stdin, io.MultiReader(bytes.NewReader(gzipped(content)[:200]), iotest.ErrReader(broken)))
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	require.ErrorIs(t, err, broken)
	var corrupt *input.CorruptError
	require.NotErrorAs(t, err, &corrupt)
}

func TestTooManyLayers(t *testing.T) {
	b := content
	for range 5 {
		b = gzipped(b)
	}
	_, err := input.Open(context.Background(), input.Stdin, bytes.NewReader(b))
	require.ErrorContains(t, err, "more than 4 times")
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	in, err := input.Open(ctx, input.Stdin, io.MultiReader(bytes.NewReader(content), neverEnding{}))
	require.NoError(t, err)
	cancel()
	_, err = io.Copy(io.Discard, in)
	require.ErrorIs(t, err, context.Canceled)
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

func TestPeekAndSize(t *testing.T) {
	name := filepath.Join(t.TempDir(), "dump.rdb.gz")
	file := gzipped(content)
	require.NoError(t, os.WriteFile(name, file, 0o600))
	in, err := input.Open(context.Background(), name, nil)
	require.NoError(t, err)
	require.Equal(t, int64(len(file)), in.Size)
	head, err := in.Peek(9)
	require.NoError(t, err)
	require.Equal(t, "REDIS0011", string(head))
	require.NoError(t, in.Close())

	in, err = input.Open(context.Background(), input.Stdin, strings.NewReader("abc"))
	require.NoError(t, err)
	head, err = in.Peek(9)
	require.NoError(t, err)
	require.Equal(t, "abc", string(head))
}
