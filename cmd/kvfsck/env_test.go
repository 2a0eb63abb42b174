package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSafe(t *testing.T) {
	require.Equal(t, "plain, é 日本", safe("plain, é 日本"))
	require.Equal(t, `\x1b[31m\a\n\u202e`, safe("\x1b[31m\a\n\u202e"))
}

func TestShellQuote(t *testing.T) {
	require.Equal(t, "/var/lib/dump-1.rdb", shellQuote("/var/lib/dump-1.rdb"))
	require.Equal(t, "'my dump.rdb'", shellQuote("my dump.rdb"))
	require.Equal(t, `'it'\''s'`, shellQuote("it's"))
	require.Equal(t, "''", shellQuote(""))
	require.Equal(t, "./-rf.rdb", shellQuote("-rf.rdb"))
	require.Equal(t, "-", shellQuote("-"))
	require.Equal(t, `$'a\x0ab\'\\\xff'`, shellQuote("a\nb'\\\xff"))
}

// emptyRDB is the smallest snapshot.
const emptyRDB = "REDIS0011\xff\x00\x00\x00\x00\x00\x00\x00\x00"

// TestInterrupt says that an interrupt ends a read of what never ends.
func TestInterrupt(t *testing.T) {
	for _, command := range []string{"check", "export", "digest"} {
		ctx, cancel := context.WithCancel(context.Background())
		endless := io.MultiReader(strings.NewReader("REDIS0011\x00\x01k\x81\x00\x00\x00\x7f\x00\x00\x00\x00"), reader(func(p []byte) (int, error) {
			cancel()
			return len(p), nil
		}))
		var out, stderr bytes.Buffer
		code := run(ctx, []string{command, "-"}, &env{stdin: endless, stdout: &out, stderr: &stderr})
		require.Equal(t, exitInterrupted, code, command)
		require.Equal(t, "kvfsck: interrupted\n", stderr.String())
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestBrokenPlaces says that an error of reading or writing is no damage.
func TestBrokenPlaces(t *testing.T) {
	for _, args := range [][]string{{"check", "-"}, {"check", "--json", "-"}, {"digest", "-"}, {"version"}} {
		var stderr bytes.Buffer
		code := run(context.Background(), args, &env{stdin: strings.NewReader(emptyRDB), stdout: broken{}, stderr: &stderr})
		require.Equal(t, exitOperational, code, args)
		require.Contains(t, stderr.String(), "writing the output: io: read/write on closed pipe", args)
	}
	for _, command := range []string{"check", "export", "digest"} {
		var stderr bytes.Buffer
		in := io.MultiReader(strings.NewReader(emptyRDB[:10]), iotest.ErrReader(io.ErrNoProgress))
		code := run(context.Background(), []string{command, "-"}, &env{stdin: in, stdout: io.Discard, stderr: &stderr})
		require.Equal(t, exitOperational, code, command)
		require.Contains(t, stderr.String(), io.ErrNoProgress.Error(), command)
	}
}

// TestProgress says that a bar shows what is read on a terminal, and nowhere else.
func TestProgress(t *testing.T) {
	slow := func() io.Reader {
		waited := false
		return io.MultiReader(strings.NewReader(emptyRDB[:9]+strings.Repeat("\xfa\x01a\x01b", 40_000)), reader(func([]byte) (int, error) {
			if !waited {
				time.Sleep(patience)
				waited = true
			}
			return 0, io.EOF
		}), strings.NewReader(strings.Repeat("\xfa\x01a\x01b", 40_000)+emptyRDB[9:]))
	}
	for _, c := range []struct {
		args     []string
		terminal bool
		want     bool
	}{
		{[]string{"check", "-"}, true, true},
		{[]string{"export", "-"}, true, true},
		{[]string{"check", "-"}, false, false},
		{[]string{"check", "--json", "-"}, true, false},
		{[]string{"check", "-q", "-"}, true, false},
	} {
		var stderr bytes.Buffer
		code := run(context.Background(), c.args, &env{stdin: slow(), stdout: io.Discard, stderr: &stderr, errTerm: c.terminal})
		require.Equal(t, exitClean, code, c.args)
		require.Equal(t, c.want, stderr.Len() > 0, "%v %v: %q", c.args, c.terminal, stderr.String())
	}
}

// TestStageProgress draws a bar for each stage that takes long, and none where there is no terminal.
func TestStageProgress(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		var stderr bytes.Buffer
		p := newStageProgress(&env{stderr: &stderr, errTerm: terminal}, "dir/dump.rdb", true)
		p.at("(heal)", 0, 100)
		p.since = p.since.Add(-2 * patience)
		p.at("(heal)", 10, 100)
		p.at("(heal)", 20, 200)
		p.at("(salvage)", 0, 50)
		p.since = p.since.Add(-2 * patience)
		p.at("(salvage)", 25, 50)
		p.done()
		for _, stage := range []string{"dump.rdb (heal)", "dump.rdb (salvage)"} {
			if strings.Contains(stderr.String(), stage) != terminal {
				t.Errorf("terminal %v: %q", terminal, stderr.String())
			}
		}
	}
}
