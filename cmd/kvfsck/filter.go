package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvfsck/kvfsck/rdb"
)

// filter chooses keys. The zero value takes all.
type filter struct {
	dbs       []uint
	globs     []string
	types     []string
	expired   bool
	noExpired bool
	now       int64
}

// kindNames are what --type takes.
var kindNames = []string{"string", "list", "set", "zset", "hash", "stream", "module"}

// flags adds the filter's flags to a command.
func (f *filter) flags(cmd *cobra.Command) {
	cmd.Flags().UintSliceVar(&f.dbs, "db", nil, "only keys of this database (repeatable)")
	cmd.Flags().StringArrayVar(&f.globs, "key", nil, "only keys that match this pattern, as KEYS takes it: * ? [a-z] [^a] \\ (repeatable)")
	cmd.Flags().StringSliceVar(&f.types, "type", nil, "only keys of this type: "+strings.Join(kindNames, ", ")+" (repeatable)")
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(kindNames, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
}

// expiryFlags adds the flags that look at the time.
func (f *filter) expiryFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.expired, "expired", false, "only keys whose expiry is in the past")
	cmd.Flags().BoolVar(&f.noExpired, "no-expired", false, "leave out keys whose expiry is in the past, as a server does on loading")
	exclusive(cmd, "expired", "no-expired")
}

// ready checks what the person gave.
func (f *filter) ready() error {
	f.now = time.Now().UnixMilli()
	for _, t := range f.types {
		if !slices.Contains(kindNames, t) {
			return fmt.Errorf("no type %q: there are %s", t, strings.Join(kindNames, ", "))
		}
	}
	return nil
}

// keysOnly reports whether it asks for something that commands do not tell.
func (f *filter) keysOnly() bool {
	return len(f.globs) > 0 || len(f.types) > 0 || f.expired || f.noExpired
}

func (f *filter) wantsDB(db uint64) bool {
	return len(f.dbs) == 0 || slices.ContainsFunc(f.dbs, func(n uint) bool { return uint64(n) == db })
}

func (f *filter) wants(e *rdb.Entry) bool {
	expired := e.ExpireAt != rdb.NoExpire && e.ExpireAt < f.now
	switch {
	case f.expired && !expired, f.noExpired && expired:
		return false
	case !f.wantsDB(e.DB):
		return false
	case len(f.types) > 0 && !slices.Contains(f.types, e.Kind().String()):
		return false
	case len(f.globs) > 0:
		return slices.ContainsFunc(f.globs, func(g string) bool { return glob(g, e.Key) })
	}
	return true
}

// glob matches a key with a pattern as the servers do (util.c, stringmatchlen):
//
//   - any bytes    ?  any byte    [abc] [a-z] [^a]  one byte of a set    \x  the byte x
//
// It looks back to the last star only, which is enough for a yes or no, so that no pattern takes more than pattern times key.
func glob(pattern string, key []byte) bool {
	p, k := 0, 0
	star, mark := -1, 0
	for k < len(key) {
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, k
			p++
			continue
		}
		if n := globOne(pattern[p:], key[k]); n > 0 {
			p, k = p+n, k+1
			continue
		}
		if star < 0 {
			return false
		}
		mark++
		p, k = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// globOne returns how many bytes of the pattern match the byte c, 0 if it does not.
func globOne(pattern string, c byte) int {
	switch {
	case pattern == "":
		return 0
	case pattern[0] == '?':
		return 1
	case pattern[0] == '[':
		return globSet(pattern, c)
	case pattern[0] == '\\' && len(pattern) > 1:
		if pattern[1] == c {
			return 2
		}
		return 0
	case pattern[0] == c:
		return 1
	}
	return 0
}

// globSet is globOne of a set. One that nothing closes ends with the pattern.
func globSet(pattern string, c byte) int {
	i := 1
	not := i < len(pattern) && pattern[i] == '^'
	if not {
		i++
	}
	found := false
	for ; i < len(pattern) && pattern[i] != ']'; i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			found = found || pattern[i] == c
		case i+2 < len(pattern) && pattern[i+1] == '-':
			low, high := min(pattern[i], pattern[i+2]), max(pattern[i], pattern[i+2])
			found = found || low <= c && c <= high
			i += 2
		default:
			found = found || pattern[i] == c
		}
	}
	if found == not {
		return 0
	}
	return min(i+1, len(pattern))
}
