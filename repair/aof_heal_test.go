package repair

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestTornCommand tears commands that take several numbers of arguments at every byte: what is left of one is no shorter command.
func TestTornCommand(t *testing.T) {
	for _, log := range []string{commands("SELECT 0", "SET a 1"), ""} {
		for _, command := range []string{
			"SET sess v PXAT 1900000000000", "RPUSH list one two three four", "MSET a 1 b 2 c 3", "HSET hash f 1 g 2", "ZADD z 1 a 2 b", "DEL one two three",
			"XADD stream 1700000000000-0 f v g w", "SADD set a b c d", "PING", "SELECT 3", "EXPIRE k 100",
		} {
			whole := commands(command)
			for n := 1; n < len(whole); n++ {
				s, got := salvageBytes(t, []byte(log+whole[:n]), AOFOptions{})
				acceptAOF(t, s, got)
				if string(got) != log || s.Healed+s.Doubtful > 0 && n < len(whole)-1 {
					t.Errorf("%q behind %d bytes: got %q, %d healed, %d doubtful, map %v", whole[:n], len(log), got, s.Healed, s.Doubtful, s.Regions)
				}
			}
		}
	}
}

// TestSeam takes a block with a SELECT out of a log, whose edges are all pairs of places in two commands. What is behind it is in a database that is not known, also where
// the edges make what looks like one command with a small fault in its framing, which that may have been.
func TestSeam(t *testing.T) {
	a, z := commands("SELECT 0", "SET a 1"), commands("HSET hash:8 f1 v1", "HSET hash:9 f2 v2")
	// stated reports whether a correction is of what is behind a length or a count that is there, or of bytes that are changed.
	stated := func(in string, r AOFRegion) bool {
		if len(r.Edits) != 1 {
			return false
		}
		e := r.Edits[0]
		was := in[e.Offset : e.Offset+e.Remove]
		return was != "" && e.Remove >= 2 && (was[0] == e.Insert[0] || len(was) == len(e.Insert)) && bytes.Equal(digitsOf([]byte(was[:len(e.Insert)-2])), digitsOf(e.Insert))
	}
	name := func(command string) string { return strings.Split(command, "\r\n")[2] }
	silent := func(left, right string) (*SalvagedAOF, bool) {
		s, out := salvageBytes(t, []byte(a+left+right+z), AOFOptions{})
		acceptAOF(t, s, out)
		return s, !s.Sound && strings.HasSuffix(string(out), z) && s.Uncertain < 2
	}
	step := 1
	if testing.Short() {
		step = 4
	}
	for _, pair := range [][2]string{
		{commands("RPUSH list:3 el74 el363"), commands("HSET hash:2 f87 v659 f44 v872")},
		{commands("RPUSH list:3 el74 el363 el1 el2"), commands("HSET hash:2 f7 v659")},
		{resp("SET", "k", "two\r\nlines\r\n"), commands("DEL one two three")},
	} {
		seen := 0
		for i := 1; i < len(pair[0]); i++ {
			for j := 1; j < len(pair[1]); j += step {
				left, right := pair[0][:i], pair[1][j:]
				switch s, silent := silent(left, right); {
				case !silent:
					seen++
				case s.Healed > 0: // proven
				case slices.ContainsFunc(s.Regions, func(r AOFRegion) bool { return stated(a+left+right+z, r) }):
				case s.Regions[1].Why == "no server knows the command" && len(digitsOf([]byte(name(left+right)))) < 2: // it is a word but for a letter
				default:
					t.Errorf("%q and %q: the database is certain, map %v", left, right, s.Regions)
				}
			}
		}
		if seen < len(pair[0])*len(pair[1])/step/2 {
			t.Errorf("%q: %d were seen", pair, seen)
		}
	}
	for _, c := range []struct {
		in      string
		certain bool
	}{
		{strings.Replace(commands("RPUSH l one"), "l\r\n", "l\rX", 1), true},       // one byte in its place
		{strings.Replace(commands("SET k value"), "e\r\n", "e\x00\n", 1), true},    // the same
		{strings.Replace(commands("SET k value"), "$5\r\n", "$5\r", 1), true},      // the length is stated
		{strings.Replace(commands("SET k value"), "$5\r\n", "$5\r\r\n", 1), true},  // the same
		{strings.Replace(commands("SET k value"), "$5", "5", 1), false},            // nothing in front of the damage states what is behind it
		{strings.Replace(commands("SET k value"), "$5", "$4", 1), false},           // the length is another
		{strings.Replace(commands("DEL one two three"), "*4", "*6", 1), false},     // the count is
		{strings.Replace(commands("DEL one two three"), "*4", "*3", 1), false},     // the same, with more behind
		{strings.Replace(commands("RPUSH l one"), "one\r\n", "", 1), false},        // an argument is missing
		{strings.Replace(commands("RPUSH l one two"), "one\r\n", "one", 1), false}, // an end of line is
	} {
		for _, opt := range []AOFOptions{{}, {Doubtful: true}} {
			s, out := salvageBytes(t, []byte(a+c.in+z), opt)
			acceptAOF(t, s, out)
			if (s.Uncertain == 0) != c.certain || !strings.HasSuffix(string(out), z) {
				t.Errorf("%q: %d are in an uncertain database, map %v", c.in, s.Uncertain, s.Regions)
			}
		}
	}
}

// TestSplitLength loses a few bytes of an argument behind one that is a number: its length and that number may make the length of all up to the end of some later line.
func TestSplitLength(t *testing.T) {
	var behind strings.Builder
	for i := range 60 {
		fmt.Fprint(&behind, commands(fmt.Sprint("SET user:", i, " ", strings.Repeat("x", 1+i%12))))
	}
	a := commands("SELECT 1", "SET a 1")
	for n := range 90 {
		c := strings.Replace(commands(fmt.Sprint("ZADD z:34 ", n+10, " zz41 395.08622806496123 z28")), "96123\r\n", "96\r\n", 1)
		s, got := salvageBytes(t, []byte(a+c+behind.String()), AOFOptions{})
		acceptAOF(t, s, got)
		if string(got) != a+behind.String() {
			t.Errorf("%d: %d commands of 62, map %v", n+10, s.Kept, s.Regions)
		}
	}
}

// TestDamagedNameWithSubcommands: a command whose name has a letter damaged, and subcommands, is a command all the same, which no server knows.
func TestDamagedNameWithSubcommands(t *testing.T) {
	for _, odd := range []string{
		resp("XGR\x0fUP", "CREATE", "k", "g", "$", "MKSTREAM"), resp("FUNCTI0N", "LOAD", "code"), resp("XGR0UP"), resp("XGR0UP", "B0GUS"), resp("XGROUP\x01", ""),
	} {
		before, behind := resp("SELECT", "0")+resp("SET", "a", "b"), resp("SET", "z", "1")
		s, out := salvageBytes(t, []byte(before+odd+behind), AOFOptions{})
		acceptAOF(t, s, out)
		if string(out) != before+behind {
			t.Errorf("%q: %q", odd, out)
		}
	}
}

// TestLostLineEnd takes the CR LF of one line out of a log, or a half of it. Counts, names and last arguments are whole without: such a command is kept, and where a hole
// could be, the database is not certain behind it. Of another argument it is known what it is, and not that it is one of that command.
func TestLostLineEnd(t *testing.T) {
	a, z := commands("SELECT 2", "SET a 1"), commands("DEL b c", "INCRBY n 44")
	for _, c := range []struct {
		command, line string // whose end is lost
		kept, certain bool
	}{
		{commands("SET k 283"), "*3", true, true},
		{commands("SET k 283"), "$3", true, true},
		{commands("SET k 283"), "283", true, false},
		{commands("SELECT 2"), "SELECT\r\n$1\r\n2", true, false},
		{commands("SET k 283"), "k\r\n$3", false, true},
		{commands("SET k 283"), "SET\r\n$1", false, true},
		{commands("SET k 283"), "SET", false, false},
		{commands("HSET k 17 text 3 1"), "1\r\nk\r\n$2", false, true},
		{resp("SET", "k", "28\r\n"), "28\r\n", false, false}, // it may be shorter, and an end of line of it lost
		{resp("SET", "k", "28\r"), "28\r", false, false},
	} {
		for _, left := range []string{"", "\r", "\n"} {
			damaged := strings.Replace(c.command, c.line+"\r\n", c.line+left, 1)
			for _, doubtful := range []bool{false, true} {
				s, out := salvageBytes(t, []byte(a+damaged+z), AOFOptions{Doubtful: doubtful})
				acceptAOF(t, s, out)
				healed := string(out) == a+c.command+z
				if sure := c.kept || !doubtful || c.certain; sure && healed != (c.kept || doubtful) || !doubtful && !healed && string(out) != a+z {
					t.Errorf("%q, doubtful %v: got %q, map %v", damaged, doubtful, out, s.Regions)
				}
				if (s.Uncertain == 0) != c.certain {
					t.Errorf("%q: %d are in an uncertain database, map %v", damaged, s.Uncertain, s.Regions)
				}
			}
		}
	}
	if s, out := salvageBytes(t, []byte(a+strings.Replace(commands("RENAME a user:1#"), "$7", "$6", 1)+z), AOFOptions{}); string(out) != a+z { // the end of a key is no annotation
		t.Errorf("got %q, map %v", out, s.Regions)
	}
	var many strings.Builder
	for i := range 70 {
		many.WriteString(commands(fmt.Sprint("SET k", i, " 1")))
	}
	for _, damaged := range []string{"$12", "$3283", "$577678", "$101234567890"} { // wherever the digits of its length end
		s, out := salvageBytes(t, []byte(many.String()+"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n"+damaged+"\r\n"+many.String()), AOFOptions{Doubtful: true})
		if acceptAOF(t, s, out); s.Doubtful != 1 || s.Healed != 1 || s.Uncertain != 0 {
			t.Errorf("%q: map %v", damaged, s.Regions)
		}
	}
	inner := commands("SET x:1 a", "SET x:2 b", "SET x:3 c", "DEL x:4", "DEL x:5", "DEL x:6", "DEL x:7", "DEL x:8", "DEL x:9")
	value := resp("SET", "k", inner) // whose length reads like a length of 2 and its argument
	s, out := salvageBytes(t, []byte(many.String()+strings.TrimSuffix(value, "\r\n")+"??"+many.String()), AOFOptions{Doubtful: true})
	if acceptAOF(t, s, out); len(inner)/100 != 2 || strings.Contains(string(out), "x:1") {
		t.Errorf("%d bytes in a value: %d commands kept, map %v", len(inner), s.Kept, s.Regions)
	}
	// Of a transaction both ends must be known.
	s, out = salvageBytes(t, []byte(a+"*1\r\n$5\r\nMULTI"+commands("SET k 1", "EXEC")+z), AOFOptions{})
	if acceptAOF(t, s, out); string(out) != a+z {
		t.Errorf("got %q, map %v", out, s.Regions)
	}
}
