package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kvfsck/kvfsck/internal/input"
)

// env is what a command has to do with.
type env struct {
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	outTerm bool // stdout is a terminal
	errTerm bool // stderr is
}

// complain writes a line to the standard error.
func (e *env) complain(format string, args ...any) {
	fmt.Fprintln(e.stderr, "kvfsck: "+safe(fmt.Sprintf(format, args...)))
}

// safe replaces what a terminal might obey by the marks of Go's quoting.
func safe(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !strconv.IsPrint(r) }

// shellQuote writes a path as a word that a shell reads back, and a program as a path.
func shellQuote(path string) string {
	if strings.HasPrefix(path, "-") && path != input.Stdin {
		path = "./" + path // no flag
	}
	if strings.IndexFunc(path, unprintable) >= 0 || !utf8.ValidString(path) {
		return dollarQuote(path)
	}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:,+@%=", r) || r > 127
	}
	if path != "" && strings.TrimFunc(path, plain) == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// dollarQuote writes a path with characters that a terminal must not see, as bash, zsh and ksh read it back.
func dollarQuote(path string) string {
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= ' ' && c < 0x7F:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String() + "'"
}

// joinPath joins a directory and a path in it that has forward slashes, for people.
func joinPath(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }

// explain says what is wrong with a path and what to do about it, on one line.
func explain(path string, err error) string {
	hint := ""
	switch {
	case errors.Is(err, errNothingThere):
		hint = "; a server answers CONFIG GET dir with where its files are"
	case errors.Is(err, input.ErrDirectory):
		hint = "; name the file in it, such as " + shellQuote(strings.TrimRight(path, `/\`)+"/dump.rdb")
	case errors.Is(err, os.ErrNotExist):
		hint = "; a server answers CONFIG GET dir and CONFIG GET dbfilename with where its file is"
	case errors.Is(err, os.ErrPermission):
		hint = "; run as the user that owns the file"
	}
	var pathErr *os.PathError
	if errors.As(err, &pathErr) && pathErr.Path == path {
		return fmt.Sprintf("%s: %v%s", path, pathErr.Err, hint)
	}
	return fmt.Sprintf("%s: %v%s", path, err, hint)
}
