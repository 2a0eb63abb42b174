package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

// newest are the checkers whose recorded verdict counts, best first. A record of a run that ended for want of memory is passed
// over: it says more about the limit that was set than about the checker, which without it judges like this program.
var newest = []string{"redis-8.6", "valkey-9.1", "redis-8.0"}

// outcomes of comparing runs.
type tally struct {
	mu    sync.Mutex
	n     map[string]int
	diffs []string
}

func (t *tally) add(what string, same bool, diff string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int{}
	}
	t.n[what]++
	if same {
		t.n[what+" equal"]++
	} else {
		t.diffs = append(t.diffs, what+": "+fmt.Sprintf(diff, args...))
	}
}

// report logs the figures, and the differences of what is demanded: everything of the group, which must be equal in all but one case
// of a thousand.
func (t *tally) report(tb testing.TB, group string) {
	tb.Helper()
	slices.Sort(t.diffs)
	for _, d := range t.diffs {
		if strings.HasPrefix(d, group) {
			tb.Log(d)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(t.n)) {
		if strings.HasSuffix(what, " equal") {
			continue
		}
		n, same := t.n[what], t.n[what+" equal"]
		tb.Logf("%s: %d of %d equal (%.2f%%)", what, same, n, 100*float64(same)/float64(n))
		if strings.HasPrefix(what, group) && float64(same) < 0.999*float64(n) {
			tb.Errorf("%s: only %d of %d equal", what, same, n)
		}
	}
}

var (
	logTime = regexp.MustCompile(`(?m)^\d+:[CM] \d\d \w+ \d{4} [0-9:.]+ ([#*]) `)
	stale   = regexp.MustCompile(`got: 00(ffffff)?[0-9a-f]{2}\b`) // a byte of an earlier line
	blank   = regexp.MustCompile(`(?m)^(# )?\n`)
	cLine   = regexp.MustCompile(`rdb\.c:\d+`)
)

func mask(s, dir string) string {
	s = strings.ReplaceAll(s, dir+string(filepath.Separator), "")
	s = strings.ReplaceAll(s, " ./", " ")
	s = stale.ReplaceAllString(writeOut(s), "got: 00??")
	s = blank.ReplaceAllString(logTime.ReplaceAllString(s, "$1 "), "")
	return cLine.ReplaceAllString(s, "rdb.c:N")
}

// writeOut writes out what is no text, as the record has it.
func writeOut(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError || r < ' ' && r != '\n' || r == 0x7f {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// runTool runs the program on path, answering y, and returns its output and status.
func runTool(path string, options ...string) (string, int) {
	var out bytes.Buffer
	args := append(append([]string{"redis-check-aof"}, options...), path)
	rc := run(args, strings.NewReader("y\n"), &out, &out)
	return out.String(), rc
}

// valkeyOnly are lines that Valkey's checker alone prints, about the RDB part.
var valkeyOnly = regexp.MustCompile(`^\[info\] \d+ functions$|Check RDB returned error code|already expired$`)

// tailEqual compares the recorded last lines with those of out.
func tailEqual(out string, want []string) bool {
	if slices.ContainsFunc(want, func(l string) bool { return valkeyOnly.MatchString(l) && !strings.HasSuffix(l, "expired") }) {
		want = slices.DeleteFunc(slices.Clone(want), valkeyOnly.MatchString)
	}
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	wanted := strings.Split(mask(strings.Join(want, "\n"), "\x00"), "\n")
	return len(lines) >= len(wanted) && slices.Equal(lines[len(lines)-len(wanted):], wanted)
}

// sums returns the sums of the files in dir.
func sums(t testing.TB, dir string) map[string]corpus.FileSum {
	t.Helper()
	all := map[string]corpus.FileSum{}
	ents, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ents {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		all[e.Name()] = corpus.FileSum{Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}
	}
	return all
}

func changes(before, after map[string]corpus.FileSum) map[string]corpus.FileSum {
	d := map[string]corpus.FileSum{}
	for name, s := range after {
		if before[name] != s {
			d[name] = s
		}
	}
	return d
}

func equalSums(a, b map[string]corpus.FileSum) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// compare runs a check and a fix on the set in dir and compares them with the record.
func compare(res *tally, group, id, dir, path string, v corpus.AOFVerdict, t testing.TB) {
	for _, program := range newest {
		want, ok := v.Checkers[program]
		if !ok || want.Check.OOM || want.Fix.OOM {
			continue
		}
		out, rc := runTool(path)
		out = mask(out, dir)
		res.add(group+" status", want.Check.RC != nil && *want.Check.RC == rc, "%s (%s): status %d, recorded %s\n%s%v", id, v.Kind, rc, exitText(want.Check.Exit), out, want.Check.Tail)
		res.add(group+" output", tailEqual(out, want.Check.Tail), "%s (%s):\n%srecorded\n%s", id, v.Kind, out, strings.Join(want.Check.Tail, "\n"))
		before := sums(t, dir)
		out, rc = runTool(path, "--fix")
		got := changes(before, sums(t, dir))
		res.add(group+" fix status", want.Fix.RC != nil && *want.Fix.RC == rc, "%s (%s): status %d, recorded %s", id, v.Kind, rc, exitText(want.Fix.Exit))
		res.add(group+" fix bytes", equalSums(got, want.Fix.Changed), "%s (%s): %v, recorded %v", id, v.Kind, got, want.Fix.Changed)
		res.add(group+" fix output", tailEqual(mask(out, dir), want.Fix.Tail), "%s (%s)", id, v.Kind)
		return
	}
	res.add("out of memory in every checker", true, "")
}

func exitText(e corpus.Exit) string {
	switch {
	case e.RC != nil:
		return fmt.Sprint(*e.RC)
	case e.Signal != nil:
		return fmt.Sprintf("signal %d", *e.Signal)
	default:
		return "hung"
	}
}

// parallel runs work on all items with a few goroutines.
func parallel[T any](items []T, work func(T)) {
	jobs := make(chan T)
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for x := range jobs {
				work(x)
			}
		}()
	}
	for _, x := range items {
		jobs <- x
	}
	close(jobs)
	wg.Wait()
}

// group tells sets with a base of Valkey 9, whose magic the released checkers do not know, from the others.
func group(t testing.TB, dir, path string) string {
	names := []string{filepath.Base(path)}
	if strings.HasSuffix(path, ".manifest") {
		names = nil
		for name := range sums(t, dir) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil && bytes.HasPrefix(b, []byte("VALKEY")) {
			return "VALKEY base"
		}
	}
	return "known base"
}

// inCopy runs work on a copy of the folder of a set.
func inCopy(t testing.TB, set string, work func(dir string)) {
	inTemp(t, func(dir string) {
		if err := os.CopyFS(dir, os.DirFS(corpus.Path(t, set))); err != nil {
			t.Error(err)
			return
		}
		ents, _ := os.ReadDir(dir)
		for _, e := range ents {
			os.Chmod(filepath.Join(dir, e.Name()), 0o600) // the corpus is read-only
		}
		work(dir)
	})
}

func inTemp(t testing.TB, work func(dir string)) {
	dir, err := os.MkdirTemp("", "kvfsck")
	if err != nil {
		t.Error(err)
		return
	}
	defer os.RemoveAll(dir)
	work(dir)
}

// TestRecipes compares the program with the newest recorded checker on every damaged set of the corpus.
func TestRecipes(t *testing.T) {
	verdicts := corpus.AOFVerdicts(t)
	var res tally
	parallel(slices.Collect(corpus.AOFRecipes(t)), func(r corpus.Recipe) {
		inTemp(t, func(dir string) {
			path := r.Build(t, dir)
			compare(&res, group(t, dir, path), r.ID, dir, path, verdicts[r.ID], t)
		})
	})
	res.report(t, "known base")
}

// TestBases does so on the sets as servers wrote them.
func TestBases(t *testing.T) {
	verdicts := corpus.AOFBaseVerdicts(t)
	var res tally
	parallel(slices.Sorted(maps.Keys(verdicts)), func(id string) {
		v := verdicts[id]
		inCopy(t, v.Base, func(dir string) {
			path := filepath.Join(dir, v.Check)
			g := group(t, dir, path)
			compare(&res, g, id, dir, path, v, t)
			if _, rc := runTool(path); rc != 0 {
				t.Errorf("%s: a set that a server wrote has status %d", id, rc)
			}
		})
	})
	res.report(t, "known base")
}

// TestTruncateToTimestamp compares the cuts.
func TestTruncateToTimestamp(t *testing.T) {
	var res tally
	parallel(corpus.AOFTruncateToTimestamp(t), func(v corpus.AOFTimestampVerdict) {
		inCopy(t, v.Base, func(dir string) {
			path, before := filepath.Join(dir, v.Check), sums(t, dir)
			out, rc := runTool(path, "--truncate-to-timestamp", fmt.Sprint(v.Timestamp))
			got, g := changes(before, sums(t, dir)), group(t, dir, path)
			for _, program := range newest {
				want, ok := v.Checkers[program]
				if !ok {
					continue
				}
				id := fmt.Sprintf("%s/%s at %d", v.Base, v.Check, v.Timestamp)
				res.add(g+" status", want.RC != nil && *want.RC == rc, "%s: status %d, recorded %s", id, rc, exitText(want.Exit))
				res.add(g+" bytes", equalSums(got, want.Changed), "%s: %v, recorded %v", id, got, want.Changed)
				res.add(g+" output", tailEqual(mask(out, dir), want.Tail), "%s: %s, recorded %v", id, out, want.Tail)
				return
			}
		})
	})
	res.report(t, "known base")
}
