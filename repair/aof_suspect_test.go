package repair

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestNestedAdrift shows what no salvage can know: two sound files, one with a log in a value and one with the same commands of its own,
// of which the same damage leaves the same bytes.
func TestNestedAdrift(t *testing.T) {
	inner := commands("SET inner 1", "DEL inner", "SET inner 2")
	padded := func(size int) string { // a command of so many bytes
		for n := range size {
			if c := resp("SET", "k", strings.Repeat("x", n)); len(c) == size {
				return c
			}
		}
		t.Fatalf("no command has %d bytes", size)
		return ""
	}
	nested := commands("SET a first") + resp("SET", "k", inner+strings.Repeat("x", 600)) + commands("SET z 1")
	from := strings.Index(nested, inner)
	free := padded(from) + inner + padded(602) + commands("SET z 1")
	a, b := []byte(nested), []byte(free)
	if len(a) != len(b) {
		t.Fatalf("%d and %d bytes", len(a), len(b))
	}
	for _, x := range [][]byte{a, b} {
		clear(x[:from])
		clear(x[from+len(inner) : len(x)-len(commands("SET z 1"))])
	}
	if !bytes.Equal(a, b) {
		t.Fatal("they can be told apart")
	}
	s, out := salvageBytes(t, a, AOFOptions{})
	acceptAOF(t, s, out)
	if want := inner + commands("SET z 1"); string(out) != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// TestNested damages commands that have a log in their value: nothing of that may come out.
func TestNested(t *testing.T) {
	a, z := commands("SELECT 0", "SET a 1"), commands("SET y 2", "SET z 3")
	inner := commands("SET no 1", "DEL no", "SET never 2", "SET never 3")
	outer := resp("SET", "k", inner)
	text := resp("SET", "k", "a log:\r\n"+inner+"and its end")
	middle := strings.Index(outer, "$5\r\nnever") // in the third of them
	for _, c := range []struct{ name, in string }{
		{"the first bytes", "\x00\x00\x00\x00" + outer[4:]},
		{"the length", strings.Replace(outer, "$108", "$\x00\x00\x00", 1)},
		{"all in front of it", strings.Repeat("\x00", len(outer)-len(inner)-2) + inner + "\r\n"},
		{"bytes put into it", outer[:middle] + "foreign" + outer[middle:]},
		{"bytes missing in it", outer[:middle] + outer[middle+9:]},
		{"a line in it", outer[:middle] + "\r\n" + outer[middle:]},
		{"zeros in it", outer[:middle] + strings.Repeat("\x00", 9) + "??" + outer[middle+9:]},
		{"the key, with sound framing behind", strings.Replace(outer, "$1\r\nk", "$9\r\nk", 1)},
		{"other text around it, bytes put in", strings.Replace(text, "DEL", "foreignDEL", 1)},
		{"other text around it, bytes missing", strings.Replace(text, "$3\r\nDEL\r\n", "", 1)},
		{"other text around it, nothing in front", text[strings.Index(text, "log:"):]},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := salvageBytes(t, []byte(a+c.in+z), AOFOptions{})
			acceptAOF(t, s, got)
			if string(got) != a+z && string(got) != a+outer+z {
				t.Errorf("%q\nmap %v", got, s.Regions)
			}
		})
	}
}

// TestNestedEnd has a damaged value with a log in it whose end is seen: what shows the end of another value, later, says nothing about
// the commands between them.
func TestNestedEnd(t *testing.T) {
	a, m, z := commands("SELECT 0", "SET a 1"), commands("SET m 1", "SET n 2"), commands("SET y 2", "SET z 3")
	inner := commands("SET no 1", "DEL no", "SET never 2", "SET never 3")
	value, cut := resp("SET", "k", inner), resp("SET", "k", inner[:len(inner)-2])
	broken := strings.Replace(value, "DEL", "foreignDEL", 1)
	split := strings.Replace(value, "$5\r\nnever", "$5\r\n\r\nnever", 1)
	many := strings.Repeat(m+commands("DEL some"), 30)
	long := commands("SET first 1") + strings.Repeat(inner, 20)
	missing := resp("SET", "k", long)
	missing = missing[:700] + missing[700+diskBlock:]
	for _, c := range []struct{ name, in, want string }{
		{"without the end of its last line", strings.Replace(cut, "never", "ne\r\nver", 1) + many + "\r\n", many},
		{"a block missing", missing + many + "\r\n", many},
		{"two blocks missing", missing[:1000] + missing[1000+diskBlock:] + many, many},
		{"a line between commands", broken + m + "\r\n", m},
		{"a line in front of a command with another in it", broken + m + "\r\n" + strings.Replace(resp("RPUSH", "o", "value", "", "z"), "lu", "\r\nlu\r\n", 1) + m + "\r\n", m + m},
		{"two such values", strings.Replace(cut, "never", "ne\r\nver", 1) + m + split, m},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := salvageBytes(t, []byte(a+c.in+z), AOFOptions{})
			acceptAOF(t, s, got)
			if string(got) != a+c.want+z {
				t.Errorf("%q\nmap %v", got, s.Regions)
			}
		})
	}
}

// TestNestedHeaded has a log in a value, behind a line of text, of which the end is missing: the length says that what is in front of
// that is inside.
func TestNestedHeaded(t *testing.T) {
	a, inner, many := commands("SELECT 0", "SET a 1"), commands("SET never 1", "DEL never"), strings.Repeat(commands("SET m 1", "DEL some"), 50)
	value := resp("SET", "k", "a log:\r\n"+strings.Repeat(inner, 20))
	s, got := salvageBytes(t, []byte(a+value[:500]+many), AOFOptions{})
	acceptAOF(t, s, got)
	if !strings.HasPrefix(string(got), a) || strings.Contains(string(got), "never") || len(got) < len(many)/2 {
		t.Errorf("%q\nmap %v", got, s.Regions)
	}
}

// TestNestedRepeated has a value with a log in it, the beginning of which is there twice: the end of the first falls by chance on that of a
// command in the second.
func TestNestedRepeated(t *testing.T) {
	a, z := commands("SET a 1"), commands("SET y 2")
	first := commands("SET never 1")
	for n := range 40 {
		second := resp("SET", "never", strings.Repeat("x", n))
		value := resp("SET", "k", first+second)
		head := value[:strings.Index(value, first)]
		if len(second) != 20+len(head)-2 {
			continue
		}
		s, got := salvageBytes(t, []byte(a+head+first[:20]+value+z), AOFOptions{})
		acceptAOF(t, s, got)
		if string(got) != a+z && string(got) != a+value+z {
			t.Errorf("%q\nmap %v", got, s.Regions)
		}
		return
	}
	t.Fatal("no size fits")
}

// TestNotNested has the beginning of a long value in front of a log, in a place of which neither the one nor the other says where the value
// ends: what is behind it for long is of the log.
func TestNotNested(t *testing.T) {
	many := strings.Repeat(commands("SET m 1", "DEL some", "HSET other f v"), 40)
	rest := strings.Repeat(commands("SET n 1"), 200)
	long := resp("RPUSH", "list", "one", "two", strings.Repeat("v", 4000))
	broken := strings.Replace(long, "$4000", "$5000", 1)
	inside := len(many) + strings.Index(long, "\r\n$3\r\ntwo")
	set := func(size int) string { return fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n", size) }
	for _, c := range []struct{ name, in, want string }{
		{"with a second damage in what it may reach", set(3*len(many)) + "\xff\xff\r\n" + many + "junk" + strings.Repeat("\xff", 3*len(many)) + rest, many + rest},
		{"where a record goes on across its end", set(len(many)+1000) + many + long + rest, many + long + rest},
		{"where arguments go on across its end", set(inside) + many + broken + rest, many + rest},
		{"the same behind other damage", set(99999)[:20] + "\x00" + set(inside)[20:] + many + broken + rest, many + rest},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := salvageBytes(t, []byte(c.in), AOFOptions{})
			acceptAOF(t, s, got)
			if string(got) != c.want {
				t.Errorf("%d bytes, want %d\nmap %v", len(got), len(c.want), s.Regions)
			}
		})
	}
}

// TestPaddedLength has a header in which the beginning of a length and the end of other digits meet: no server writes zeros in front.
func TestPaddedLength(t *testing.T) {
	a, m, z := commands("SET a 1"), commands("SET m 1", "SET n 2"), commands("SET y 2")
	hidden := strings.Repeat("x", 60-len(m)) // what the length would swallow
	in := a + "\r\n*3\r\n$3\r\nSET\r\n$00000060\r\n" + m + hidden + "\r\n$1\r\n1\r\n" + z
	s, got := salvageBytes(t, []byte(in), AOFOptions{})
	acceptAOF(t, s, got)
	if string(got) != a+m+z {
		t.Errorf("%q\nmap %v", got, s.Regions)
	}
}

// TestLinesTooMuch takes ends of lines out of commands.
func TestLinesTooMuch(t *testing.T) {
	a, z := commands("SELECT 0", "SET a 1"), commands("SET y 2", "SET z 3")
	good := commands("HSET k field value")
	for _, c := range []struct {
		name, from, to string
		proven         bool // without options
	}{
		{"in the count", "*4\r\n", "*\r\n4\r\n", true},
		{"in a length", "$5\r\nfield", "$\r\n5\r\nfield", true},
		{"in an end of line", "$5\r\nfield", "$5\r\r\n\nfield", true},
		{"in the end of an argument", "field\r\n", "field\r\r\n\n", true},
		{"in the name", "HSET", "HS\r\nET", true},
		{"between name and count", "$4\r\nHSET", "\r\n$4\r\nHSET", true},
		{"between arguments", "$5\r\nvalue", "\r\n$5\r\nvalue", false},
		{"in an argument", "field\r\n", "fi\r\neld\r\n", false},
		{"in the last argument", "value", "val\r\nue", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []byte(a + strings.Replace(good, c.from, c.to, 1) + z)
			for _, doubtful := range []bool{false, true} {
				s, got := salvageBytes(t, in, AOFOptions{Doubtful: doubtful})
				acceptAOF(t, s, got)
				want := a + z
				if c.proven || doubtful {
					want = a + good + z
				}
				if string(got) != want {
					t.Errorf("doubtful %v: %q\nmap %v", doubtful, got, s.Regions)
				}
				if (s.Healed == 1) != (c.proven || doubtful) || (s.Doubtful == 1) == c.proven {
					t.Errorf("%d healed, %d doubtful", s.Healed, s.Doubtful)
				}
			}
		})
	}
	both := strings.Replace(strings.Replace(good, "field\r\n", "fi\r\neld\r\n", 1), "value", "v\r\na\r\nlue", 1)
	if _, got := salvageBytes(t, []byte(a+both+z), AOFOptions{Doubtful: true}); string(got) != a+z {
		t.Errorf("three of them: %q", got)
	}
	vague := a + strings.Replace(resp("SET", "k", "one\r\ntwo"), "two", "t\r\nwo", 1) + z
	if s, got := salvageBytes(t, []byte(vague), AOFOptions{Doubtful: true}); string(got) != a+z || s.Doubtful != 1 {
		t.Errorf("one of two: %q", got)
	}
}

// TestSigilBehindDigits has the first byte of a command damaged behind every value that may end in digits, which look like the length of what follows, and behind values with
// a log in them. The command is corrected, and the one before it is nobody's loss.
func TestSigilBehindDigits(t *testing.T) {
	var log string
	var starts []int
	for i := range 200 {
		log += commands(fmt.Sprintf("SET user:%d %d", i, i))
		starts = append(starts, len(log))
	}
	log += commands("SET last z")
	inner := commands("MULTI", "SET m 1") + resp("SET", "log", commands("SET a 1", "SET b 22")) + commands("EXEC")
	starts = append(starts, len(log)+len(inner)-len(commands("EXEC")))
	log += inner + commands("SET y 1", "SET z 2")
	for _, at := range starts {
		b := []byte(log)
		b[at] = '.'
		s, got := salvageBytes(t, b, AOFOptions{})
		if string(got) != log || s.Healed != 1 || s.Lost != 0 {
			t.Errorf("at %d: %d healed, %d lost, map %v", at, s.Healed, s.Lost, s.Regions)
		}
	}
}

// TestAcrossArguments loses bytes inside an argument that is not the last of its command, so that its length takes in what is behind it: up to the end of a line in the same
// command or in one of the next, for some lengths of the loss. Neither is a log in it obeyed, nor do the commands behind it go with it.
func TestAcrossArguments(t *testing.T) {
	var front, behind, log strings.Builder
	front.WriteString(commands("SELECT 0"))
	for i := range 30 {
		fmt.Fprint(&front, commands(fmt.Sprintf("SET key:%d value-%d", i, i)))
		fmt.Fprint(&behind, commands(fmt.Sprintf("SET key:%d second-%d", i, i)))
	}
	for i := range 40 {
		fmt.Fprint(&log, commands(fmt.Sprintf("SET inner:%d v", i+10)))
	}
	want := front.String() + behind.String()
	for _, c := range []struct{ name, value string }{
		{"a log", commands("SELECT 3") + log.String()},
		{"a log with a transaction in it", commands("SELECT 3", "MULTI") + log.String() + commands("EXEC")},
		{"the same, torn", commands("MULTI") + log.String()},
		{"letters", strings.Repeat("x", 1200)},
		{"lines", strings.Repeat("a line of text\r\n", 70)},
	} {
		t.Run(c.name, func(t *testing.T) {
			damaged := resp("HSET", "hb", "f1", "v1", "f2", c.value, "f3", "v3")
			for n := 1; n < 200; n++ {
				s, got := salvageBytes(t, []byte(front.String()+damaged[:700]+damaged[700+n:]+behind.String()), AOFOptions{})
				acceptAOF(t, s, got)
				if string(got) != want && !s.Sound { // it may have become a sound command that is longer, which nobody can tell
					t.Errorf("%d bytes lost: %d commands of 61, map %v", n, s.Kept, s.Regions)
				}
			}
		})
	}
}

// TestNumberInLength loses the end of line between the length of a number and that, so that they are one long length: its end is inside of a later command, or by chance in front
// of one. What is between is of the log, as nothing in it is damaged.
func TestNumberInLength(t *testing.T) {
	front, behind := commands("SELECT 0", "SET a 1"), ""
	for i := range 120 {
		behind += commands(fmt.Sprint("SET user:", i, " name-", strings.Repeat("x", i*7%30)))
	}
	for n := 100; n < 1000; n++ {
		s, got := salvageBytes(t, []byte(front+strings.Replace(commands(fmt.Sprint("INCRBY counter ", n)), "$3\r\n", "$3", 1)+behind), AOFOptions{})
		acceptAOF(t, s, got)
		if string(got) != front+behind && !s.Sound {
			t.Errorf("%d: %d commands of 122, map %v", n, s.Kept, s.Regions)
		}
	}
}
