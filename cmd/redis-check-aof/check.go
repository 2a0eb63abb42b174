package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kvfsck/kvfsck/aof"
)

// checker is one run of the program. Its methods print, as they go, what the original prints; those that return a bool return false
// where the original ends with status 1.
type checker struct {
	request
	name string // of the program
	in   io.Reader
	out  *bufio.Writer

	line   int64 // ends of line passed, in all files
	reader *aof.Reader
}

func newChecker(in io.Reader, out io.Writer) *checker {
	return &checker{in: in, out: bufio.NewWriter(out), line: 1, reader: &aof.Reader{}}
}

func (c *checker) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// fail prints the last line of a run.
func (c *checker) fail(format string, args ...any) bool {
	c.printf(format, args...)
	return false
}

// outcome is how the check of a file ended if it did not end the run.
type outcome uint8

const (
	valid outcome = iota
	empty
	cut
	cutToTime
	ended // it did
)

// check looks at the file and goes on as its kind asks for.
func (c *checker) check() bool {
	manifest, ok := c.isManifest(c.path)
	if !ok {
		return false
	}
	if manifest {
		return c.multiPart()
	}
	preamble, ok := c.isRDB(c.path)
	if !ok {
		return false
	}
	c.printf("Start checking Old-Style AOF\n")
	return c.verdict(c.file(c.path, c.path, true, preamble), c.path, "AOF")
}

// multiPart checks the files of a manifest in the order of loading.
func (c *checker) multiPart() bool {
	c.printf("Start checking Multi Part AOF\n")
	m, ok := c.manifest()
	if !ok {
		return false
	}
	base, incrs := m.Base(), m.Of(aof.Incr)
	if base != nil {
		path := c.join(base.Name)
		preamble, ok := c.isRDB(path)
		if !ok {
			return false
		}
		c.printf("Start to check BASE AOF (%s format).\n", map[bool]string{true: "RDB", false: "RESP"}[preamble])
		if !c.verdict(c.file(base.Name, path, len(incrs) == 0, preamble), base.Name, "BASE AOF") {
			return false
		}
	}
	if len(incrs) > 0 {
		c.printf("Start to check INCR files.\n")
	}
	for i, e := range incrs {
		if !c.verdict(c.file(e.Name, c.join(e.Name), i == len(incrs)-1, false), e.Name, "INCR AOF") {
			return false
		}
	}
	c.printf("All AOF files and manifest are valid\n")
	return true
}

// join returns the path of a file beside the manifest, as the original prints it.
func (c *checker) join(name string) string {
	dir := strings.TrimRight(c.path, "/")
	switch i := strings.LastIndexByte(dir, '/'); {
	case i < 0:
		dir = "."
	default:
		if dir = strings.TrimRight(dir[:i], "/"); dir == "" {
			dir = "/"
		}
	}
	if dir == "." && filepath.Separator != '/' {
		dir = filepath.Dir(c.path)
	}
	return dir + "/" + name
}

func (c *checker) verdict(o outcome, name, kind string) bool {
	switch o {
	case valid:
		c.printf("%s %s is valid\n", kind, name)
	case empty:
		c.printf("%s %s is empty\n", kind, name)
	case cut:
		c.printf("Successfully truncated AOF %s\n", name)
	case cutToTime:
		c.printf("Successfully truncated AOF %s to timestamp %d\n", name, c.until)
	}
	return o != ended
}

// end prints the last line of a run that a file ends.
func (c *checker) end(format string, args ...any) outcome {
	c.printf(format, args...)
	return ended
}

// file checks one file. name is what most lines call it, path where it is.
func (c *checker) file(name, path string, last, preamble bool) outcome {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // for writing too, even if nothing is to be written, as the original does
	if err != nil {
		return c.end("Cannot open file %s: %s, aborting...\n", path, reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return c.end("Cannot stat file: %s, aborting...\n", name)
	}
	if info.Size() == 0 {
		return empty
	}
	t := target{checker: c, f: f, name: name, path: path, last: last, size: info.Size()}
	start := int64(0)
	if preamble {
		ok := false
		if start, ok = t.rdbPart(f); !ok {
			return ended
		}
	}
	if _, err := f.Seek(start, io.SeekStart); err != nil {
		return c.end("Failed to fseek in AOF %s: %s", name, reason(err))
	}
	r := c.reader
	r.Reset(f, aof.ReaderOptions{Strictness: aof.AsChecker, Skim: true, NoPreamble: true, Offset: start})
	if t.until == 0 {
		r.Advance(context.Background(), aof.AdvanceOptions{})
	}
	if o, done := t.commands(r); done {
		return o
	}
	return t.judge(r)
}

// target is the file being checked.
type target struct {
	*checker
	f          *os.File
	name, path string
	last       bool
	size       int64
}

// commands reads to the end or the first fault. done says that a timestamp or an error of reading settled the matter.
func (t *target) commands(r *aof.Reader) (o outcome, done bool) {
	for r.Next() {
		if t.until == 0 {
			continue
		}
		if a, ok := r.Record().(*aof.Annotation); ok && a.IsTimestamp() {
			ts, ok := a.Timestamp()
			if !ok {
				return t.end("Invalid timestamp annotation\n"), true
			}
			if ts > t.until {
				return t.cutBefore(a.Offset), true
			}
		}
	}
	t.line += r.Position().Lines
	var fe *aof.FormatError
	if err := r.Err(); err != nil && !errors.As(err, &fe) {
		return t.end("Failed to read from AOF %s, aborting...\n", t.name), true
	}
	if fe != nil && fe.Code == aof.CodeNoRecord {
		t.printf("AOF %s format error\n", t.name)
	}
	if fe != nil {
		if line := fe.CheckerLine(t.path); line != "" {
			t.printf("%s\n", line)
		}
	}
	return 0, false
}

// cutBefore cuts the file before an annotation of too late a time.
func (t *target) cutBefore(offset int64) outcome {
	switch {
	case offset == 0:
		return t.end("AOF %s has nothing before timestamp %d, aborting...\n", t.path, t.until)
	case !t.last:
		t.printf("Failed to truncate AOF %s to timestamp %d to offset %d because it is not the last file.\n", t.path, t.until, offset)
		return t.end("If you insist, please delete all files after this file according to the manifest "+
			"file and delete the corresponding records in manifest file manually. Then re-run %s.\n", t.checker.name)
	}
	if err := t.truncate(offset); err != nil {
		return t.end("Failed to truncate AOF %s to timestamp %d\n", t.path, t.until)
	}
	return cutToTime
}

// judge says how far the file is valid, and does what was asked for about the rest.
func (t *target) judge(r *aof.Reader) outcome {
	end := r.Position().Valid
	diff := t.size - end
	if diff == 0 && t.until != 0 {
		t.printf("Truncate nothing in AOF %s to timestamp %d\n", t.name, t.until)
		return valid
	}
	t.printf("AOF analyzed: filename=%s, size=%d, ok_up_to=%d, ok_up_to_line=%d, diff=%d\n", t.name, t.size, end, t.line, diff)
	switch {
	case diff <= 0:
		return valid
	case !t.fix:
		return t.end("AOF %s is not valid. Use the --fix option to try fixing it.\n", t.name)
	case !t.last:
		return t.end("Failed to truncate AOF %s because it is not the last file\n", t.name)
	}
	t.printf("This will shrink the AOF %s from %d bytes, with %d bytes, to %d bytes\n", t.name, t.size, diff, end)
	t.printf("Continue? [y/N]: ")
	if !t.confirmed() {
		return t.end("Aborting...\n")
	}
	if err := t.truncate(end); err != nil {
		return t.end("Failed to truncate AOF %s\n", t.name)
	}
	return cut
}

// confirmed reads the answer: one byte.
func (c *checker) confirmed() bool {
	if c.yes {
		return true
	}
	c.out.Flush()
	var b [1]byte
	n, _ := io.ReadFull(c.in, b[:])
	return n == 1 && b[0]|0x20 == 'y'
}

// reason is what C's strerror says of an error.
func reason(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		if text := no.Error(); text != "" {
			return strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return err.Error()
}
