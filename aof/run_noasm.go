//go:build purego || !amd64

package aof

func hasRuns() bool { return false }

func passTokens(r *plainRun, b []byte, i, n, left, limit int) (int, int, int) { return i, n, left }
