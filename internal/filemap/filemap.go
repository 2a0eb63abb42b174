// Package filemap reads files through memory maps, which saves the copy out of the page cache: on a cached file that copy takes three times as
// long as the map's page faults.
//
// A map has two traps, and this package is the fence around them. Its pages count as resident memory of the process: [Map.Release] gives back
// those that were read. And where the file has become shorter, or its disk fails, there is nothing to read: the access is a signal,
// not an error. [Guard] makes an error of it; whoever gets that reads the same place through the file, and meets the reason.
package filemap

import (
	"errors"
	"io"
	"os"
	"runtime/debug"
)

// MinSize is the size in bytes below which a file is not worth a map.
const MinSize = 1 << 20

// Map is a part of a file in memory, for reading. The file stays open, and is the caller's to close.
type Map struct {
	file     io.ReaderAt
	await    func(n int64) error // of a growing file; nil: it is there
	offset   int64               // in the file, of data[0]
	data     []byte              // what is asked for
	pages    []byte              // data, from the beginning of its first page
	released int                 // bytes of pages
}

// Growing is a file that is read while it is being written. Size is how many bytes it is going to have. Await waits until it has n of them, or has all
// that come, and is an error if writing failed.
type Growing struct {
	File  *os.File
	Size  int64
	Await func(n int64) error
}

// ReadAt waits for what it reads.
func (g *Growing) ReadAt(p []byte, offset int64) (int, error) {
	if err := g.Await(min(offset+int64(len(p)), g.Size)); err != nil {
		return 0, err
	}
	return g.File.ReadAt(p, offset)
}

// Of returns the map of what src is going to read, if src is a regular file or an [io.SectionReader] of one or of a [Growing], if that is at least min
// bytes, and if the system has maps; otherwise it is nil. Nothing is read from src.
func Of(src io.Reader, min int64) *Map {
	f, file, offset, size := fileOf(src)
	if f == nil || size < min || size != int64(int(size)) {
		return nil
	}
	skip := int(offset % int64(os.Getpagesize()))
	pages, err := mapFile(f, offset-int64(skip), int(size)+skip)
	if err != nil {
		return nil
	}
	m := &Map{file: file, offset: offset, data: pages[skip:], pages: pages}
	if g, ok := file.(*Growing); ok {
		m.await = g.Await
	}
	return m
}

// fileOf is the regular file that src reads from, through what it reads, where, and how much there is.
func fileOf(src io.Reader) (f *os.File, file io.ReaderAt, offset, size int64) {
	size = -1
	switch src := src.(type) {
	case *os.File:
		at, err := src.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, nil, 0, 0
		}
		f, file, offset = src, src, at
	case *io.SectionReader:
		outer, at, n := src.Outer()
		read, err := src.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, nil, 0, 0
		}
		file, offset, size = outer, at+read, n-read
		switch outer := outer.(type) {
		case *os.File:
			f = outer
		case *Growing:
			f = outer.File
		default:
			return nil, nil, 0, 0
		}
	default:
		return nil, nil, 0, 0
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil, nil, 0, 0
	}
	left := st.Size()
	if g, ok := file.(*Growing); ok {
		left = g.Size
	}
	if left -= offset; size < 0 || size > left {
		size = left
	}
	return f, file, offset, size
}

// Await waits until the first n bytes are there to be read, or all, where they are of a file that is [Growing].
func (m *Map) Await(n int64) error {
	if m.await == nil {
		return nil
	}
	return m.await(m.offset + min(n, int64(len(m.data))))
}

// Bytes is all of it. To touch it is safe within [Guard] only, and behind [Map.Await].
func (m *Map) Bytes() []byte { return m.data }

// From returns a reader of what is mapped from the offset on that does not go through the map.
func (m *Map) From(offset int64) *io.SectionReader {
	return io.NewSectionReader(m.file, m.offset+offset, int64(len(m.data))-offset)
}

// hugePage is what may be mapped at once, where the page cache has it in one piece. What is released ends with such a piece: a part of one would
// come back with the next access to the rest of it, and stay.
const hugePage = 2 << 20

// releaseStep is how many bytes are given back at once: each time the other processors are interrupted.
const releaseStep = 2 * hugePage

// Release gives back what is before the offset, if it is enough to be worth it. It is not to be touched again: that would map it anew, and nothing would release it.
func (m *Map) Release(offset int64) {
	skip := len(m.pages) - len(m.data)
	end := int(offset) + skip
	end -= int((m.offset + offset) % hugePage)
	if end-m.released >= releaseStep {
		release(m.pages[m.released:end])
		m.released = end
	}
}

// Close ends the map; nothing of it may be touched any more.
func (m *Map) Close() {
	if m == nil {
		return
	}
	unmap(m.pages)
	m.data, m.pages = nil, nil
}

// ErrFault says that a part of a map could not be read.
var ErrFault = errors.New("a part of the mapped file cannot be read")

// Guard calls f, which may touch maps, and returns [ErrFault] if a part of one could not be read. What f left half done is for the caller to
// throw away.
func Guard(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // that of a fault, but no nil pointer's
			err = ErrFault
		default:
			panic(r)
		}
	}()
	f()
	return nil
}
