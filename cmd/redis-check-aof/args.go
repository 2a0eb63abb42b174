package main

import (
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/internal/version"
)

// pathMax is the longest path, in bytes, that the original takes (Linux's PATH_MAX).
const pathMax = 4096

// request is what the arguments ask for.
type request struct {
	path string
	fix  bool
	yes  bool
	// until is the time, in seconds since 1970, from which on to cut; 0 means not to, as in the original.
	until int64
}

type form struct {
	words []string
	set   func(q *request, words []string) (ok bool)
}

// forms are the arguments before the path. They are positional: no other order is understood. An empty word stands for any.
var forms = []form{
	{nil, func(*request, []string) bool { return true }},
	{[]string{"--fix"}, func(q *request, _ []string) bool { q.fix = true; return true }},
	{[]string{"--fix", "--yes"}, func(q *request, _ []string) bool { q.fix, q.yes = true, true; return true }},
	{[]string{"--yes", "--fix"}, func(q *request, _ []string) bool { q.fix, q.yes = true, true; return true }},
	{[]string{"--truncate-to-timestamp", ""}, func(q *request, words []string) (ok bool) {
		q.until, ok = seconds(words[1])
		return ok
	}},
}

// run is the program: args[0] is its name. The result is the exit status. Everything goes to standard output, as with the original.
func run(args []string, stdin io.Reader, stdout, _ io.Writer) int {
	c := newChecker(stdin, stdout)
	defer c.out.Flush()
	c.name = "redis-check-aof"
	if strings.Contains(filepath.Base(args[0]), "valkey-check-aof") {
		c.name = "valkey-check-aof"
	}
	switch {
	case len(args) == 2 && (args[1] == "-v" || args[1] == "--version"):
		c.printf("%s\n", version.Banner(c.name))
		return 0
	case c.parse(args) && c.check():
		return 0
	default:
		return 1
	}
}

// parse takes the arguments, or says what is wrong with them.
func (c *checker) parse(args []string) bool {
	words := args[1:max(1, len(args)-1)]
	i := slices.IndexFunc(forms, func(f form) bool {
		return len(args) > 1 && slices.EqualFunc(f.words, words, func(want, got string) bool { return want == "" || want == got })
	})
	if i < 0 {
		return c.usage(args[0])
	}
	c.path = args[len(args)-1]
	if !forms[i].set(&c.request, words) {
		return c.fail("Invalid timestamp, aborting...\n")
	}
	if len(c.path) > pathMax {
		c.printf("Error: filepath is too long (exceeds PATH_MAX)\n")
		return c.usage(args[0])
	}
	return true
}

func (c *checker) usage(name string) bool {
	return c.fail("Usage: %s [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>\n", name)
}

// seconds is what the original takes as a time: blanks, a sign, digits to the end; nothing at all is 0.
func seconds(s string) (int64, bool) {
	if s == "" {
		return 0, true
	}
	v, err := strconv.ParseInt(strings.TrimLeft(s, " \t\n\v\f\r"), 10, 64)
	return v, err == nil
}
