package aof

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkRun compares commands passed in a row with those passed one by one, from the beginning of b.
func checkRun(t *testing.T, b []byte, limit int) {
	t.Helper()
	var run plainRun
	n := run.pass(b, 0, limit)
	odd := false // a command without arguments, or without a name
	for k := range n {
		start, end := run.starts[k], run.starts[k+1]
		_, argc, _, body, to := plainCommand(b, start, nil, skimArgs)
		require.Less(t, start, limit)
		if to == 0 {
			argc, at := plainHeader(b, start)
			size, _ := plainHeader(b, at)
			odd = argc == 0 || size == 0
			require.True(t, odd, "command %d, at %d of %q", k, start, b)
			break
		}
		require.Positive(t, argc)
		require.Equal(t, []int{to, body}, []int{end, run.bodies[k+1]}, "command %d, at %d of %q", k, start, b)
	}
	if at := run.starts[n]; hasRuns() && !odd && n < runMost-1 && at < limit && at < len(b) {
		_, _, _, _, to := plainCommand(b, at, nil, skimArgs)
		if header := bytes.IndexByte(b[at:], '\r'); to != 0 && to <= len(b)-8 && header <= 3 {
			t.Fatalf("a command at %d of %d was left: %q", at, len(b), b[at:to])
		}
	}
}

func TestPlainRun(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 1200))
	for _, s := range []string{
		"", "*", "*1\r\n", "*1\r\n$4\r\nPING\r\n", "*0\r\n*1\r\n$4\r\nPING\r\n", "*1\r\n$0\r\n\r\n", "*2\r\n$4\r\nPING\r\n", "*1\r\n$4\r\nPING\r\n$4\r\nPING\r\n",
		"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1200\r\n" + long + "\r\n*1\r\n$4\r\nPING\r\n", "*3\r\n$3\r\nSET\r\n$100\r\n" + long[:100] + "\r\n$0\r\n\r\n",
		"*12\r\n$3\r\nDEL\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nDEL\r\n*1\r\na\r\n", "$1\r\na\r\n", "#TS:1700000000\r\n*1\r\n$4\r\nPING\r\n",
	} {
		for _, tail := range []string{"", "\r\n", "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", "#TS:1700000000\r\n"} {
			b := []byte(s + tail)
			for limit := range len(b) + 2 {
				checkRun(t, b, limit)
			}
		}
	}
	in := varied(60 << 10)
	checkRun(t, in, len(in))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		from := bytes.Index(in[rng.IntN(len(in)-9000):], []byte("\n*")) + 1
		b := bytes.Clone(in[from : from+rng.IntN(3000)])
		for range rng.IntN(3) {
			if len(b) > 0 {
				b[rng.IntN(len(b))] = "*$\r\n0123456789ax"[rng.IntN(16)]
			}
		}
		checkRun(t, b, rng.IntN(len(b)+10))
	}
}

// TestAdvanceInRuns passes more commands than a run has, with special and unknown ones among them, in one stretch.
func TestAdvanceInRuns(t *testing.T) {
	for _, n := range []int{2000, 30_000} {
		b := transactions(n)
		demandAdvance(t, b)
		demandAdvance(t, append(b, "#TS:1700000000\r\n*2\r\n$4\r\nEXEC\r\n$1\r\n0\r\n"...))
		at := len(b) / 3 * 2
		at += bytes.Index(b[at:], []byte("MULTI"))
		demandAdvance(t, append(append(bytes.Clone(b[:at]), "EXEC\r\n"...), b[at:]...))
	}
}

func FuzzPlainRun(f *testing.F) {
	f.Add([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nsome content\r\n*1\r\n$4\r\nPING\r\n#TS:1\r\n"), 30)
	f.Add(varied(500), 400)
	f.Fuzz(func(t *testing.T, b []byte, limit int) { checkRun(t, b, limit) })
}

func BenchmarkPlainRun(b *testing.B) {
	in := varied(1 << 20)
	for _, most := range []int{runMost, 1} {
		b.Run(fmt.Sprint(most), func(b *testing.B) {
			var run plainRun
			args := make([][]byte, 0, skimArgs)
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				for i := 0; i < len(in)-1000; {
					if most > 1 {
						i = run.starts[run.pass(in, i, len(in))]
					} else {
						_, _, _, _, i = plainCommand(in, i, args, skimArgs)
					}
				}
			}
		})
	}
}
