package aof

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

// readOut reads what is left and tells how that ended. Annotations and commands are counted with those passed before.
func readOut(r *Reader, passed Advanced) string {
	for r.Next() {
		switch r.Record().(type) {
		case *Command:
			passed.Commands++
		case *Annotation:
			passed.Annotations++
		}
	}
	return fmt.Sprintf("%+v\n%+v\ncanonical %v\nread %d\n%v", passed, r.Position(), r.Canonical(), r.readStart, describe(r.Err()))
}

// describe is an error with all that it knows.
func describe(err error) string {
	if fe, ok := err.(*FormatError); ok {
		return fmt.Sprintf("%+v %s", *fe, fe.CheckerLine("file"))
	}
	return fmt.Sprint(err)
}

// demandAdvance reads b with and without Advance, in stretches of several sizes, and demands the same end.
func demandAdvance(t *testing.T, b []byte) {
	t.Helper()
	for _, strictness := range []Strictness{AsServer, AsChecker} {
		opt := ReaderOptions{Strictness: strictness, Skim: true, NoPreamble: true, Offset: 1000}
		want := readOut(NewReaderOptions(bytes.NewReader(b), opt), Advanced{})
		for _, size := range []int{30, 100, 1000, stretchSize} {
			for _, plausible := range []bool{false, true} {
				r := NewReaderOptions(bytes.NewReader(b), opt)
				passed := r.Advance(context.Background(), AdvanceOptions{Workers: 2, Plausible: plausible, stretch: size, whole: b})
				require.Equal(t, want, readOut(r, passed), "strictness %d, stretches of %d of %q", strictness, size, b)
			}
		}
	}
}

// command is a command as servers write it.
func command(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

var advanceCases = []string{
	"",
	command("SET", "k", "v"),
	command("SELECT", "3") + command("SET", "k", strings.Repeat("v", 150)) + "#TS:1700000000\r\n" + command("select", "x") + command("DEL", "k"),
	command("MULTI") + command("INCR", "a") + command("EXEC") + command("SET", "k", "v"),
	command("SET", "k", "v") + command("multi") + command("INCR", "a") + "#TS:1700000000\r\n" + command("INCR", "a"),
	command("MULTI") + command("MULTI") + command("EXEC"),
	command("EXEC") + command("SET", "k", "v"),
	command("SET", "k", command("SET", "in", "value")+command("MULTI")+command("EXEC")) + command("GET", "k"),
	command("SET", "k", strings.Repeat(command("SELECT", "7"), 30)) + command("GET", "k"),
	command("SET", "k", strings.Repeat("v", 1234)) + command("odd", "k") + command("SET", "", ""),
	command("SET", "k", strings.Repeat("v", 12345)) + "*1\r\n$07\r\nMULTI\r\n",
	command("SET", "k", "v") + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\nshort\r\n",
	command("SET", "k", "v") + "*0\r\n" + command("SET", "k", "v"),
	command("SET", "k", "v") + "*-1\r\n" + command("MULTI\x00x") + command("EXEC"),
	command("SET", "k", "v") + "*1\r\n$0\r\n\r\n" + command("EXEC\x00"),
	command("SET", "k", "v") + "#" + strings.Repeat("long ", 300) + "\r\n" + command("SET", "k", "v"),
	command("SET", "k", "v") + "# no end",
	command("SET", "k", "v") + "\x00\x00\x00\x00\x00\x00\x00\x00",
	strings.Repeat(command("MULTI")+command("INCR", "a")+command("EXEC"), 50) + command("MULTI") + strings.Repeat(command("INCR", "a"), 50),
}

func TestAdvance(t *testing.T) {
	for _, c := range advanceCases {
		demandAdvance(t, []byte(c))
	}
}

// TestAdvancePlausible has it stop in front of what some server does not know or takes other numbers of arguments for, wherever that is.
func TestAdvancePlausible(t *testing.T) {
	before := command("SET", "k", "v") + command("PEXPIREAT", "k", "4102444800000") + command("XGROUP", "CREATE", "k", "g", "$") + command("Set", "k", "v") + command("MULTI") +
		command("HINCRBYFLOAT", "h", "f", "1.5") + command("EXEC")
	for _, odd := range []string{
		command("SETT", "k", "v"), command("SET", "k"), command("GET", "k", "k"), command("\x00"), command("SET\x00", "k", "v"), command("PEXPIREAT", "k"), command("XGROUP", "NOSUCH"),
		command("ZREMRANGEBYSCOREX", "k", "0", "1"), command("EXEC\x00", "k"), command("get"),
		command("SELECT", "q"), command("select", "16"), command("SELECT", "-1"), command("SELECT", "01"), command("Select", ""),
	} {
		for _, behind := range []string{"", before, command("SET", "k", strings.Repeat("v", 1000))} {
			b := []byte(before + odd + behind)
			for _, size := range []int{30, 100, 1000, stretchSize} {
				r := NewReaderOptions(nil, ReaderOptions{Skim: true, NoPreamble: true})
				passed := r.Advance(t.Context(), AdvanceOptions{Workers: 2, Plausible: true, Databases: 16, stretch: size, whole: b})
				require.EqualValues(t, 7, passed.Commands, "stretches of %d of %q", size, b)
				require.EqualValues(t, len(before), r.Position().Offset)
			}
		}
	}
}

func TestAdvanceOnTheCorpus(t *testing.T) {
	n, every := 0, 0
	for r := range corpus.AOFRecipes(t) {
		if every++; every%20 != 0 {
			continue
		}
		if r.CRCFixed || r.Size == nil || *r.Size > 50<<10 {
			continue
		}
		if b := r.MustApply(t); !IsRDB(b, AsServer) {
			demandAdvance(t, b)
			n++
		}
	}
	t.Logf("%d damaged files", n)
}

// TestAdvanceMapped reads a file that is large enough for a map, sound and damaged, and one that becomes shorter meanwhile.
func TestAdvanceMapped(t *testing.T) {
	var b bytes.Buffer
	commands := 200_000
	if testing.Short() {
		commands = 80_000
	}
	for i := range commands {
		switch b.WriteString(command("SET", fmt.Sprint("key:", i), strings.Repeat("v", i%50))); i % 1000 {
		case 0:
			b.WriteString(command("MULTI") + command("INCR", "n") + command("EXEC"))
		case 500:
			b.WriteString(command("SELECT", fmt.Sprint(i/1000%16)))
		}
	}
	sound := b.Bytes()
	damaged := bytes.Clone(sound)
	damaged[len(damaged)/2+7] ^= 4
	for _, b := range [][]byte{sound, damaged} {
		path := filepath.Join(t.TempDir(), "log.aof")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		defer f.Close()
		opt := ReaderOptions{Skim: true, NoPreamble: true}
		want := readOut(NewReaderOptions(bytes.NewReader(b), opt), Advanced{})
		r := NewReaderOptions(f, opt)
		require.Equal(t, want, readOut(r, r.Advance(context.Background(), AdvanceOptions{Workers: 2})))

		_, err = f.Seek(0, 0)
		require.NoError(t, err)
		r = NewReaderOptions(f, opt)
		once := false
		passed := r.Advance(context.Background(), AdvanceOptions{Workers: 2, Progress: func(int64) {
			if !once {
				once = true
				require.NoError(t, f.Truncate(1<<20))
			}
		}})
		readOut(r, passed)
		require.LessOrEqual(t, r.Position().Offset, int64(len(b)), "it ends, wherever the reading was")
	}
}

func TestAdvanceStopsWithTheContext(t *testing.T) {
	b := []byte(strings.Repeat(command("SET", "k", "v"), 1000))
	ctx, cancel := context.WithCancel(context.Background())
	r := NewReaderOptions(bytes.NewReader(b), ReaderOptions{Skim: true, NoPreamble: true})
	passed := r.Advance(ctx, AdvanceOptions{stretch: 100, whole: b, Progress: func(int64) { cancel() }})
	require.Positive(t, passed.Commands)
	require.Less(t, passed.Commands, int64(1000))
	require.Equal(t, readOut(NewReaderOptions(bytes.NewReader(b), r.opt), Advanced{}), readOut(r, passed), "and can go on")
}

func FuzzAdvance(f *testing.F) {
	for _, c := range advanceCases {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 1<<14 {
			demandAdvance(t, b)
		}
	})
}
