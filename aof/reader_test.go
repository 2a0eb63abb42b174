package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// trace reads everything and writes down what came, so that two ways of reading can be compared.
func trace(src io.Reader, opt ReaderOptions) string {
	var b strings.Builder
	r := NewReaderOptions(src, opt)
	for r.Next() {
		switch rec := r.Record().(type) {
		case *Command:
			fmt.Fprintf(&b, "%d+%d #%d db %d multi %v special %d argc %d %q\n", rec.Offset, rec.Size, rec.Number, rec.DB, rec.InMulti, rec.Special, rec.Argc, rec.Args)
		case *Annotation:
			fmt.Fprintf(&b, "%d %q multi %v\n", rec.Offset, rec.Line, rec.InMulti)
		case *Preamble:
			b.WriteString("rdb\n")
		}
	}
	fmt.Fprintf(&b, "%v\n%+v\n", r.Err(), r.Position())
	var fe *FormatError
	if errors.As(r.Err(), &fe) {
		fmt.Fprintf(&b, "%s %s %q %v\n", fe.Code, fe.Damage, fe.CheckerLine("f"), fe.EOF)
	}
	return b.String()
}

// TestDamage tells kinds of damage apart.
func TestDamage(t *testing.T) {
	good := pSel + pSet("a")
	zeros := strings.Repeat("\x00", 600)
	cases := []struct {
		name, content string
		want          error
		valid         int
		offset        int64
	}{
		{"torn in a header", good + "*3\r\n$3", ErrTorn, len(good), int64(len(good)) + 4},
		{"torn in an argument", good + "*3\r\n$3\r\nSE", ErrTorn, len(good), int64(len(good)) + 8},
		{"torn between arguments", good + "*3\r\n$3\r\nSET\r\n", ErrTorn, len(good), int64(len(good)) + 13},
		{"torn in a transaction", good + pMulti + pSet("b") + "*1\r\n", ErrTorn, len(good), int64(len(good+pMulti+pSet("b"))) + 4},
		{"open transaction", good + pMulti + pSet("b"), ErrOpenMulti, len(good), int64(len(good+pMulti+pSet("b"))) - 3},
		{"zero tail", good + zeros, ErrZeroTail, len(good), int64(len(good))},
		{"one zero byte", good + "\x00", ErrZeroTail, len(good), int64(len(good))},
		{"zero tail in a header", good + "*3\r\n" + zeros, ErrZeroTail, len(good), int64(len(good)) + 4},
		{"zero tail in an argument", good + "*1\r\n$10\r\nabc" + zeros, ErrZeroTail, len(good), int64(len(good)) + 9},
		{"zero tail in an argument, short", good + "*1\r\n$1000\r\nabc" + zeros, ErrZeroTail, len(good), int64(len(good)) + 11},
		{"only zeros", zeros, ErrZeroTail, 0, 0},
		{"hole", good + zeros + good, ErrHole, len(good), int64(len(good))},
		{"hole in an argument", good + "*1\r\n$10\r\nabc" + zeros + good, ErrHole, len(good), int64(len(good)) + 9},
		{"hole up to an argument's end", good + "*1\r\n$603\r\nabc" + zeros + good, ErrHole, len(good), int64(len(good)) + 10},
		{"garbage", good + "junk" + good, ErrGarbage, len(good), int64(len(good))},
		{"inline command", good + "SET a b\r\n", ErrGarbage, len(good), int64(len(good))},
		{"argument too long", good + "*1\r\n$3\r\nabcd\r\n", ErrGarbage, len(good), int64(len(good)) + 8},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00", ErrOtherFile, 0, 0},
		{"text", "hello world\n", ErrOtherFile, 0, 0},
		{"manifest", "file a seq 1 type b\n", ErrOtherFile, 0, 0},
		{"nested transaction", good + pMulti + pMulti, ErrTransaction, len(good), int64(len(good+pMulti)) + 8},
		{"EXEC alone", good + pExec, ErrTransaction, len(good), int64(len(good)) + 8},
		{"RDB cut short", pRDB("REDIS0011")[:15], ErrPreamble, 0, -1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := NewReaderOptions(strings.NewReader(c.content), ReaderOptions{Strictness: AsChecker})
			for r.Next() {
			}
			err := r.Err()
			var fe *FormatError
			if !errors.Is(err, c.want) || !errors.As(err, &fe) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if got := r.Position().Valid; got != int64(c.valid) {
				t.Errorf("valid up to %d, want %d", got, c.valid)
			}
			if c.offset >= 0 && fe.Offset != c.offset {
				t.Errorf("offset %d, want %d", fe.Offset, c.offset)
			}
			if fe.Damage == DamageZeroTail && errors.Is(err, ErrHole) || fe.EOF != errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v is several things", err)
			}
			if fe.Damage == DamageZeroTail || fe.Damage == DamageHole {
				if want := strings.Index(c.content, zeros[:min(600, len(zeros))]); want >= 0 && (fe.ZeroOffset != int64(want) || fe.ZeroSize != 600) {
					t.Errorf("%d zero bytes at %d", fe.ZeroSize, fe.ZeroOffset)
				}
			}
		})
	}
}

// TestDifferences has for each row of the table of differences a file on which the two strictnesses part.
func TestDifferences(t *testing.T) {
	inputs := [numRules]string{
		ruleMagic:        "REDIS0",
		ruleHeaderLimit:  "*1" + strings.Repeat(" ", 200) + "\r\n$4\r\nPING\r\n",
		ruleHeaderEnd:    "*1x\r\n$4\r\nPING\r\n",
		ruleMinArgs:      "*0\r\n",
		ruleArgsBits:     "*4294967297\r\n$4\r\nPING\r\n",
		ruleRange:        "*1\r\n$4611686018427387904\r\nx",
		ruleBulkEnd:      "*1\r\n$4\r\nPINGxx",
		ruleEmptyHeader:  "*",
		ruleTransactions: pExec,
		ruleNames:        "*1\r\n$6\r\nmulti\x00\r\n",
	}
	for i, in := range inputs {
		var codes [2]Code
		for _, s := range []Strictness{AsServer, AsChecker} {
			r := NewReaderOptions(strings.NewReader(in), ReaderOptions{Strictness: s})
			for r.Next() {
			}
			var fe *FormatError
			if errors.As(r.Err(), &fe) {
				codes[s] = fe.Code
			}
		}
		d := Differences()[i]
		if d.What == "" || d.AsServer == "" || d.AsChecker == "" {
			t.Errorf("row %d says nothing", i)
		}
		if codes[0] == codes[1] {
			t.Errorf("%s: both give %q", d.What, codes[0])
		}
	}
}

// TestChunks reads the corpus in one piece and in odd ones.
func TestChunks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range corpus.AOFSets(t) {
		for _, f := range c.Files {
			b, err := os.ReadFile(corpus.Path(t, c.ID) + "/" + f.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []Strictness{AsServer, AsChecker} {
				want := trace(bytes.NewReader(b), ReaderOptions{Strictness: s})
				for _, src := range []io.Reader{iotest.OneByteReader(bytes.NewReader(b)), &randomChunks{b, rng}} {
					if got := trace(src, ReaderOptions{Strictness: s}); got != want {
						t.Errorf("%s/%s: differs in pieces: %s", c.ID, f.Name, firstDifference(got, want))
					}
				}
			}
		}
	}
}

// randomChunks returns from 1 to 5000 bytes at a time.
type randomChunks struct {
	b   []byte
	rng *rand.Rand
}

func (r *randomChunks) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1+r.rng.IntN(5000))], r.b)
	r.b = r.b[n:]
	return n, nil
}

// TestLarge has records that are larger than the window, and headers on its edge.
func TestLarge(t *testing.T) {
	for _, n := range []int{windowSize - 40, windowSize - 30, windowSize - 20, windowSize, 3*windowSize + 1, 20 * windowSize} {
		big := strings.Repeat("x", n)
		in := pSel + fmt.Sprintf("*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", n, big, n, big) + pSet("a") + pSet("b")
		for _, skim := range []bool{false, true} {
			r := NewReaderOptions(strings.NewReader(in), ReaderOptions{Skim: skim})
			var names []string
			for r.Next() {
				c := r.Record().(*Command)
				names = append(names, fmt.Sprintf("%s %d %d", c.Args[0], c.Argc, len(c.Args[1])))
				if !skim && len(c.Args) != int(c.Argc) {
					t.Errorf("%d: %d arguments of %d", n, len(c.Args), c.Argc)
				}
			}
			keep := map[bool]int{false: n, true: skimKeep}[skim]
			want := []string{"SELECT 2 1", fmt.Sprintf("SET 3 %d", keep), "SET 3 1", "SET 3 1"}
			if r.Err() != nil || fmt.Sprint(names) != fmt.Sprint(want) || r.Position().Offset != int64(len(in)) {
				t.Errorf("%d, skim %v: %v, %v at %d of %d", n, skim, names, r.Err(), r.Position().Offset, len(in))
			}
		}
	}
}

// TestHostileSizes states sizes that are not there; nothing of the kind may be allocated.
func TestHostileSizes(t *testing.T) {
	for _, in := range []string{"*1\r\n$100000000000\r\nfoo", "*1\r\n$9223372036854775805\r\nfoo", "*2000000000\r\n$1\r\nx\r\n"} {
		for _, skim := range []bool{false, true} {
			for _, s := range []Strictness{AsServer, AsChecker} {
				allocated := testing.AllocsPerRun(1, func() {
					r := NewReaderOptions(strings.NewReader(in), ReaderOptions{Skim: skim, Strictness: s})
					for r.Next() {
					}
					if r.Err() == nil || len(r.w.buf) > windowSize || cap(r.args) > 100 {
						t.Errorf("%q: %v, window %d", in, r.Err(), len(r.w.buf))
					}
				})
				if allocated > 60 {
					t.Errorf("%q: %v allocations", in, allocated)
				}
			}
		}
	}
}

// TestNoAllocation shows that commands cost none.
func TestNoAllocation(t *testing.T) {
	in := strings.Repeat(pSet("key")+pMulti+pSet("k2")+pExec, 1000)
	r := NewReader(strings.NewReader(""))
	src := strings.NewReader("")
	for _, skim := range []bool{false, true} {
		if n := testing.AllocsPerRun(5, func() {
			src.Reset(in)
			r.Reset(src, ReaderOptions{Skim: skim})
			for r.Next() {
			}
		}); n > 2 {
			t.Errorf("skim %v: %v allocations for 4000 commands", skim, n)
		}
	}
}

// TestInputError passes on errors of the input, wherever they come: in the first bytes, too, by which an RDB part is known.
func TestInputError(t *testing.T) {
	broken := errors.New("broken")
	for _, in := range []string{pSel + pSet("a"), pRDB("REDIS0011") + pSet("a"), pRDB("VALKEY080") + pSet("a")} {
		for _, s := range []Strictness{AsServer, AsChecker} {
			for cut := range in {
				r := NewReaderOptions(io.MultiReader(strings.NewReader(in[:cut]), iotest.ErrReader(broken)), ReaderOptions{Strictness: s})
				for r.Next() {
				}
				var fe *FormatError
				if !errors.Is(r.Err(), broken) || errors.As(r.Err(), &fe) {
					t.Errorf("%.6q, %v, cut at %d: %v", in, s, cut, r.Err())
				}
			}
		}
	}
}

// TestSmallWindows reads through windows of a few bytes what is read through a large one.
func TestSmallWindows(t *testing.T) {
	in := pRDB("REDIS0011") + pSel + pSet("a") + "#TS:5\r\n" + pSet("b")
	for _, skim := range []bool{false, true} {
		for window := 1; window <= 9; window++ {
			r := NewReaderOptions(strings.NewReader(in), ReaderOptions{Window: window, Skim: skim})
			n := 0
			for r.Next() {
				n++
			}
			if r.Err() != nil || n != 5 {
				t.Errorf("skim %v, a window of %d bytes: %d records, %v", skim, window, n, r.Err())
			}
		}
	}
}

// TestPreamble hands the RDB part to package rdb and goes on behind it, whether it was read or not.
func TestPreamble(t *testing.T) {
	head := pRDB("REDIS0011")
	for _, all := range []bool{false, true} {
		r := NewReader(strings.NewReader(head + pSel + pSet("a")))
		var keys, commands int
		for r.Next() {
			switch rec := r.Record().(type) {
			case *Preamble:
				for all && rec.RDB.Next() {
					if e, ok := rec.RDB.Record().(*rdb.Entry); ok && string(e.Key) == "r" {
						keys++
					}
				}
			case *Command:
				commands++
				if commands == 1 && rec.Offset != int64(len(head)) {
					t.Errorf("first command at %d, want %d", rec.Offset, len(head))
				}
			}
		}
		if p := r.Position(); r.Err() != nil || commands != 2 || (keys == 1) != all || p.Preamble != int64(len(head)) || p.Valid != p.Offset {
			t.Errorf("%d keys, %d commands, %+v, %v", keys, commands, p, r.Err())
		}
	}
}

func TestTimestamp(t *testing.T) {
	cases := []struct {
		line string
		want int64
		ok   bool
	}{
		{"#TS:12\r\n", 12, true}, {"#TS: +12\r\n", 12, true}, {"#TS:-1\r\n", -1, true}, {"#TS:\r\n", 0, true}, {"#TS:12\n", 12, false},
		{"#TS:12x\r\n", 12, false}, {"#TS:99999999999999999999\r\n", 1<<63 - 1, false}, {"#TS:12", 12, false}, {"#ts:12\r\n", 0, false}, {"#\r\n", 0, false},
	}
	for _, c := range cases {
		a := Annotation{Line: []byte(c.line)}
		if got, ok := a.Timestamp(); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %d, %v", c.line, got, ok)
		}
	}
}

// firstDifference shows the first line in which two traces differ.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\n%.500s\nwant\n%.500s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

// TestFaultAtWindowEnd has faults whose bytes are the last in the window, which moves to show what follows them.
func TestFaultAtWindowEnd(t *testing.T) {
	good := pSel + pSet("a")
	for _, bad := range []string{"$4\nPING\r\n", "%4\r\nPING\r\n", "$4\r\nPING\n\n"} {
		step := 1
		if testing.Short() {
			step = 9
		}
		for size := 0; size < 100; size += step {
			in := good + fmt.Sprintf("*2\r\n$%d\r\n%s\r\n", size, strings.Repeat("a", size)) + bad + strings.Repeat(good, 4)
			for _, s := range []Strictness{AsServer, AsChecker} {
				want := outline(strings.NewReader(in), ReaderOptions{Strictness: s})
				for window := 16; window <= 64; window++ {
					opt := ReaderOptions{Strictness: s, Window: window, Skim: true}
					if got := outline(strings.NewReader(in), opt); got != want {
						t.Fatalf("%q behind %d bytes, %s, window %d: %s", bad, size, s, window, firstDifference(got, want))
					}
				}
			}
		}
	}
}
