package dupset

import (
	"syscall"
	"unsafe"
)

// advise asks for large pages under a large table: it is looked at all over, and a look at a page that the processor has no address
// of takes as long as one at memory.
func advise(t []slot) {
	const worth = 4 << 20
	if size := len(t) * slotSize; size >= worth {
		// The call wants whole pages, and may fail; then nothing is lost.
		page := uintptr(syscall.Getpagesize())
		skip := -uintptr(unsafe.Pointer(&t[0])) & (page - 1)
		b := unsafe.Slice((*byte)(unsafe.Pointer(&t[0])), size)
		_ = syscall.Madvise(b[skip:], syscall.MADV_HUGEPAGE)
	}
}
