// Package packedtest holds what the tests of all packed encodings demand of
// their iterators: that a blob is the same thing whether it is in memory or
// arrives through a small buffer in odd pieces.
package packedtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// Walker is the shape which the iterators share.
type Walker interface {
	Reset(b []byte)
	ResetStream(r io.Reader, size int64, buf []byte)
	Next() bool
	Drain() error
	Err() error
	Offset() int64
	Index() int64
	Consumed() int64
	IsInt() bool
	Int() int64
	Str() []byte
	Text(scratch []byte) []byte
	Len() int64
	Long() bool
	Fingerprint() dupset.Sum
}

// Entry is what a walk tells about one entry.
type Entry struct {
	Offset, Index, Int, Len int64
	IsInt                   bool
	Text                    string
	Sum                     dupset.Sum
}

// Collect walks to the end. Texts of long entries are "".
func Collect(w Walker) (entries []Entry, long []bool) {
	var scratch [packed.MaxIntText]byte
	for w.Next() {
		entries = append(entries, Entry{Offset: w.Offset(), Index: w.Index(), IsInt: w.IsInt(), Int: w.Int(),
			Len: w.Len(), Text: string(w.Text(scratch[:])), Sum: w.Fingerprint()})
		long = append(long, w.Long())
	}
	return entries, long
}

// Agree fails the test unless a walk in memory, a walk of a stream with
// buffers of several sizes, and the two ways of draining say the same about
// blob. It returns the entries and the error.
func Agree(t testing.TB, mem, stream Walker, blob []byte, rng *rand.Rand) ([]Entry, error) {
	t.Helper()
	mem.Reset(blob)
	want, _ := Collect(mem)
	err := mem.Err()
	var corrupt *packed.CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		t.Fatalf("in memory: %v is no CorruptError", err)
	}
	if corrupt != nil && (corrupt.Offset < 0 || corrupt.Offset > int64(len(blob))) {
		t.Fatalf("%v: offset outside of the blob", err)
	}
	for i, e := range want {
		if e.Sum != dupset.Process().Sum([]byte(e.Text)) || e.Len != int64(len(e.Text)) || e.Index != int64(i) {
			t.Fatalf("entry %d: %+v is at odds with itself", i, e)
		}
	}
	if mem.Next() {
		t.Fatal("Next after the end")
	}
	mem.Reset(blob)
	if got := mem.Drain(); !same(got, err) || mem.Index() != int64(len(want))-1 {
		t.Fatalf("Drain: %v after entry %d; Next: %v after %d entries", got, mem.Index(), err, len(want))
	}
	for _, size := range []int{0, packed.MinBuffer, packed.MinBuffer + rng.IntN(64), 1 + rng.IntN(8192)} {
		what := fmt.Sprintf("buffer of %d", size)
		src := &pieces{Reader: bytes.NewReader(append(bytes.Clone(blob), "behind"...)), rng: rng}
		stream.ResetStream(src, int64(len(blob)), make([]byte, size))
		got, long := Collect(stream)
		if !same(stream.Err(), err) {
			t.Fatalf("%s: stream %v, memory %v", what, stream.Err(), err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: stream %d entries, memory %d", what, len(got), len(want))
		}
		for i := range got {
			if long[i] {
				got[i].Text = want[i].Text
			}
			if got[i] != want[i] {
				t.Fatalf("%s: entry %d: stream %+v, memory %+v", what, i, got[i], want[i])
			}
		}
		if n := stream.Consumed(); n != src.n || n > int64(len(blob)) || err == nil && n != int64(len(blob)) {
			t.Fatalf("%s: consumed %d, reader gave %d of %d", what, n, src.n, len(blob))
		}
		stream.ResetStream(bytes.NewReader(blob), int64(len(blob)), make([]byte, size))
		if got := stream.Drain(); !same(got, err) || stream.Index() != int64(len(want))-1 {
			t.Fatalf("%s: Drain %v, memory %v", what, got, err)
		}
	}
	return want, err
}

// CutShort fails the test unless a reader that ends early, or breaks, is told
// apart from corruption. The blob must be sound.
func CutShort(t testing.TB, w Walker, blob []byte) {
	t.Helper()
	broken := errors.New("broken")
	for n := range blob {
		for _, end := range []struct{ give, want error }{{io.EOF, io.ErrUnexpectedEOF}, {broken, broken}} {
			src := io.MultiReader(bytes.NewReader(blob[:n]), &failing{end.give})
			w.ResetStream(src, int64(len(blob)), nil)
			err := w.Drain()
			var corrupt *packed.CorruptError
			if !errors.Is(err, end.want) || errors.As(err, &corrupt) {
				t.Fatalf("%d of %d bytes: %v, want %v", n, len(blob), err, end.want)
			}
		}
	}
}

// Mutate damages a copy of blob in one of a few ways.
func Mutate(blob []byte, rng *rand.Rand) []byte {
	b := bytes.Clone(blob)
	for range 1 + rng.IntN(3) {
		if len(b) == 0 {
			break
		}
		i := rng.IntN(len(b))
		switch rng.IntN(5) {
		case 0:
			b[i] ^= 1 << rng.IntN(8)
		case 1:
			b[i] = byte(rng.Uint32())
		case 2:
			b[i] = []byte{0, 0x7F, 0x80, 0x81, 0xF0, 0xFD, 0xFE, 0xFF}[rng.IntN(8)]
		case 3:
			b = append(b[:i], b[i+1:]...)
		case 4:
			b = append(b[:i], append([]byte{byte(rng.Uint32())}, b[i:]...)...)
		}
	}
	return b
}

// Int returns an integer of any magnitude, with a liking for the borders of
// encodings.
func Int(rng *rand.Rand) int64 {
	v := int64(rng.Uint64() >> rng.IntN(64))
	if rng.IntN(2) == 0 {
		v = 1<<rng.IntN(64) + int64(rng.IntN(3)) - 1
	}
	if rng.IntN(2) == 0 {
		v = -v
	}
	return v
}

// String returns a byte string, mostly short.
func String(rng *rand.Rand) []byte {
	n := rng.IntN(24)
	switch rng.IntN(16) {
	case 0:
		n = rng.IntN(300)
	case 1:
		n = rng.IntN(6000)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func same(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Error() == b.Error()
}

// pieces gives a reader's bytes in pieces of random size and counts them.
type pieces struct {
	io.Reader
	rng *rand.Rand
	n   int64
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(b) > 1 {
		b = b[:1+p.rng.IntN(len(b))]
	}
	n, err := p.Reader.Read(b)
	p.n += int64(n)
	return n, err
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }
