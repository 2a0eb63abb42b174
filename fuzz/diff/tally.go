package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally is the account of a run.
type tally struct {
	opt   *options
	start time.Time

	mu         sync.Mutex
	files      int
	accepted   int // by both
	refused    int // by both
	sameText   int
	otherText  int
	mishaps    map[string]*mishap
	classes    map[string]int
	unexpected map[string]int
	saved      map[string]int
}

// Classes of differences that no row of the table explains.
const (
	weRefuse  = "ours refuses, the real one accepts"
	weAccept  = "ours accepts, the real one refuses"
	otherText = "same verdict, other text"
)

// savedOfClass is how many samples of one class and cause are kept.
const savedOfClass = 3

// count takes a comparison into the account and returns the class of a difference that is to be kept, else empty.
func (t *tally) count(s *sample, mine, real verdict) (class string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.classes == nil {
		t.classes, t.unexpected, t.saved, t.mishaps = map[string]int{}, map[string]int{}, map[string]int{}, map[string]*mishap{}
	}
	t.files++
	class = classOf(mine, real)
	if kind, name := mishapOf(mine, real); kind != "" && class != oursPanics && class != oursHangs && class != oursDevours {
		return t.countMishap(s, kind, name)
	}
	switch {
	case class == "" && mine.accepts:
		t.accepted++
	case class == "":
		t.refused++
	}
	if class == "" && mine.plain != "" {
		if mine.plain == real.plain {
			t.sameText++
		} else {
			t.otherText++
			class = otherText
		}
	}
	if class == "" {
		return ""
	}
	if row := explained(t.opt.real, class, s, mine, real); row != "" {
		t.classes[row]++
		return ""
	}
	cause := class
	if len(mine.codes) > 0 {
		cause += " (" + mine.codes[0] + ")"
	}
	t.unexpected[cause]++
	if t.saved[cause]++; t.saved[cause] > savedOfClass {
		return ""
	}
	return class
}

// classOf names the difference of two verdicts, empty if there is none.
func classOf(mine, real verdict) string {
	for _, code := range mine.codes {
		if code == oursPanics || code == oursHangs || code == oursDevours {
			return code
		}
	}
	switch {
	case mine.accepts && !real.accepts:
		return weAccept
	case !mine.accepts && real.accepts:
		return weRefuse
	}
	return ""
}

// shortPatience is how long the real program may take for a sample that was made smaller.
const shortPatience = time.Second

// shows compares again and reports whether the class of the difference is the same.
func (t *tally) shows(c contest, s *sample, class, name string) (mine, real verdict, ok bool) {
	mine = guarded(c, s)
	real, err := c.theirs(s, shortPatience)
	if err != nil {
		return mine, real, false
	}
	got := classOf(mine, real)
	if _, again := mishapOf(mine, real); name != "" || again != "" && got != class {
		return mine, real, again == name
	}
	if got == "" && mine.plain != "" && mine.plain != real.plain {
		got = otherText
	}
	return mine, real, got == class && explained(t.opt.real, got, s, mine, real) == ""
}

// keep makes a sample as small as still shows the difference, or the mishap of the name, and writes it down.
func (t *tally) keep(c contest, s *sample, class, name string) {
	best := *s
	for end := time.Now().Add(t.opt.shrink); time.Now().Before(end); {
		again := false
		for _, smaller := range c.smaller(&best) {
			if _, _, ok := t.shows(c, &smaller, class, name); ok {
				best, again = smaller, true
				break
			}
			if time.Now().After(end) {
				break
			}
		}
		if !again {
			break
		}
	}
	mine, real, _ := t.shows(c, &best, class, name)
	if name != "" {
		t.mu.Lock()
		t.mishaps[name].size = len(best.data)
		t.mu.Unlock()
	}
	if err := t.write(c, &best, class, mine, real); err != nil {
		fmt.Fprintln(os.Stderr, "diff:", err)
	}
}

func (t *tally) write(c contest, s *sample, class string, mine, real verdict) error {
	t.mu.Lock()
	if t.opt.out == "" {
		dir, err := os.MkdirTemp("", "kvfsck-differences-")
		if err != nil {
			t.mu.Unlock()
			return err
		}
		t.opt.out = dir
	}
	t.mu.Unlock()
	dir := filepath.Join(t.opt.out, fmt.Sprint(s.seed))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := fmt.Sprintf("seed %d\nmutation %s\n%s\n\n=== ours: accepts %v\n%s\n=== real: accepts %v, crashed %v, hung %v\n%s\n",
		s.seed, s.name, class, mine.accepts, mine.text, real.accepts, real.crashed, real.hung, real.text)
	if err := os.WriteFile(filepath.Join(dir, "report.txt"), []byte(text), 0o600); err != nil {
		return err
	}
	return c.save(dir, s)
}

// share is that of equal verdicts among those files of which the real program gave one.
func (t *tally) share() string {
	judged := t.files
	for _, m := range t.mishaps {
		judged -= m.files
	}
	return fmt.Sprintf("%d of %d verdicts are equal, %.3f %%", t.accepted+t.refused, judged, 100*float64(t.accepted+t.refused)/float64(max(judged, 1)))
}

// print prints the account and says whether all is as it should be, which other words are too.
func (t *tally) print(w io.Writer) (good bool) {
	bad := 0
	fmt.Fprintf(w, "%d files from seed %d against %s in %v\n", t.files, t.opt.seed, t.opt.path, time.Since(t.start).Round(time.Second))
	fmt.Fprintf(w, "  %d accepted by both, %d refused by both: %s\n", t.accepted, t.refused, t.share())
	if n := t.sameText + t.otherText; n > 0 {
		fmt.Fprintf(w, "  %d of %d with the same output\n", t.sameText, n)
	}
	t.printMishaps(w)
	for _, row := range slices.Sorted(maps.Keys(t.classes)) {
		fmt.Fprintf(w, "  known, %d: %s\n", t.classes[row], row)
	}
	for _, cause := range slices.Sorted(maps.Keys(t.unexpected)) {
		if strings.HasPrefix(cause, otherText) {
			fmt.Fprintf(w, "  other text, %d: %s\n", t.unexpected[cause], cause)
			continue
		}
		fmt.Fprintf(w, "  DIFFERENT, %d: %s\n", t.unexpected[cause], cause)
		bad += t.unexpected[cause]
	}
	if len(t.unexpected) > 0 {
		fmt.Fprintf(w, "%d differences of verdict\n", bad)
	}
	if t.opt.out != "" && len(t.unexpected)+len(t.mishaps) > 0 {
		fmt.Fprintf(w, "files and outputs are in %s\n", t.opt.out)
	}
	return bad == 0
}
