package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestGlob has the cases of the servers' own stringmatchlen.
func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"*", "", true}, {"*", "anything\x00\xff", true}, {"", "", true}, {"", "a", false}, {"a", "", false},
		{"user:*", "user:1", true}, {"user:*", "users:1", false}, {"*:1", "user:1", true}, {"*a*b*c", "xaybzc", true}, {"*a*b*c", "xaybz", false},
		{"h?llo", "hello", true}, {"h?llo", "hllo", false}, {"?", "\xff", true},
		{"h[ae]llo", "hallo", true}, {"h[ae]llo", "hillo", false}, {"h[^e]llo", "hallo", true}, {"h[^e]llo", "hello", false},
		{"h[a-c]llo", "hbllo", true}, {"h[c-a]llo", "hbllo", true}, {"h[a-c]llo", "hdllo", false}, {"[a-", "-", true},
		{`h\[a`, "h[a", true}, {`\*`, "*", true}, {`\*`, "a", false}, {`[\]]`, "]", true}, {`a\`, `a\`, true},
		{"[ab", "a", true}, {"[^ab", "c", true}, {"[", "a", false}, {"[]", "a", false}, {"a*", "a", true}, {"a**", "a", true},
	} {
		require.Equal(t, c.want, glob(c.pattern, []byte(c.key)), "%q with %q", c.pattern, c.key)
	}
}

// TestGlobHostile says that no pattern takes long.
func TestGlobHostile(t *testing.T) {
	require.False(t, glob(strings.Repeat("*a", 1000)+"b", []byte(strings.Repeat("a", 10_000))))
}

func TestFilter(t *testing.T) {
	past := &rdb.Entry{Key: []byte("user:1"), Type: rdb.TypeHash, DB: 3, ExpireAt: 1000}
	future := &rdb.Entry{Key: []byte("other"), Type: rdb.TypeString, ExpireAt: 1 << 60}
	never := &rdb.Entry{Key: []byte(""), Type: rdb.TypeSet, ExpireAt: rdb.NoExpire}
	for _, c := range []struct {
		name   string
		filter filter
		want   []*rdb.Entry
	}{
		{"nothing given", filter{}, []*rdb.Entry{past, future, never}},
		{"expired", filter{expired: true}, []*rdb.Entry{past}},
		{"not expired", filter{noExpired: true}, []*rdb.Entry{future, never}},
		{"database", filter{dbs: []uint{0}}, []*rdb.Entry{future, never}},
		{"types", filter{types: []string{"hash", "set"}}, []*rdb.Entry{past, never}},
		{"keys", filter{globs: []string{"user:*", "o*"}}, []*rdb.Entry{past, future}},
		{"all at once", filter{dbs: []uint{3}, types: []string{"hash"}, globs: []string{"*"}, noExpired: true}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.filter.ready())
			var got []*rdb.Entry
			for _, e := range []*rdb.Entry{past, future, never} {
				if c.filter.wants(e) {
					got = append(got, e)
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}
