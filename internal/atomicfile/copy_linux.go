package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// copyRange has the system copy n bytes of src, from an offset on, to where dst is. It returns how many it copied: all, or those before something that is left
// to be met by reading and writing.
func copyRange(dst, src *os.File, from, n int64) (done int64) {
	in, err := src.SyscallConn()
	if err != nil {
		return 0
	}
	out, err := dst.SyscallConn()
	if err != nil {
		return 0
	}
	_ = in.Control(func(r uintptr) {
		_ = out.Control(func(w uintptr) {
			for done < n {
				k, err := unix.CopyFileRange(int(r), &from, int(w), nil, int(min(n-done, 1<<30)), 0)
				if err == unix.EINTR {
					continue
				}
				if err != nil || k <= 0 {
					return
				}
				done += int64(k)
			}
		})
	})
	return done
}
