package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A mishap is a crash or a hang of the real program. It is no verdict, so it is none that differs from ours: it is listed apart, with the
// smallest file found that shows it.
type mishap struct {
	files int
	seed  uint64 // of the first of them, of which the small file is made
	size  int    // of that file, in bytes; of a log, that of all its files
}

// Kinds of mishaps, as classes of what is kept.
const (
	realCrashes = "the real one crashes"
	realHangs   = "the real one hangs"
)

// last are the words of a server that fails an assertion, panics or gets a signal.
var last = regexp.MustCompile(`(?m)==> (\w+\.c):\d+ ('.*' is not true)|Guru Meditation: (.*?) #\w+\.c|crashed by signal: (\d+)|(Server crash checking[^!\n]*)`)

// mishapOf names the mishap and its cause, empty if there was none: of a crash the last words, of a hang the rule that the file breaks and where.
func mishapOf(mine, real verdict) (class, name string) {
	switch {
	case real.hung:
		class = realHangs
	case real.crashed:
		class = realCrashes
	default:
		return "", ""
	}
	name = class + " on a file that ours accepts"
	if !mine.accepts {
		name = class + " on a file that ours refuses"
	}
	if m := last.FindStringSubmatch(real.text); class == realCrashes && m != nil {
		return class, name + ": " + strings.TrimSpace(strings.Join(m[1:], " "))
	}
	if len(mine.codes) > 0 {
		name += ": " + strings.TrimSpace(mine.codes[0]+" "+mine.place)
	}
	return class, name
}

// nameFor is the name of the mishap that a class is, empty for other classes: where ours failed as well, that weighs more.
func nameFor(class string, mine, real verdict) string {
	if kind, name := mishapOf(mine, real); kind == class {
		return name
	}
	return ""
}

// countMishap takes a mishap into the account and returns its class if the sample is to be kept: it is the first of its name.
func (t *tally) countMishap(s *sample, class, name string) string {
	m := t.mishaps[name]
	if m == nil {
		m = &mishap{seed: s.seed}
		t.mishaps[name] = m
	}
	if m.files++; m.files > 1 {
		return ""
	}
	return class
}

// printMishaps lists them.
func (t *tally) printMishaps(w io.Writer) {
	crashes, hangs := 0, 0
	for name, m := range t.mishaps {
		if name[:len(realHangs)] == realHangs {
			hangs += m.files
		} else {
			crashes += m.files
		}
	}
	fmt.Fprintf(w, "  the real program crashed on %d and hung on %d\n", crashes, hangs)
	for _, name := range slices.Sorted(maps.Keys(t.mishaps)) {
		m := t.mishaps[name]
		fmt.Fprintf(w, "    %d: %s; seed %d, made %d bytes small\n", m.files, name, m.seed, m.size)
	}
}
