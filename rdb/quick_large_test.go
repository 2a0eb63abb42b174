package rdb_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestLargeTables reads collections of more names than are compared as they come, and such as are larger than a block, with and without something wrong.
func TestLargeTables(t *testing.T) {
	sizes := []int{20, 511, 512, 513, 1025, 1<<17 + 600} // the last is more than are kept in memory
	if testing.Short() {
		sizes = []int{20, 513}
	}
	long := strings.Repeat("name ", 9)
	node := "\x02" + str(lp("item", 5, "another item", 70000))
	for _, n := range sizes {
		name := func(i int) string { return fmt.Sprintf("member:%d", i) }
		for what, names := range map[string]map[int]string{
			"sound":                nil,
			"first and last":       {0: str("same"), n - 1: str("same")},
			"neighbours":           {n / 2: str("same"), n/2 + 1: str("same")},
			"one of two chunks":    {511: str("same"), n - 1: str("same")},
			"integers":             {3: "\xC1\x39\x30", n - 1: "\xC2\x40\xE2\x01\x00"},
			"text of an integer":   {3: "\xC1\x39\x30", n - 1: str("12345")},
			"before it":            {3: str("12345"), n - 1: "\xC1\x39\x30"},
			"no shortest integer":  {n - 2: "\xC2\x05\x00\x00\x00"},
			"long":                 {1: str(long + "a"), n - 2: str(long + "b")},
			"long, twice":          {1: str(long), n - 2: str(long)},
			"compressed":           {n - 3: "\xC3\x09\x2D\x04name \xE0\x1F\x04"},
			"compressed and plain": {7: str(long), n - 3: "\xC3\x09\x2D\x04name \xE0\x1F\x04"},
			"too long":             {n - 3: "\xC3\x09\x2E\x04name \xE0\x1F\x04"},
			"empty":                {n - 3: str("")},
			"two empty":            {3: str(""), n - 3: str("")},
		} {
			if n > 5000 && what != "sound" && what != "first and last" {
				continue
			}
			var set, hash, zset, list strings.Builder
			for i := range n {
				s, ok := names[i]
				if !ok {
					s = str(name(i))
				}
				set.WriteString(s)
				hash.WriteString(s + str("value"))
				zset.WriteString(s + f64(float64(i)))
			}
			for i := 0; i < n; i += 100 {
				list.WriteString(node)
			}
			keys := map[string]string{
				"set": key(2, "s") + ln(uint64(n)) + set.String(), "hash": key(4, "h") + ln(uint64(n)) + hash.String(), "zset": key(5, "z") + ln(uint64(n)) + zset.String(),
				"list": key(18, "l") + ln(uint64((n+99)/100)) + list.String(),
			}
			if what == "sound" {
				keys["NaN"] = key(5, "z") + ln(uint64(n)) + strings.TrimSuffix(zset.String(), f64(float64(n-1))) + "\x00\x00\x00\x00\x00\x00\xF8\x7F"
				keys["short"] = key(2, "s") + ln(uint64(n+1)) + set.String()
				keys["expires"] = "\xFC" + le64(1<<42) + keys["zset"]
			}
			for kind, record := range keys {
				t.Run(fmt.Sprintf("%d %s %s", n, kind, what), func(t *testing.T) {
					b := padded(redisFile(key(0, "before")+str("x"), record, key(0, "behind")+str("x")))
					demandSlowAndQuick(t, b, what)
					compareReports(t, b)
				})
			}
		}
	}
}

// asked is a context that ends when it was asked so many times whether it has.
type asked struct {
	context.Context
	left int
}

func (c *asked) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestLargeTableInterrupted ends a check inside a record.
func TestLargeTableInterrupted(t *testing.T) {
	var set strings.Builder
	const n = 10_000
	for i := range n {
		set.WriteString(str(fmt.Sprint("member:", i)))
	}
	b := padded(redisFile(key(0, "before")+str("x"), key(2, "s")+ln(n)+set.String()))
	for left := range 30 {
		opt := everything.Narrow(1000, 0).Whole(b)
		opt.Workers = 2
		rep, err := rdb.Verify(&asked{t.Context(), left}, bytes.NewReader(b), opt)
		if err == nil {
			require.Equal(t, int64(3), rep.Keys)
			require.Greater(t, left, n/512)
		} else {
			require.ErrorIs(t, err, context.Canceled)
		}
	}
}
