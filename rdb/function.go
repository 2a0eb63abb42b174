package rdb

import (
	"bytes"
	"errors"
	"strings"
)

// LibraryHeader reads the first line of a function library, "#!lua name=mylib", and returns the engine and the library's name.
// The error says what a server (Redis 7.0 and later, Valkey) would have against it; that the code compiles is not looked at.
func LibraryHeader(code []byte) (engine, name string, err error) {
	line, _, found := bytes.Cut(code, []byte("\n"))
	if !found || !bytes.HasPrefix(line, []byte("#!")) {
		return "", "", errors.New("no line #!ENGINE name=NAME at the start")
	}
	words := strings.Fields(string(line[2:]))
	if len(words) == 0 {
		return "", "", errors.New("no engine named")
	}
	engine = words[0]
	for _, w := range words[1:] {
		value, ok := cutPrefixFold(w, "name=")
		switch {
		case !ok:
			return engine, name, errors.New("unknown metadata " + w)
		case name != "":
			return engine, name, errors.New("two names")
		}
		name = strings.Trim(value, `"'`)
	}
	switch {
	case name == "":
		return engine, name, errors.New("no library name")
	case strings.ContainsFunc(name, notLibraryChar):
		return engine, name, errors.New("a library name of other characters than letters, digits and _")
	case !strings.EqualFold(engine, "lua"):
		return engine, name, errors.New("an engine other than Lua: " + engine)
	}
	return engine, name, nil
}

const libraryChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

func notLibraryChar(r rune) bool { return !strings.ContainsRune(libraryChars, r) }

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
