package rdb_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// writeDown writes down the records of a reader.
func writeDown(b *strings.Builder, r *rdb.Reader) { writeDownRecords(b, r, true) }

// ofDB is what is written down of a record's database.
var ofDB = regexp.MustCompile(`DB:\d+`)

func writeDownRecords(b *strings.Builder, r *rdb.Reader, dbs bool) {
	for r.Next() {
		switch rec := r.Record().(type) {
		case *rdb.Entry:
			if dbs {
				fmt.Fprintf(b, "db %d ", rec.DB)
			}
			fmt.Fprintf(b, "%+v %q %d %d %d %d\n", rec.Span.Offset, rec.Key, rec.Type, rec.ExpireAt, rec.Idle, rec.Freq)
			for el, err := range rec.Elements() {
				if err != nil {
					fmt.Fprintf(b, "%v\n", err)
					break
				}
				fmt.Fprintf(b, "%d", el.Kind)
				switch el.Kind { // the other fields are of elements before
				case rdb.ElementString, rdb.ElementItem, rdb.ElementMember:
					fmt.Fprintf(b, " %q", el.Data)
				case rdb.ElementField:
					fmt.Fprintf(b, " %q %q %d", el.Data, el.Value, el.ExpireAt)
				case rdb.ElementScored:
					fmt.Fprintf(b, " %q %v", el.Data, el.Score)
				}
				b.WriteByte('\n')
			}
			fmt.Fprintf(b, "%d\n", rec.Size)
		default:
			text := fmt.Sprintf("%T %+v\n", rec, rec)
			if !dbs {
				text = ofDB.ReplaceAllString(text, "")
			}
			b.WriteString(text)
		}
	}
	if r.Err() != nil {
		fmt.Fprintf(b, "%v\n", r.Err())
	}
}

// demandSplit reads b whole and in pieces.
func demandSplit(t *testing.T, b []byte, size int, what any) {
	t.Helper()
	var want, got strings.Builder
	r := rdb.NewReader(bytes.NewReader(b))
	writeDown(&want, r)
	wantRest, _ := io.ReadAll(r.Rest())
	for _, s := range []*rdb.Splitter{
		rdb.NewSplitter(iotest.HalfReader(bytes.NewReader(b))).Narrow(size),
		rdb.NewSplitterOptions(bytes.NewReader(b), rdb.SplitterOptions{Whole: b}).Narrow(size),
	} {
		got.Reset()
		failed := false
		var p rdb.Piece
		for !failed && s.Next(&p) {
			r.Open(&p)
			writeDown(&got, r)
			failed = r.Err() != nil
		}
		if want.String() != got.String() {
			t.Fatalf("%v, pieces of %d: %s", what, size, firstDifference(want.String(), got.String()))
		}
		if !failed {
			rest, err := io.ReadAll(s.Rest())
			require.NoError(t, err)
			require.Equal(t, wantRest, rest, "%v: the rest", what)
		}
	}
}

// demandGuesses reads b whole and in pieces whose ends are guessed, from the middle on too. Which database a key is of the latter do not know. It does
// so once more where b is in memory, unless pieces are so small that nothing is guessed.
func demandGuesses(t *testing.T, b []byte, size int, what any) {
	t.Helper()
	demandGuessesOf(t, b, rdb.SplitterOptions{Size: size, Guess: true}, what)
	if size >= 100 {
		demandGuessesOf(t, b, rdb.SplitterOptions{Size: size, Guess: true, Whole: b}, what)
	}
}

func demandGuessesOf(t *testing.T, b []byte, opt rdb.SplitterOptions, what any) {
	t.Helper()
	var want strings.Builder
	r := rdb.NewReader(bytes.NewReader(b))
	writeDownRecords(&want, r, false)

	var got strings.Builder
	guessed, wrong := 0, 0
	for wary, src := 1, b; ; wary *= 2 {
		s := rdb.NewSplitterOptions(iotest.HalfReader(bytes.NewReader(src)), opt)
		if opt.Whole != nil {
			s = rdb.NewSplitterOptions(bytes.NewReader(b), opt)
		}
		var again *rdb.Piece
		for {
			p := &rdb.Piece{}
			if !s.Next(p) {
				again = s.Unproven()
				break
			}
			var piece strings.Builder
			r.Open(p)
			writeDownRecords(&piece, r, false)
			if p.Guessed() {
				guessed++
			}
			if !p.Ended(r) {
				again = p
				break
			}
			if got.WriteString(piece.String()); r.Err() != nil {
				break
			}
		}
		if again == nil {
			break
		}
		wrong++
		src = b[again.Start():]
		opt.Again, opt.Sure = again, wary
	}
	if want.String() != got.String() {
		t.Fatalf("%v, pieces of %d, %d of them guessed, %d times wrong: %s", what, opt.Size, guessed, wrong, firstDifference(want.String(), got.String()))
	}
}

func TestSplitter(t *testing.T) {
	targets, files, damages := rdb.Targets(), uint64(9), uint64(5)
	if testing.Short() {
		files, damages = 1, 2
	}
	for seed := range files {
		b, _ := fuzz.RDB(seed, fuzz.RDBOptions{Target: targets[seed%uint64(len(targets))], Keys: 60, Idle: 10, Freq: 10, Loose: 20})
		for _, size := range []int{16, 100, 1000, 256 << 10} {
			demandSplit(t, b, size, seed)
			demandGuesses(t, b, size, seed)
			demandSplit(t, append(bytes.Clone(b), "*1\r\n$4\r\nPING\r\n"...), size, seed)
			for damage := range damages {
				bad, m := fuzz.Mutate(damage, b)
				demandSplit(t, bad, size, m)
				demandGuesses(t, bad, size, m)
			}
		}
	}
}

// TestSplitterGuesses has ends guessed, and rightly, whatever the names and the sizes of values of a file. Where names are not ordinary and values are large, too much
// looks like the beginning of a record.
func TestSplitterGuesses(t *testing.T) {
	sizes := []int{20, 1000, 3000, 7000}
	if testing.Short() {
		sizes = []int{1000}
	}
	for _, name := range []string{"key:%04d", "\x01odd%04d", strings.Repeat("long", 30) + "%04d"} {
		for _, size := range sizes {
			var b bytes.Buffer
			w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
			value := bytes.Repeat([]byte{0, 4, 200, 'a', 'b'}, size/5)
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(value), func(i, j int) { value[i], value[j] = value[j], value[i] })
			for i := 0; b.Len() < 5<<20 && i < 40_000; i++ {
				require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, name, i)), rdb.String(value)))
			}
			require.NoError(t, w.Close())
			s := rdb.NewSplitterOptions(bytes.NewReader(b.Bytes()), rdb.SplitterOptions{Size: 256 << 10, Guess: true, Whole: b.Bytes()})
			r, p := rdb.NewReader(nil), &rdb.Piece{}
			pieces, guessed := 0, 0
			for s.Next(p) {
				r.Open(p)
				for r.Next() {
				}
				require.NoError(t, r.Err())
				require.True(t, p.Ended(r), "%q, %d bytes, piece %d", name, size, pieces)
				if pieces++; p.Guessed() {
					guessed++
				}
			}
			require.Nil(t, s.Unproven())
			t.Logf("%q, values of %d bytes: %d of %d", name, size, guessed, pieces)
			if size > 3000 && name != "key:%04d" {
				continue
			}
			require.GreaterOrEqual(t, guessed, pieces-2) // the first and the last one are not
		}
	}
}

func TestSplitterOfCorpus(t *testing.T) {
	for _, f := range corpus.RDBs(t) {
		b, err := os.ReadFile(corpus.Path(t, f.ID))
		require.NoError(t, err)
		demandSplit(t, b, 700, f.ID)
		demandGuesses(t, b, 700, f.ID)
	}
}

func TestSplitterOfABrokenDisk(t *testing.T) {
	b, _ := fuzz.RDB(1, fuzz.RDBOptions{Keys: 60})
	s := rdb.NewSplitter(io.MultiReader(bytes.NewReader(b[:len(b)/2]), iotest.ErrReader(io.ErrClosedPipe))).Narrow(300)
	r := rdb.NewReader(nil)
	var p rdb.Piece
	for s.Next(&p) {
		r.Open(&p)
		for r.Next() {
		}
	}
	require.ErrorIs(t, r.Err(), io.ErrClosedPipe)
}

func firstDifference(want, got string) string {
	a, b := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d: %.200q, not %.200q", i, b[i], a[i])
		}
	}
	return fmt.Sprintf("%d lines, not %d", len(b), len(a))
}

// FuzzSplit reads any bytes whole and in pieces.
func FuzzSplit(f *testing.F) {
	for _, c := range ruleCases {
		f.Add(c.file, uint16(20))
	}
	b, _ := fuzz.RDB(3, fuzz.RDBOptions{Keys: 12, StringSize: 40})
	f.Add(b, uint16(100))
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		demandSplit(t, b, int(size), "")
		demandGuesses(t, b, int(size), "")
	})
}
