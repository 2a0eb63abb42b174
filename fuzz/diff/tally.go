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
	realCrash  int
	realHung   int
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
		t.classes, t.unexpected, t.saved = map[string]int{}, map[string]int{}, map[string]int{}
	}
	t.files++
	if real.crashed {
		t.realCrash++
	}
	if real.hung {
		t.realHung++
	}
	class = classOf(mine, real)
	switch {
	case class == "" && mine.accepts:
		t.accepted++
	case class == "":
		t.refused++
	}
	if class == "" && mine.plain != "" {
		if mine.plain == real.plain || knownText(mine, real) {
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

// shrinkTime bounds how long a sample is made smaller.
const shrinkTime = 20 * time.Second

// keep makes a sample as small as still shows the difference and writes it down.
func (t *tally) keep(c contest, s *sample, class string) {
	shows := func(s *sample) (mine, real verdict, ok bool) {
		mine = guarded(c, s)
		real, err := c.theirs(s)
		if err != nil {
			return mine, real, false
		}
		got := classOf(mine, real)
		if got == "" && mine.plain != "" && mine.plain != real.plain && !knownText(mine, real) {
			got = otherText
		}
		return mine, real, got == class && explained(t.opt.real, got, s, mine, real) == ""
	}
	best := *s
	for end := time.Now().Add(shrinkTime); time.Now().Before(end); {
		again := false
		for _, smaller := range c.smaller(&best) {
			if _, _, ok := shows(&smaller); ok {
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
	mine, real, _ := shows(&best)
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

// print prints the account and says whether all is as it should be, which other words are too.
func (t *tally) print(w io.Writer) (good bool) {
	bad := 0
	fmt.Fprintf(w, "%d files from seed %d against %s in %v\n", t.files, t.opt.seed, t.opt.path, time.Since(t.start).Round(time.Second))
	fmt.Fprintf(w, "  %d accepted by both, %d refused by both\n", t.accepted, t.refused)
	if n := t.sameText + t.otherText; n > 0 {
		fmt.Fprintf(w, "  %d of %d with the same output\n", t.sameText, n)
	}
	fmt.Fprintf(w, "  the real program crashed on %d and hung on %d\n", t.realCrash, t.realHung)
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
		fmt.Fprintf(w, "%d differences of verdict; all differences are in %s\n", bad, t.opt.out)
	}
	return bad == 0
}
