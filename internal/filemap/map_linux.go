package filemap

import (
	"os"
	"syscall"
)

func mapFile(f *os.File, offset int64, size int) ([]byte, error) {
	b, err := syscall.Mmap(int(f.Fd()), offset, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err == nil {
		_ = syscall.Madvise(b, syscall.MADV_SEQUENTIAL)
	}
	return b, err
}

func release(b []byte) { _ = syscall.Madvise(b, syscall.MADV_DONTNEED) }

func unmap(b []byte) { _ = syscall.Munmap(b) }
