package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// double stands in for both sides: ours sleeps or panics, and the real one hangs.
type double struct {
	rdbFiles
	calls  int
	asleep int // how many calls take too long
	panics bool
}

func (d *double) ours(*sample) verdict {
	if d.panics {
		panic("on purpose")
	}
	if d.calls++; d.calls <= d.asleep {
		time.Sleep(300 * time.Millisecond)
	}
	return verdict{}
}

func (d *double) theirs(*sample, time.Duration) (verdict, error) { return verdict{hung: true}, nil }

// TestGuarded has a busy machine, a hang and a panic of ours.
func TestGuarded(t *testing.T) {
	s := sample{}
	require.Empty(t, within(200*time.Millisecond, &double{asleep: 1}, &s).codes, "slow once")
	require.Equal(t, []string{oursHangs}, within(200*time.Millisecond, &double{asleep: 3}, &s).codes)
	require.Equal(t, []string{oursPanics}, guarded(&double{panics: true}, &s).codes)
}

// TestBothFail keeps a sample on which ours panics and the real one hangs: it counts as ours.
func TestBothFail(t *testing.T) {
	tally := &tally{opt: &options{out: filepath.Join(t.TempDir(), "found")}}
	d := &double{panics: true}
	s := sample{seed: 7, data: []byte("REDIS0011\xff")}
	mine := guarded(d, &s)
	real, _ := d.theirs(&s, 0)
	require.Equal(t, oursPanics, tally.count(&s, mine, real))
	tally.keep(d, &s, oursPanics, nameFor(oursPanics, mine, real))
	var out strings.Builder
	require.False(t, tally.print(&out))
	require.Contains(t, out.String(), oursPanics)
	require.FileExists(t, filepath.Join(tally.opt.out, "7", "input.rdb"))
}
