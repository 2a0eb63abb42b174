//go:build !purego

package aof

import "github.com/kvfsck/kvfsck/internal/cpu"

// hasRuns is whether [plainRun] is worth it: what the compiler makes of it holds in memory what should be in registers.
func hasRuns() bool { return cpu.X86().BMI2 }

// passTokens is the loop of [plainRun.pass], up to what has no header of one or two digits. Behind n commands, left arguments are to come.
func passTokens(r *plainRun, b []byte, i, n, left, limit int) (int, int, int) {
	if i > len(b)-8 {
		return i, n, left
	}
	return tokens(r, &b[0], i, n, left, len(b)-8, len(b), min(limit, len(b)))
}

// tokens is passTokens with all that it needs of b: the last place to begin at, and its length. It needs BMI2.
//
//go:noescape
func tokens(r *plainRun, b *byte, i, n, left, last, length, limit int) (iNew, nNew, leftNew int)
