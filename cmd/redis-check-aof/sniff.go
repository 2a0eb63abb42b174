package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kvfsck/kvfsck/aof"
)

// open opens a file that is not to be changed. nil, true is an empty one.
func (c *checker) open(path string) (f *os.File, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		return nil, c.fail("Cannot open file %s: %s\n", path, reason(err))
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, c.fail("Cannot stat file: %s\n", path)
	}
	if info.Size() == 0 {
		f.Close()
		return nil, true
	}
	return f, true
}

// isManifest tells a manifest by its first line that is no comment: it begins with "file".
func (c *checker) isManifest(path string) (is, ok bool) {
	f, ok := c.open(path)
	if f == nil {
		return false, ok
	}
	defer f.Close()
	r := bufio.NewReader(f)
	const chunk = 1024 // a longer line is looked at again at every chunk
	inLine := 0
	for {
		if inLine == 0 {
			start, err := r.Peek(4)
			switch {
			case len(start) > 0 && start[0] == '#':
			case string(start) == "file":
				return true, true // what follows can only confirm it
			case err != nil && err != io.EOF:
				return false, c.fail("Cannot read file: %s\n", path)
			default:
				return false, true
			}
		}
		b, err := r.ReadByte()
		if err != nil {
			return false, err == io.EOF || c.fail("Cannot read file: %s\n", path)
		}
		if inLine++; b == '\n' || inLine == chunk {
			inLine = 0
		}
	}
}

// isRDB tells whether a file begins with an RDB.
func (c *checker) isRDB(path string) (is, ok bool) {
	f, ok := c.open(path)
	if f == nil {
		return false, ok
	}
	defer f.Close()
	start := make([]byte, 8)
	n, _ := io.ReadFull(f, start)
	return aof.IsRDB(start[:n], aof.AsChecker), true
}

// manifest reads the manifest. What the original says of a bad one goes through the server's log, to standard output.
func (c *checker) manifest() (*aof.Manifest, bool) {
	f, err := os.Open(c.path)
	if err != nil {
		c.log("Fatal error: can't open the AOF manifest file %s for reading: %s", c.path, reason(err))
		return nil, false
	}
	defer f.Close()
	m, err := aof.ReadManifest(f)
	if err == nil {
		return m, true
	}
	var bad *aof.ManifestError
	if !errors.As(err, &bad) {
		bad = &aof.ManifestError{Code: aof.ManifestUnreadable}
	}
	c.log("\n*** FATAL AOF MANIFEST FILE ERROR ***\n")
	if bad.Text != nil {
		c.log("Reading the manifest file, at line %d\n", bad.Line)
		c.log(">>> '%s'\n", *bad.Text)
	}
	c.log("%s\n", bad.Message())
	return nil, false
}

// log prints as a server's log does: at most 1023 bytes, behind the process and the time.
func (c *checker) log(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	const most = 1023
	c.printf("%d:C %s # %s\n", os.Getpid(), time.Now().Format("02 Jan 2006 15:04:05.000"), text[:min(len(text), most)])
}
