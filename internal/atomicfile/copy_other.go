//go:build !linux

package atomicfile

import "os"

func copyRange(_, _ *os.File, _, _ int64) int64 { return 0 }
