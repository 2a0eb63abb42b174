package jsonl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// snapshot is an RDB of the values given, each the bytes from a type byte on.
func snapshot(values ...string) io.Reader {
	return strings.NewReader("REDIS0011\xfe\x00" + strings.Join(values, "") + "\xff\x00\x00\x00\x00\x00\x00\x00\x00")
}

// list is a list of n items "item".
func list(key string, n int) string {
	head := append([]byte{1, byte(len(key))}, key...)
	head = binary.BigEndian.AppendUint32(append(head, 0x80), uint32(n))
	return string(head) + strings.Repeat("\x04item", n)
}

// damaged is a long list, in a form that only its end shows to be damaged.
func damaged(key string, n int) string {
	return "\x02" + list(key, n)[1:] // a set with one member again and again
}

func writeAll(w *Writer, src io.Reader) (faults int, err error) {
	r := rdb.NewReader(src)
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			var format *rdb.FormatError
			if err := w.Entry(e); errors.As(err, &format) {
				faults++
			} else if err != nil {
				return faults, err
			}
		}
	}
	return faults, errors.Join(r.Err(), w.Close())
}

func lineOf(key string, n int) string {
	return `{"db":0,"key":"` + key + `","type":"list","encoding":"linkedlist","expire_at_ms":null,"idle_s":null,"freq":null,"value":[` +
		strings.TrimSuffix(strings.Repeat(`"item",`, n), ",") + "]}\n"
}

// TestHold writes lines shorter and longer than what is held in memory, good and damaged, in any order.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir) // as Windows calls it
	const long, short = 50_000, 3
	for _, limit := range []int{flushSize, 2 * flushSize, holdSize} {
		var out bytes.Buffer
		w := NewWriter(&out)
		w.limit = limit
		faults, err := writeAll(w, snapshot(
			list("a", short), list("b", long), list("c", short), damaged("d", long), list("e", long), damaged("f", 2), damaged("g", long), list("h", short),
		))
		require.NoError(t, err)
		require.Equal(t, 3, faults)
		want := lineOf("a", short) + lineOf("b", long) + lineOf("c", short) + lineOf("e", long) + lineOf("h", short)
		require.True(t, out.String() == want, "limit %d: %d bytes, want %d", limit, out.Len(), len(want))
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

type failing struct{ after int }

var errFull = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestOutputErrors(t *testing.T) {
	for _, after := range []int{0, flushSize, 3 * flushSize} {
		_, err := writeAll(NewWriter(&failing{after}), snapshot(list("a", 3), list("b", 50_000), list("c", 50_000)))
		require.ErrorIs(t, err, errFull)
		var format *rdb.FormatError
		require.NotErrorAs(t, err, &format)
	}
}

// TestMemory says that neither many elements nor many keys cost memory.
func TestMemory(t *testing.T) {
	w := NewWriter(io.Discard)
	_, err := writeAll(w, snapshot(list("a", 2_000_000), list("b", 3)))
	require.NoError(t, err)
	require.LessOrEqual(t, cap(w.buf), 2*holdSize)

	e := rdb.Element{Kind: rdb.ElementField, Data: []byte("field"), Value: []byte("a \"value\""), ExpireAt: 1 << 42}
	w.buf = make([]byte, 0, 1<<20)
	require.Zero(t, testing.AllocsPerRun(1000, func() { w.element(nil, &e) }))
}

func BenchmarkEntry(b *testing.B) {
	file := snapshot(list("a", 100_000)).(*strings.Reader)
	b.SetBytes(file.Size())
	b.ReportAllocs()
	for b.Loop() {
		file.Seek(0, io.SeekStart)
		if _, err := writeAll(NewWriter(io.Discard), file); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTake takes lines in parts, with one that is damaged between them, and one that is longer than is held in memory elsewhere.
func TestTake(t *testing.T) {
	values := []string{list("a", 3), damaged("b", 1000), list("c", 2*flushSize), list("d", 1)}
	var whole bytes.Buffer
	direct := NewWriter(&whole)
	faults, err := writeAll(direct, snapshot(values...))
	require.NoError(t, err)
	require.NoError(t, direct.Close())
	require.Equal(t, 1, faults)

	kept := NewWriter(nil)
	kept.limit = 4 << 10
	var got, spare []byte
	for _, v := range values {
		_, err := writeAll(kept, snapshot(v))
		require.NoError(t, err)
		spare = kept.Take(spare)
		got = append(got, spare...)
	}
	require.NoError(t, kept.Close())
	require.Nil(t, kept.file)
	require.Equal(t, whole.String(), string(got))
}
