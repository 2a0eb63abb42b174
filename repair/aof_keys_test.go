package repair

import (
	"fmt"
	"strings"
	"testing"
)

// TestForeignKeys has the rest of a value with a log in it behind a gap that leaves nothing of the framing around it.
func TestForeignKeys(t *testing.T) {
	log := func(format string, from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			b.WriteString(resp("SET", fmt.Sprintf(format, i), "v"))
		}
		return b.String()
	}
	var mixed strings.Builder
	for i := range 300 {
		mixed.WriteString(log("user:%d", i, i+1) + resp("DEL", string([]byte{'a' + byte(i%26), 'a' + byte(i/26)})))
	}
	gap := strings.Repeat("\x00", 600)
	inner := log("backup:%d", 0, 5)
	torn := strings.TrimPrefix(inner, "*3") // in the middle, with its value's length in front
	for _, c := range []struct{ name, before, in, after, want string }{
		{"in a value whose end is missing", log("user:%d", 0, 300), "*3\r\n$3\r\nSET\r\n$6\r\nuser:1\r\n$9000\r\n" + inner + torn, log("user:%d", 300, 400), ""},
		{"keys of another kind", log("user:%d", 0, 300), inner, log("user:%d", 300, 310), ""},
		{"and the end of a value", log("user:%d", 0, 300), inner + "\x00\x01\r\n", log("user:%d", 300, 310), ""},
		{"and a transaction", log("user:%d", 0, 300), inner, resp("MULTI") + log("user:%d", 300, 310) + resp("EXEC"), ""},
		{"keys of the same kind", log("user:%d", 0, 300), log("user:%d", 300, 305), log("user:%d", 305, 310), log("user:%d", 300, 305)},
		{"two kinds in turn", strings.Repeat(log("user:%d", 0, 1)+inner, 50), inner, log("user:%d", 300, 310), inner},
		{"every other key of its own kind", mixed.String(), inner, log("user:%d", 300, 310), inner},
		{"work of other kinds before", log("user:%d", 0, 100) + log("cart:%d", 0, 80) + log("job:%d", 0, 60) + log("mail:%d", 0, 60), inner, log("user:%d", 300, 310), inner},
		{"too few to tell", log("user:%d", 0, 50), inner, log("user:%d", 300, 310), inner},
		{"from here on", log("user:%d", 0, 300), log("backup:%d", 0, 500), "", log("backup:%d", 0, 500)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := salvageBytes(t, []byte(c.before+gap+c.in+c.after), AOFOptions{})
			acceptAOF(t, s, got)
			if want := c.before + c.want + c.after; string(got) != want {
				t.Errorf("%d bytes, want %d\nmap %v", len(got), len(want), s.Regions)
			}
		})
	}
}

// TestKnownTail has the end of a command in a block from elsewhere, behind commands whose keys are those of the log.
func TestKnownTail(t *testing.T) {
	var b strings.Builder
	for i := range 300 {
		b.WriteString(resp("SET", fmt.Sprint("user:", i), "v"))
	}
	lost, m, z := "*3\r\n$3\r\nSET\r\n$9\r\nuser\x00\x00\x00\r\n", commands("SET user:1 1", "DEL user:2"), commands("DEL user:3")
	in := b.String() + lost + m + "1700000000000\r\n" + z
	if s, got := salvageBytes(t, []byte(in), AOFOptions{}); string(got) != b.String()+m+z {
		t.Errorf("%q\nmap %v", got[b.Len():], s.Regions)
	}
}

// TestKnownBehindText has a length that is made of two, where blocks meet, and the end of an argument behind it: no log is in it, as the
// keys are those of the log.
func TestKnownBehindText(t *testing.T) {
	log := func(from, to int) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			b.WriteString(resp("SET", fmt.Sprint("user:", i), "v"))
		}
		return b.String()
	}
	in := log(0, 300) + "*3\r\n$3\r\nSET\r\n$6\r\nuser:1\r\n$1620\r\n48zu0mc2sq\r\n" + log(300, 305) + "*3\r\n" + log(400, 500)
	if s, got := salvageBytes(t, []byte(in), AOFOptions{}); string(got) != log(0, 305)+log(400, 500) {
		t.Errorf("%d bytes\nmap %v", len(got), s.Regions)
	}
}

// TestLaterTime has an empty line behind commands that follow a gap: it is the end of a value that began there, unless a time among them
// is later than the last in front of it.
func TestLaterTime(t *testing.T) {
	a, b := "#TS:1700000000\r\n"+commands("SELECT 0", "SET a 1"), commands("SET b 1", "SET c 2")
	z := commands("SET y 2", "SET z 3")
	for _, c := range []struct {
		time string
		kept bool
	}{{"", false}, {"#TS:1699999999\r\n", false}, {"#TS:1700000000\r\n", false}, {"#TS:1700000001\r\n", true}} {
		in := a + strings.Repeat("\x00", 20) + b + c.time + b + "\r\n" + z
		want := a + z
		if c.kept {
			want = a + b + c.time + b + z
		}
		if s, got := salvageBytes(t, []byte(in), AOFOptions{}); string(got) != want {
			t.Errorf("%q: %q\nmap %v", c.time, got, s.Regions)
		}
	}
}

// TestKeysNearGaps has commands close behind gaps that may be of values. What is kept of them does not make their keys known.
func TestKeysNearGaps(t *testing.T) {
	var a, gaps strings.Builder
	for i := range 200 {
		a.WriteString(commands(fmt.Sprint("SET key:", i, " v")))
	}
	for range 30 {
		gaps.WriteString(strings.Repeat("\x00", 600) + commands("SET inner:1 v"))
		gaps.WriteString(strings.Repeat(commands("SET key:1 v"), 40))
	}
	value := resp("SET", "key:7", "a log:\r\n"+strings.Repeat(commands("SET never:inside v"), 20))
	for _, inner := range []string{"never", "inner"} {
		cut := strings.ReplaceAll(value, "never", inner)[:200]
		in := a.String() + gaps.String() + a.String() + cut + "\x01\x02" + a.String()
		s, got := salvageBytes(t, []byte(in), AOFOptions{})
		acceptAOF(t, s, got)
		if strings.Contains(string(got), "inside") || !strings.HasSuffix(string(got), a.String()) {
			t.Errorf("%s: %v", inner, s.Regions)
		}
	}
}

// TestOtherKeysBehindWhole has commands with keys of another kind behind one of which an argument is damaged and all others are there: they are no log in it.
func TestOtherKeysBehindWhole(t *testing.T) {
	var before, after strings.Builder
	for i := range 300 {
		before.WriteString(resp("SET", fmt.Sprintf("user:%d", i), "v"))
		after.WriteString(resp("SET", fmt.Sprintf([]string{"session:%d", "user:%d"}[i/150], i), "v"))
	}
	members := []string{"SADD", "ids:0"}
	for i := range 30 {
		members = append(members, fmt.Sprint(1000+7*i))
	}
	damaged := strings.Replace(resp(members...), "$4\r\n1070\r\n", "$4\r\xEFI\xF6|0\r\n", 1)
	s, got := salvageBytes(t, []byte(before.String()+damaged+after.String()), AOFOptions{})
	acceptAOF(t, s, got)
	if want := before.String() + after.String(); string(got) != want {
		t.Errorf("%d bytes, want %d\nmap %v", len(got), len(want), s.Regions)
	}
}
