package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/jsonl"
	"github.com/kvfsck/kvfsck/lzf"
)

// records are n keys with strings, as they lie in a file.
func records(n int) []byte {
	var b []byte
	for i := range n {
		b = append(append(b, "\x00\x0bk"...), fmt.Sprintf("%010d", i)...)
		b = append(append(b, "\x0cv"...), fmt.Sprintf("%011d", i)...)
	}
	return b
}

// misleading is a snapshot in which the ends of records are guessed wrong: inside of strings there are records, and the database changes.
func misleading() []byte {
	b := append([]byte("REDIS0011\xfe\x00"), records(20_000)...)
	for i, n := range []int{5_000, 12_000, 20_000, 60_000, 100} {
		inside := records(n)
		b = binary.BigEndian.AppendUint32(fmt.Appendf(b, "\x00\x03in%d\x80", i), uint32(len(inside)))
		b = append(append(b, inside...), records(15_000)...)
		b = append(b, 0xFE, byte(i*3))
	}
	b = append(b, records(50_000)...)
	return append(b, emptyRDB[9:]...)
}

// TestPiecesAreTheWhole exports large snapshots, sound and damaged, in pieces and in one go: lines, complaints and status are the same.
func TestPiecesAreTheWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump.rdb")
	formats := map[string]func(io.Writer) exporter{
		"jsonl": func(out io.Writer) exporter { return jsonl.NewWriter(out) },
		"resp":  func(out io.Writer) exporter { return newRESPWriter(out, release{}) },
	}
	export := func(open func(io.Writer) exporter, inPieces bool) string {
		var stdout, stderr bytes.Buffer
		w := walk{env: &env{stdin: nil, stdout: &stdout, stderr: &stderr}, path: path, filter: &filter{}}
		require.NoError(t, w.filter.ready())
		if inPieces {
			w.pieces = &pieceExport{&stdout, open}
		}
		to := open(&stdout)
		if f, ok := to.(functionExporter); ok {
			w.function = f.Function
		}
		err := w.export(context.Background(), to)
		require.NoError(t, to.Close())
		return fmt.Sprintf("%s%s%v %d", stdout.String(), stderr.String(), err, w.taken)
	}
	files, damages, keys := uint64(2), uint64(2), 10_000
	if testing.Short() {
		files, damages, keys = 1, 1, 3000
	}
	for seed := range files {
		many, _ := fuzz.RDB(seed, fuzz.RDBOptions{Keys: 3 * keys / 10, StringSize: 60})
		large, _ := fuzz.RDB(seed, fuzz.RDBOptions{Keys: 3, StringSize: 200 << 10})
		interleaved, _ := fuzz.RDB(seed, fuzz.RDBOptions{Keys: keys, Databases: 5, Interleave: true, StringSize: 60})
		for _, b := range [][]byte{many, large, interleaved, misleading()} {
			for damage := range damages + 1 {
				bad := b
				if damage > 0 {
					bad, _ = fuzz.Mutate(damage, b)
				}
				require.NoError(t, os.WriteFile(path, bad, 0o600))
				for name, open := range formats {
					want, got := export(open, false), export(open, true)
					if want != got {
						t.Fatalf("%s, seed %d, damage %d: %d bytes in one go, %d in pieces", name, seed, damage, len(want), len(got))
					}
				}
			}
		}
	}
}

// TestPiecesOfLittle exports strings that are a hundredth of their size in the file: what is kept of pieces is bounded, and all is there.
func TestPiecesOfLittle(t *testing.T) {
	const keys, size = 200, 1 << 20
	value := make([]byte, size)
	n, ok := lzf.Compress(value, bytes.Repeat([]byte{'"'}, size))
	require.True(t, ok)
	value = value[:n]
	b := []byte("REDIS0011\xfe\x00")
	for i := range keys {
		b = binary.BigEndian.AppendUint32(fmt.Appendf(b, "\x00\x06k%05d\xc3\x80", i), uint32(len(value)))
		b = append(binary.BigEndian.AppendUint32(append(b, 0x80), size), value...)
		b = append(b, records(i)...) // ends that are to be guessed
	}
	b = append(b, emptyRDB[9:]...)
	path := filepath.Join(t.TempDir(), "dump.rdb")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for name, in := range map[string]string{"mapped": path, "stream": input.Stdin} {
		var lines, long int
		runtime.GC()
		before := heap()
		most := before
		code := run(context.Background(), []string{"export", in}, &env{stdin: io.MultiReader(bytes.NewReader(b)), stderr: os.Stderr, stdout: writer(func(p []byte) (int, error) {
			most = max(most, heap())
			lines += bytes.Count(p, []byte{'\n'})
			long += bytes.Count(p, []byte{'\\'})
			return len(p), nil
		})})
		require.Zero(t, code, name)
		require.Equal(t, keys+keys*(keys-1)/2, lines, name)
		require.Equal(t, keys*size, long, name)
		require.Less(t, most-before, uint64(150<<20), name)
	}
}

// heap is how many bytes are allocated and not collected.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestShrinkingFile exports a file that becomes shorter meanwhile: what is left of it is exported, and that it ends is told.
func TestShrinkingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump.rdb")
	whole := append(append([]byte("REDIS0011"), records(300_000)...), emptyRDB[9:]...)
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	export := func(out io.Writer) (stderr bytes.Buffer, code int) {
		code = run(context.Background(), []string{"export", path}, &env{stdout: out, stderr: &stderr})
		return stderr, code
	}
	var want bytes.Buffer
	_, code := export(&want)
	require.Zero(t, code)
	for _, left := range []int64{3_000_000, 600_000, 400_000, 300_000} {
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		var got bytes.Buffer
		stderr, code := export(writer(func(p []byte) (int, error) {
			if got.Len() == 0 {
				require.NoError(t, os.Truncate(path, left))
			}
			return got.Write(p)
		}))
		require.Equal(t, exitDamaged, code, stderr.String())
		require.Contains(t, stderr.String(), "the input ends too early")
		require.True(t, bytes.HasPrefix(want.Bytes(), got.Bytes()))
		require.Greater(t, 60*int64(got.Len()), left)
	}
}

// TestInterruptOfPieces says that an interrupt ends the export of a file that is mapped.
func TestInterruptOfPieces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump.rdb")
	keys := append([]byte("REDIS0011"), records(300_000)...)
	large := append([]byte("REDIS0011"), records(20_000)...)
	large = append(large, "\x00\x01k\x80\x30\x00\x00\x00"...) // a string of 768 MiB
	for name, b := range map[string][]byte{"keys": keys, "string": large} {
		require.NoError(t, os.WriteFile(path, b, 0o600))
		require.NoError(t, os.Truncate(path, 1<<30))
		ctx, cancel := context.WithCancel(context.Background())
		var stderr bytes.Buffer
		code := run(ctx, []string{"export", path}, &env{stdout: writer(func(p []byte) (int, error) {
			cancel()
			return len(p), nil
		}), stderr: &stderr})
		require.Equal(t, exitInterrupted, code, name)
		require.Equal(t, "kvfsck: interrupted\n", stderr.String(), name)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
