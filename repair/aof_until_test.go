package repair

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
)

// TestUntilDamagedTime: what stands behind a damaged timestamp is kept if the next one is early enough, and left out if that is later or there is none.
func TestUntilDamagedTime(t *testing.T) {
	early, late, last := "#TS:1700000100\r\n"+commands("SET a 1", "SET b 2"), commands("FLUSHALL", "SET late 3"), "#TS:1700000300\r\n"+commands("SET last 4")
	for _, note := range []string{
		".TS:1700000200\r\n", "#US:1700000200\r\n", "#TS:17000x0200\r\n", "#TS:0700000200\r\n", "#TS:1700000200\r\r", strings.Repeat("\x00", 16), "#TS:1700000200",
	} {
		log := early + note + late
		for _, behind := range []string{last, ""} {
			s, got := salvageBytes(t, []byte(log+behind), AOFOptions{Until: 1700000150})
			assert.Equal(t, early, string(got), "%q, %q", note, behind)
			assert.EqualValues(t, len(early), s.Cut, "%q", note)
			assert.Contains(t, s.Regions[len(s.Regions)-1].String(), "nothing shows that it is from before the time asked for")
		}
		_, got := salvageBytes(t, []byte(log+last), AOFOptions{Until: 1700000300})
		assert.Contains(t, string(got), late+last, "%q", note)
	}
	torn := early + commands("SET c 3")[:9]
	s, got := salvageBytes(t, []byte(torn), AOFOptions{Until: 1700000150})
	assert.Equal(t, early, string(got), "a torn end")
	assert.EqualValues(t, -1, s.Cut)
	assert.EqualValues(t, 1, s.Lost)
	multi := early + commands("MULTI", "SET m 1") + "#US:1700000200\r\n" + commands("SET m 2", "EXEC") + last
	_, got = salvageBytes(t, []byte(multi), AOFOptions{Until: 1700000150})
	assert.Equal(t, early, string(got), "in a transaction")
}

// TestUntilAcrossFiles: the next sound timestamp may be in another file of the set, and what was changed last before the time asked for needs none.
func TestUntilAcrossFiles(t *testing.T) {
	damaged := "#TS:1700000100\r\n" + commands("SET a 1") + "#US:1700000200\r\n" + commands("SET b 2")
	for _, c := range []struct {
		second string
		until  int64
		want   []string // in the output, of the files
	}{
		{"#TS:1700000300\r\n" + commands("SET c 3"), 1700000150, []string{commands("SET a 1")}},
		{"#TS:1700000300\r\n" + commands("SET c 3"), 1700000350, []string{damaged, commands("SET c 3")}},
		{commands("SET c 3"), 1700000350, []string{commands("SET a 1")}},
		{commands("SET c 3"), time.Now().Unix() + 3600, []string{damaged, commands("SET c 3")}},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"appendonly.aof.manifest":   "file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n",
			"appendonly.aof.1.incr.aof": damaged, "appendonly.aof.2.incr.aof": c.second,
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		opt := LogPlanOptions{}
		opt.Until = c.until
		p, err := NewLogPlan(context.Background(), os.DirFS(dir), "", opt)
		require.NoError(t, err)
		require.Len(t, p.Salvaged.Files, len(c.want))
		require.Len(t, p.Salvaged.Later, 2-len(c.want))
		if len(c.want) == 1 {
			require.EqualValues(t, len(damaged)-len("#TS:1700000100\r\n"+commands("SET a 1"))+len(c.second), p.Chosen.Bytes)
		}
		for i, want := range c.want {
			var got strings.Builder
			require.NoError(t, p.Salvaged.writeTo(context.Background(), &p.Salvaged.Files[i], &got))
			assert.True(t, strings.HasSuffix(got.String(), want), "until %d: %q", c.until, got.String())
		}
	}
}

// TestUntilWithoutTimes is an error: a log that is left as it is would look as if it ended before that time.
func TestUntilWithoutTimes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one.aof"), []byte(commands("SET a 1")), 0o600))
	opt := LogPlanOptions{}
	opt.Until = 1700000150
	_, err := NewLogPlan(context.Background(), os.DirFS(dir), "one.aof", opt)
	require.ErrorIs(t, err, ErrNoTimes)
}

// TestUntilNothingLater damages a log everywhere. Every key has its time for a value, and none of a later one may come out.
func TestUntilNothingLater(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	log.WriteString(commands("SELECT 0"))
	for at := 1001; at <= 1040; at += 3 {
		fmt.Fprintf(&log, "#TS:%d\r\n", at)
		lines := []string{fmt.Sprint("SET k", at, " ", at), fmt.Sprint("RPUSH l", at%2, " x ", at)}
		switch at % 4 {
		case 0:
			lines = append([]string{"MULTI"}, append(lines, "EXEC")...)
		case 1:
			lines = append(lines, fmt.Sprint("SELECT ", at%3))
		}
		log.WriteString(commands(lines...))
	}
	sound := []byte(log.String())
	step := 9
	switch {
	case big():
		step = 5
	case testing.Short():
		step = 17
	}
	for _, damage := range []struct {
		name string
		do   func(b []byte, at, n int) []byte
	}{
		{"zeros", func(b []byte, at, n int) []byte { clear(b[at : at+n]); return b }},
		{"noise", func(b []byte, at, n int) []byte { copy(b[at:at+n], "\xa5X7$*\xff\r\x00#T9?\nq!~"[:n]); return b }},
		{"a bit", func(b []byte, at, n int) []byte { b[at] ^= 1 << (n % 8); return b }},
	} {
		for at := 0; at < len(sound)-16; at += step {
			for _, n := range []int{1, 4, 10, 14} {
				in := damage.do(bytes.Clone(sound), at, n)
				if s, err := SalvageAOF(t.Context(), bytes.NewReader(in), int64(len(in)), AOFOptions{}); err != nil || s.Sound {
					continue // a digit by another, which nobody can tell
				}
				for _, until := range []int{1002, 1015, 1016, 1030} {
					s, out := salvageBytes(t, in, AOFOptions{Until: int64(until)})
					acceptAOF(t, s, out)
					if last := lastValue(t, out); last > until {
						t.Errorf("%s, %d at %d, until %d: %d is left, map %v", damage.name, n, at, until, last, s.Regions)
					}
				}
			}
		}
	}
}

// lastValue is the greatest number that is the last argument of a command and may be a time.
func lastValue(t *testing.T, log []byte) (last int) {
	t.Helper()
	r := aof.NewReader(bytes.NewReader(log))
	for r.Next() {
		if c, ok := r.Record().(*aof.Command); ok && len(c.Args) > 2 {
			n, _ := strconv.Atoi(string(c.Args[len(c.Args)-1]))
			last = max(last, n)
		}
	}
	require.NoError(t, r.Err())
	return last
}

// TestUntilUnseen has commands that may have taken a timestamp with them, though hardly a byte of it is left, or none.
func TestUntilUnseen(t *testing.T) {
	stamped := func(at int, lines ...string) string { return fmt.Sprintf("#TS:%d\r\n", at) + commands(lines...) }
	a, late, later := stamped(100, "SELECT 0", "SET a 1"), commands("SET late 1"), stamped(300, "SET c 1")
	open, nested := commands("MULTI", "SET b 1"), resp("SET", "k", "v\r\n#TS:90\r\n"+commands("SET x 1"))
	started := commands("MULTI", "SET b 1", "SELECT 0", "SET c 1")
	swallowed := resp("SET", "k", "v\r\n#TS:300\r\n"+commands("SET x 1")+"*3")
	for _, c := range []struct{ name, in, want string }{
		{"the end of a transaction is lost", a + open + late + commands("MULTI", "SET c 1", "EXEC") + later, a},
		{"the same, and an early time behind it", a + open + stamped(150, "SET d 1") + later, a},
		{"the same, and another transaction", a + open + stamped(150, "SET d 1", "MULTI", "SET e 1", "EXEC") + later,
			a + commands("SET b 1") + stamped(150, "SET d 1", "MULTI", "SET e 1", "EXEC")},
		{"the server has started anew", a + started + commands("MULTI", "SET d 1", "EXEC") + later, a + commands("SELECT 0", "SET c 1") + commands("MULTI", "SET d 1", "EXEC")},
		{"a value has swallowed a time", a + swallowed + late, a},
		{"the same, and an early time behind it", a + swallowed + stamped(150, "SET d 1") + later, a + swallowed + stamped(150, "SET d 1")},
		{"a log in a value", a + nested + late, a + nested + late},
		{"a length that is another", a + strings.Replace(commands("SET k value"), "$5", "$4", 1) + late + later, a},
		{"a byte in its place", a + strings.Replace(commands("SET k value"), "e\r\n", "e\x00\n", 1) + late + later, a + late},
		{"a count that is another", a + strings.Replace(commands("DEL one two"), "*3", "*4", 1) + late + later, a},
		{"arguments behind a command", a + commands("DEL one two") + "$2\r\nxx\r\n" + late + later, a},
		{"a letter of a name", a + commands("SDT b 1", "SET b 2") + later, a + commands("SET b 2")},
		{"what is no name", a + commands("17:b 1", "SET b 2") + later, a},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, out := salvageBytes(t, []byte(c.in), AOFOptions{Until: 200})
			acceptAOF(t, s, out)
			if string(out) != c.want {
				t.Errorf("got  %q\nwant %q\nmap %v", out, c.want, s.Regions)
			}
		})
	}
}

// TestUntilUntrueTime: a time that cannot be true does not end the log, and is left out; one that may be does.
func TestUntilUntrueTime(t *testing.T) {
	stamped := func(at int64, lines ...string) string { return fmt.Sprintf("#TS:%d\r\n", at) + commands(lines...) }
	now := time.Now().Unix()
	a, b, later := stamped(now-1000, "SELECT 0", "SET a 1"), commands("SET b 2"), stamped(now-100, "FLUSHALL")
	two := stamped(now-900, "SET c 3") + stamped(now-800, "SET d 4")
	note := func(at int64) string { return fmt.Sprintf("#TS:%d\r\n", at) }
	for _, c := range []struct{ name, in, want string }{
		{"beyond now, and two early ones", a + note(9*now) + b + two + later, a + b + two},
		{"beyond now, and an early one", a + note(9*now) + b + stamped(now-900, "SET c 3") + later, a + b + stamped(now-900, "SET c 3")},
		{"beyond now, and a later one", a + note(9*now) + b + later, a},
		{"beyond now, and none", a + note(9*now) + b, a},
		{"in a transaction", a + commands("MULTI", "SET x 1") + note(9*now) + commands("SET y 1", "EXEC") + two + later, a + commands("MULTI", "SET x 1", "SET y 1", "EXEC") + two},
		{"beyond two", a + note(now-50) + b + two + later, a + b + two},
		{"beyond two, of which one is later than asked for", a + note(now-50) + b + stamped(now-900, "SET c 3") + later, a + b + stamped(now-900, "SET c 3")},
		{"beyond one", a + note(now-50) + b + stamped(now-900, "SET c 3"), a},
		{"beyond two, which are later than asked for", a + note(now-50) + b + stamped(now-200, "SET c 3") + later, a},
		{"beyond two that are older than what is before it", a + note(now-50) + b + stamped(now-3000, "SET c 3") + stamped(now-2900, "SET d 4"), a},
		{"beyond two that are in disorder", a + note(now-50) + b + stamped(now-800, "SET c 3") + stamped(now-900, "SET d 4") + later, a},
		{"beyond two, with damage before them", a + note(now-50) + b + "\x00\x00" + two + later, a},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, out := salvageBytes(t, []byte(c.in), AOFOptions{Until: now - 500})
			acceptAOF(t, s, out)
			if string(out) != c.want {
				t.Errorf("got  %q\nwant %q\nmap %v", out, c.want, s.Regions)
			}
			if kept := c.want != a; kept != slices.ContainsFunc(s.Regions, func(r AOFRegion) bool { return r.Kind == AOFDamaged }) {
				t.Errorf("map %v", s.Regions)
			}
		})
	}
	// The file was changed before the time, and before what was asked for.
	dir := t.TempDir()
	name := filepath.Join(dir, "one.aof")
	changed := time.Unix(now-3*clocksDiffer, 0)
	require.NoError(t, os.WriteFile(name, []byte(stamped(changed.Unix()-1000, "SELECT 0", "SET a 1")+note(now-10)+b), 0o600))
	require.NoError(t, os.Chtimes(name, changed, changed))
	opt := LogPlanOptions{}
	opt.Until = now - clocksDiffer
	p, err := NewLogPlan(t.Context(), os.DirFS(dir), "one.aof", opt)
	require.NoError(t, err)
	f := &p.Salvaged.Files[0]
	assert.EqualValues(t, 3, f.Kept)
	assert.EqualValues(t, -1, f.Cut)
	assert.Equal(t, untrueLast, f.Regions[1].Why)

	// The file's time is made up: all of its annotations are later.
	name = filepath.Join(dir, "two.aof")
	require.NoError(t, os.WriteFile(name, []byte(a+later+stamped(now-50, "SET e 5")), 0o600))
	require.NoError(t, os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)))
	opt.Until = now - 500
	p, err = NewLogPlan(t.Context(), os.DirFS(dir), "two.aof", opt)
	require.NoError(t, err)
	assert.EqualValues(t, 2, p.Salvaged.Files[0].Kept)
}
