package aof

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

// rewrite reads a file and writes what it read. With an RDB part, that comes first as it is.
func rewrite(t testing.TB, in []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	r := NewReader(bytes.NewReader(in))
	for r.Next() {
		if err := w.Record(r.Record()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.Err(), w.Flush()); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != w.Offset() {
		t.Errorf("offset %d after %d bytes", w.Offset(), out.Len())
	}
	return append(in[:r.Position().Preamble:r.Position().Preamble], out.Bytes()...)
}

// TestRewriteCorpus: what servers wrote comes out as it was.
func TestRewriteCorpus(t *testing.T) {
	for _, c := range corpus.AOFSets(t) {
		for _, f := range c.Files {
			if strings.HasSuffix(f.Name, ".manifest") {
				continue
			}
			in, err := os.ReadFile(corpus.Path(t, c.ID) + "/" + f.Name)
			if err != nil {
				t.Fatal(err)
			}
			if out := rewrite(t, in); !bytes.Equal(out, in) {
				t.Errorf("%s/%s: %d bytes, was %d", c.ID, f.Name, len(out), len(in))
			}
		}
	}
}

// TestRewriteRandom writes random commands to random databases and reads them back.
func TestRewriteRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var out bytes.Buffer
		w := NewWriter(&out)
		var want []string
		for range rng.IntN(40) {
			if rng.IntN(8) == 0 {
				w.Timestamp(rng.Int64())
				continue
			}
			args := make([]string, 1+rng.IntN(5))
			for i := range args {
				b := make([]byte, rng.IntN(30))
				for j := range b {
					b[j] = byte(rng.IntN(256))
				}
				args[i] = string(b)
			}
			args[0] = "X" + args[0]
			db := rng.IntN(4)
			w.Command(db, args...)
			want = append(want, fmt.Sprintf("%d %q", db, args))
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		var got []string
		r := NewReader(bytes.NewReader(out.Bytes()))
		for r.Next() {
			if c, ok := r.Record().(*Command); ok && c.Special != Select {
				got = append(got, fmt.Sprintf("%d %q", c.DB, c.Args))
			}
		}
		if r.Err() != nil || fmt.Sprint(got) != fmt.Sprint(want) || !r.Canonical() {
			t.Fatalf("%v, %q, want %q", r.Err(), got, want)
		}
		if again := rewrite(t, out.Bytes()); !bytes.Equal(again, out.Bytes()) {
			t.Fatalf("rewritten as %q, was %q", again, out.Bytes())
		}
	}
}

func TestWriterAnnotations(t *testing.T) {
	long := "#" + strings.Repeat("x", maxAnnotation-1)
	for in, want := range map[string]string{
		"#x": "#x\r\n", "#x\n": "#x\n", "#x\r\n": "#x\r\n", "#x\r": "#x\r\r\n", "#": "#\r\n", long: long,
		"": "-", "x": "-", "#x\ny": "-", "#x\n\n": "-", long + "x": "-", long[1:]: "-", long[:1022]: "-", long[:1021]: long[:1021] + "\r\n",
	} {
		var out bytes.Buffer
		w := NewWriter(&out)
		err := w.Annotation([]byte(in))
		w.Flush()
		if want == "-" && err == nil || want != "-" && (err != nil || out.String() != want) {
			t.Errorf("%.20q of %d bytes: %v, %.40q", in, len(in), err, out.String())
		}
	}
}

// TestWriterConcatenates: a second file begins in database 0 again.
func TestWriterConcatenates(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, in := range []string{pSel[:len(pSel)-3] + "5\r\n" + pSet("a"), pSet("b")} {
		r := NewReader(strings.NewReader(in))
		for r.Next() {
			w.Record(r.Record())
		}
	}
	w.Flush()
	want := pSel[:len(pSel)-3] + "5\r\n" + pSet("a") + pSel + pSet("b")
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestWriterError(t *testing.T) {
	broken := errors.New("broken")
	w := NewWriter(errorWriter{broken})
	for range 3 * windowSize / 20 {
		w.Command(0, "SET", "k", "v")
	}
	if err := w.Flush(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type errorWriter struct{ err error }

func (w errorWriter) Write([]byte) (int, error) { return 0, w.err }

// TestWriterRefuses writes nothing of what no server loads.
func TestWriterRefuses(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, db := range []int{-7, -2, math.MinInt} {
		if w.Command(db, "SET", "k", "v") == nil {
			t.Errorf("database %d", db)
		}
	}
	if w.Command(0) == nil || w.Command(NoDB) == nil || w.Command(3) == nil {
		t.Error("no arguments")
	}
	if w.Record(&Command{}) == nil || w.Record(&Command{DB: -1, Args: [][]byte{[]byte("PING")}, Argc: 1}) == nil {
		t.Error("records of no arguments, and of no database")
	}
	if w.Offset() != 0 {
		t.Errorf("%d bytes were written", w.Offset())
	}
	if err := w.Command(NoDB, "FUNCTION", "FLUSH"); err != nil {
		t.Error(err)
	}
	if err := w.Command(0, "SET", "a", "v"); err != nil || w.Flush() != nil || !strings.HasSuffix(out.String(), pSel+pSet("a")) {
		t.Errorf("%q, %v", out.String(), err)
	}
}
