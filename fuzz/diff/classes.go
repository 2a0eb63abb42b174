package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/kvfsck/kvfsck/rdb"
)

// difference is a row of the table of known differences.
type difference struct {
	name    string
	why     string
	real    string // with what: check-rdb, server or check-aof; empty: with any
	class   string
	matches func(s *sample, mine, real verdict) bool
}

func hasCode(v verdict, codes ...string) bool {
	return slices.ContainsFunc(v.codes, func(c string) bool { return slices.Contains(codes, c) })
}

// says is for differences that the real program's words tell.
func says(words ...string) func(s *sample, mine, real verdict) bool {
	return func(_ *sample, _, real verdict) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(real.text, w) })
	}
}

// found is for differences that our findings tell.
func found(codes ...string) func(s *sample, mine, real verdict) bool {
	return func(_ *sample, mine, _ verdict) bool { return hasCode(mine, codes...) }
}

// redisMagicAtValkey is for files with the magic of Redis, given to Valkey's checker, which is the one that prints an error code.
func redisMagicAtValkey(s *sample, _, real verdict) bool {
	return bytes.HasPrefix(s.data, []byte("REDIS")) && strings.Contains(real.text, "Check RDB returned error code")
}

var brokenNumber = regexp.MustCompile(`[0-9.][eEpP][+-]?([^0-9+-]|$)|0[xX]\.`)

// oldScanf is for files with such a text in a sorted set of the type that has scores as text.
func oldScanf(s *sample, mine, _ verdict) bool {
	if !hasCode(mine, string(rdb.CodeScore)) {
		return false
	}
	r := rdb.NewReader(bytes.NewReader(s.data))
	defer r.Close()
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok && e.Type == rdb.TypeZset {
			if raw, err := e.Raw(); err == nil && brokenNumber.Match(raw) {
				return true
			}
		}
	}
	return false
}

// differences are the known ones, each with its reason. Where this module is compared with a release of the rules that it foretells (Redis 8.6,
// Valkey 9.1), only those without a release in their name come up.
var differences = []difference{
	{"VALKEY magic, in words", "the real program reads no further; this module does, or names the version that Valkey does not read", realCheckRDB, otherText, says("Wrong signature")},
	{"version", "this module reads 14, and of older releases' newer ones", realCheckRDB, weAccept, says("Can't handle RDB format version")},
	{"version", "", realServer, weAccept, says("Can't handle RDB format version")},
	{"version to come", "Valkey's checker reads on, its server does not", realCheckRDB, weRefuse, says("Future RDB version")},
	{"type of 8.8", "this module reads type 27, which has its version 14 but may stand in any file", realCheckRDB, weAccept, says("Invalid object type: 27")},
	{"type of 8.8, in words", "so what is wrong with the value is another fault", realCheckRDB, otherText, says("Invalid object type: 27")},
	{"newer type or opcode", "an older release does not know it", realCheckRDB, weAccept, says("Invalid object type: ")},
	{"newer type or opcode", "", realServer, weAccept, says("Unknown RDB encoding type")},
	{"rule of a newer release", "zipmap lengths in the long form: since Redis 8.6; limits of idempotent ids: with their type", realCheckRDB, weRefuse, found("zipmap-length-form", "stream-idmp-duration", "stream-idmp-max-entries")},
	{"rule of a newer release", "", realServer, weRefuse, found("zipmap-length-form", "stream-idmp-duration", "stream-idmp-max-entries")},
	{"library that does not compile", "code is not looked at but for its first line", realServer, weAccept, says("Failed loading library", "Error compiling function", "Error registering functions", "No functions registered")},
	{"unfinished import of slots without a cluster", "Valkey 9.1 fails an assertion over one, unless it is in cluster mode", realServer, weAccept, says("kvstore.c")},
	{"Valkey's checker on the magic of Redis", "this module judges such a file as Redis does", realCheckRDB, weRefuse, redisMagicAtValkey},
	{"Valkey's checker on the magic of Redis", "", realCheckRDB, weAccept, redisMagicAtValkey},
	{"module", "whether the module is there, this module cannot know", realServer, weAccept, found("module-needed", "key-meta-class")},
	{"score in text that ends in an exponent without digits", "glibc 2.36 reads \"1e\" as 1; this module refuses it, as 2.43 does", realCheckRDB, weRefuse, oldScanf},
	{"score in text that ends in an exponent without digits", "", realServer, weRefuse, oldScanf},
}

// explained returns the name of the row that explains a difference, empty if none does.
func explained(real, class string, s *sample, mine, theirs verdict) string {
	for i := range differences {
		if d := &differences[i]; (d.real == real || d.real == "") && d.class == class && d.matches(s, mine, theirs) {
			return d.name
		}
	}
	return ""
}
