package repair

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/corpus"
)

// salvageBytes salvages b and returns the account and what is left.
func salvageBytes(t testing.TB, b []byte, opt AOFOptions) (*SalvagedAOF, []byte) {
	t.Helper()
	s, err := SalvageAOF(context.Background(), bytes.NewReader(b), int64(len(b)), opt)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	n, err := s.WriteTo(&out, bytes.NewReader(b))
	if err != nil || n != int64(out.Len()) {
		t.Fatalf("wrote %d of %d bytes: %v", n, out.Len(), err)
	}
	return s, out.Bytes()
}

// acceptAOF checks that both readings of the format accept b, and that the map of s covers the input and adds up to its counts.
func acceptAOF(t testing.TB, s *SalvagedAOF, b []byte) {
	t.Helper()
	for _, x := range []aof.Strictness{aof.AsServer, aof.AsChecker} {
		r := aof.NewReaderOptions(bytes.NewReader(b), aof.ReaderOptions{Strictness: x})
		for r.Next() {
		}
		if r.Err() != nil {
			t.Fatalf("%v: %v", x, r.Err())
		}
		if got := r.Position().Commands; got != s.Kept+s.Selects {
			t.Errorf("%v: %d commands, accounted are %d and %d SELECTs", x, got, s.Kept, s.Selects)
		}
	}
	var pos int64
	var sum SalvagedAOF
	for _, r := range s.Regions {
		if r.Start != pos || r.End <= r.Start {
			t.Fatalf("region %s does not follow offset %d", r.String(), pos)
		}
		if pos = r.End; !r.Kind.Kept() {
			continue
		}
		sum.Kept, sum.Annotations = sum.Kept+r.Commands, sum.Annotations+r.Notes
		switch {
		case r.Kind == AOFHealed && s.text != nil && r.Edits == nil:
			sum.Healed += r.Commands
		case r.Kind == AOFHealed:
			sum.Healed++
		}
		if r.Uncertain {
			sum.Uncertain += r.Commands
		}
		if r.Select >= 0 {
			sum.Selects++
		}
	}
	if pos != s.Size {
		t.Fatalf("the map ends at %d of %d", pos, s.Size)
	}
	for _, x := range []struct {
		name        string
		got, stated int64
	}{
		{"commands", sum.Kept, s.Kept}, {"annotations", sum.Annotations, s.Annotations}, {"healed", sum.Healed, s.Healed},
		{"uncertain", sum.Uncertain, s.Uncertain}, {"SELECTs", sum.Selects, s.Selects},
	} {
		if x.got != x.stated {
			t.Fatalf("%s: the map has %d, stated are %d: %v", x.name, x.got, x.stated, s.Regions)
		}
	}
}

// resp is a command as servers write it.
func resp(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

func commands(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(resp(strings.Fields(l)...))
	}
	return b.String()
}

func TestSalvageAOF(t *testing.T) {
	a, z := commands("SELECT 0", "SET a 1"), commands("SET y 2", "SET z 3")
	inner := commands("SET no 1", "DEL no", "SET never 2")
	for _, c := range []struct {
		name     string
		in, want string
		opt      AOFOptions
	}{
		{"sound", a + z, a + z, AOFOptions{}},
		{"empty", "", "", AOFOptions{}},
		{"count by a letter", a + "*x\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{}},
		{"star", a + "?3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{}},
		{"star to a hash", a + "#3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{}},
		{"count too small, arity tells", a + "*2\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{}},
		{"count too small, arity does not", a + "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n$1\r\nv\r\n" + z, a + z, AOFOptions{}},
		{"the same, doubtful", a + "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n$1\r\nv\r\n" + z, a + commands("DEL k v") + z, AOFOptions{Doubtful: true}},
		{"count too large, arity tells", a + "*5\r\n$6\r\nEXPIRE\r\n$1\r\nk\r\n$1\r\n9\r\n" + z, a + z, AOFOptions{}},
		{"count too large", a + "*7\r\n$5\r\nSETNX\r\n$1\r\nk\r\n$1\r\n9\r\n" + z, a + commands("SETNX k 9") + z, AOFOptions{}},
		{"dollar", a + "*3\r\n$3\r\nSET\r\n!1\r\nk\r\n$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{}},
		{"digit by a letter", a + "*3\r\n$3\r\nSET\r\n$x\r\nk\r\n$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{}},
		{"digit of a name", a + "*3\r\n$7\r\nSETNX\r\n$1\r\nk\r\n$1\r\nv\r\n" + z, a + commands("SETNX k v") + z, AOFOptions{}},
		{"digit by a digit", a + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nvalue\r\n" + z, a + z, AOFOptions{}},
		{"the same, doubtful", a + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nvalue\r\n" + z, a + commands("SET k value") + z, AOFOptions{Doubtful: true}},
		{"CR lost", a + "*3\r\n$3\r\nSET\r\n$1\nk\r\n$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{Doubtful: true}},
		{"LF lost at an end", a + "*3\r\n$3\r\nSET\r\n$1\r\nk\r$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{Doubtful: true}},
		{"LF by another at an end", a + "*3\r\n$3\r\nSET\r\n$1\r\nk\rX$1\r\nv\r\n" + z, a + commands("SET k v") + z, AOFOptions{}},
		{"every CR lost", strings.ReplaceAll(a+z, "\r\n", "\n"), a + z, AOFOptions{}},
		{"letter lost", a + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalu\r\n" + z, a + z, AOFOptions{}},
		{"length swallows the next", a + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$14\r\nv\r\n" + z, a + z, AOFOptions{}},
		{"an end of line at the end", a + z + "\r\n", a + z, AOFOptions{}},
		{"behind a value with some", a + resp("SET", "k", "one\r\ntwo") + "\r\n", a + resp("SET", "k", "one\r\ntwo"), AOFOptions{}},
		{"some behind one that ends with one", a + resp("SET", "k", "one\r\n") + "\n\r\n\n", a + resp("SET", "k", "one\r\n"), AOFOptions{}},
		{"zero tail", a + z + strings.Repeat("\x00", 4096), a + z, AOFOptions{}},
		{"zero block", a + "*3\r\n$3\r\nSET\r\n$1" + strings.Repeat("\x00", 512) + "\r\n$1\r\nv\r\n" + z, a + z, AOFOptions{}},
		{"torn", a + z + "*3\r\n$3\r\nSET\r\n$1", a + z, AOFOptions{}},
		{"garbage", a + "\xff\xfe*9\r\n$\x00" + z, a + z, AOFOptions{}},
		{"empty line", a + "\r\n" + z, a + z, AOFOptions{}},
		{"inline", a + "SET a b\r\n" + z, a + z, AOFOptions{}},
		{"a log in a damaged argument", a + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$\x00\x00\r\n" + inner + "\r\n" + z, a + z, AOFOptions{}},
		{"a log in a torn argument", a + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9999\r\n" + inner + "*1\r\n", a, AOFOptions{}},
		{"a log in an argument", a + resp("SET", "k", inner) + "*" + z, a + resp("SET", "k", inner) + z, AOFOptions{}},
		{"unknown lines stay", a + "#HDR:v1;len:9;\r\n" + z + "\x00", a + "#HDR:v1;len:9;\r\n" + z, AOFOptions{}},
		{"torn transaction", a + commands("MULTI", "SET b 1") + "*3\r\n$3", a, AOFOptions{}},
		{"damage in a transaction", a + commands("MULTI", "SET b 1") + "junk" + commands("SET c 1", "EXEC") + z, a + z, AOFOptions{}},
		{"MULTI lost", a + "junk" + commands("SET c 1", "EXEC") + z, a + z, AOFOptions{}},
		{"EXEC lost", a + commands("MULTI", "SET b 1") + "junk" + z + commands("MULTI", "DEL a", "EXEC"), a + z + commands("MULTI", "DEL a", "EXEC"), AOFOptions{}},
		{"writes behind an open transaction", a + commands("MULTI", "SET b 1", "SELECT 0") + z, a + commands("SELECT 0") + z, AOFOptions{}},
		{"EXEC missing, log goes on", a + commands("MULTI", "SET b 1") + z + commands("MULTI", "DEL a", "EXEC"), a + commands("SET b 1") + z + commands("MULTI", "DEL a", "EXEC"), AOFOptions{}},
		{"SELECT in a dropped transaction", a + commands("MULTI", "SELECT 3", "SET b 1", "SDT x") + commands("EXEC") + z, a + commands("SELECT 3") + z, AOFOptions{}},
		{"lost database", a + "junk" + z, a + commands("SELECT 9") + z, AOFOptions{MoveLostDB: true, LostDB: 9}},
		{"until", a + "#TS:100\r\n" + z + "#TS:200\r\n" + z, a + "#TS:100\r\n" + z, AOFOptions{Until: 150}},
		{"until, in a transaction", a + commands("MULTI") + "#TS:200\r\n" + z + commands("EXEC"), a, AOFOptions{Until: 150}},
		{"EXEC without MULTI, a byte of it wrong", a + "*1\r\n$4\r\nEXEC\r\x02" + z, a + z, AOFOptions{}},
		{"more arguments than stated, and no server knows the command", a + commands("SDT k") + "$1\r\nv\r\n" + z, a + z, AOFOptions{Doubtful: true}},
		{"the end of a length, and what has it", a + resp("SET", "k", "ab13") + "1700000000000\r\n" + z, a + z, AOFOptions{}},
		{"the same in front of an argument", a + resp("SET", "k", "ab4") + "tuaa\r\n$1\r\nx\r\n" + z, a + z, AOFOptions{}},
		{"digits that are none", a + resp("SET", "k", "ab4") + "tua\r\n" + z, a + resp("SET", "k", "ab4") + z, AOFOptions{}},
		{"the end of a count, and its command", a + resp("SET", "k", "ab3") + resp("PEXPIREAT", "k", "17")[4:] + z, a + z, AOFOptions{}},
		{"more arguments than any server takes", a + commands("INCR k") + "$1\r\nv\r\n" + z, a + z, AOFOptions{}},
		{"the same at the end", a + commands("INCR k") + "$1\r\nv\r\n", a + commands("INCR k"), AOFOptions{}},
		{"the end of a timestamp, by another byte", a + "#TS:100\r\x4a" + z, a + z, AOFOptions{}},
		{"an argument in front of a damaged one", a + "*11\r\n$4\r\nSADD\r\n$1\r\nk\n" + resp("v", inner, "x")[4:] + strings.Repeat("\x00", 64) + z, a + z, AOFOptions{}},
		{"unknown command", a + commands("SDT a b") + z, a + z, AOFOptions{}},
		{"module's command", a + commands("FT.ADD a b") + z + "\x00", a + commands("FT.ADD a b") + z, AOFOptions{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := salvageBytes(t, []byte(c.in), c.opt)
			if string(got) != c.want {
				t.Errorf("got  %q\nwant %q\nmap %v", got, c.want, s.Regions)
			}
			acceptAOF(t, s, got)
		})
	}
}

// TestSalvageAOFIdentity salvages what is not damaged.
func TestSalvageAOFIdentity(t *testing.T) {
	for _, set := range corpus.AOFSets(t) {
		ents, err := os.ReadDir(set.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range ents {
			if strings.HasSuffix(e.Name(), ".manifest") {
				continue
			}
			b, err := os.ReadFile(filepath.Join(set.Path, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			s, got := salvageBytes(t, b, AOFOptions{})
			if !s.Sound || !bytes.Equal(got, b) {
				t.Errorf("%s/%s: not as it was: %v", set.ID, e.Name(), s.Regions)
			}
		}
	}
}

// TestHostileAOF salvages files that are made to be searched over and over.
func TestHostileAOF(t *testing.T) {
	n := 20000
	if testing.Short() {
		n = 5000
	}
	for name, text := range map[string]string{
		"lengths that reach far":       strings.Repeat("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000\r\n", n),
		"logs in what reaches far":     strings.Repeat("*2\r\n$3\r\nGET\r\n$400000\r\n*1\r\n$4\r\nPING\r\nx", n),
		"arguments that reach far":     strings.Repeat("$400000\r\nx\r\n", n),
		"counts that reach far":        strings.Repeat("*9999\r\n$1\r\nx\r\n", n),
		"empty lines":                  strings.Repeat("*2\r\n$3\r\nGET\r\n$1\r\n\r\n", n),
		"empty lines in a long one":    "*255\r\n$3\r\nDEL\r\n" + strings.Repeat("$2\r\n\r\n\r\n", n),
		"what reaches out of a value":  strings.Repeat(resp("SET", "k", strings.Repeat("*2\r\n$3\r\nGET\r\n$16000\r\n", 600)), 100) + "x",
		"lengths that end at a record": strings.Repeat("*2\r\n$3\r\nGET\r\n$36\r\n*2\r\n$3\r\nGET\r\n$9\r\n\r\n", n),
	} {
		t.Run(name, func(t *testing.T) {
			s, out := salvageBytes(t, []byte(text), AOFOptions{})
			acceptAOF(t, s, out)
		})
	}
}
