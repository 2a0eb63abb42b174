//go:build amd64 || arm64

package atomicfile

import (
	"os"
	"syscall"
)

// writeOut has the system begin to write a part of a file to the disk. It is a wish: what comes of it, fsync tells.
func writeOut(f *os.File, from, n int64) {
	const syncFileRangeWrite = 2 // SYNC_FILE_RANGE_WRITE of sync_file_range(2)
	c, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = c.Control(func(fd uintptr) { _ = syscall.SyncFileRange(int(fd), from, n, syncFileRangeWrite) })
}
