package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// TestCutInPlace: where no temporary file can be written, the file is cut nevertheless.
func TestCutInPlace(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may write anywhere: only the function itself is tried")
	}
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{"d/a.aof": select0 + "junk"})
	if err := os.Chmod("d", 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod("d", 0o755) })
	var out bytes.Buffer
	if exit := run([]string{"x", "--fix", "--yes", "d/a.aof"}, strings.NewReader(""), &out, &out); exit != 0 {
		t.Error(out.String())
	}
	if b, err := os.ReadFile("d/a.aof"); err != nil || string(b) != select0 {
		t.Errorf("%q, %v", b, err)
	}
	if err := cutInPlace("d/a.aof", 3); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile("d/a.aof"); err != nil || string(b) != select0[:3] {
		t.Errorf("%q, %v", b, err)
	}
}

func TestEqual(t *testing.T) {
	long := strings.Repeat("x", 600<<10)
	if err := equal(strings.NewReader(long), iotest.HalfReader(strings.NewReader(long))); err != nil {
		t.Error(err)
	}
	for _, other := range []string{long + "x", long[1:], "", strings.Replace(long, "x", "y", 1), long[1:] + "y"} {
		if err := equal(strings.NewReader(long), strings.NewReader(other)); !errors.Is(err, errReadBack) {
			t.Errorf("%d bytes: %v", len(other), err)
		}
	}
	if err := equal(strings.NewReader(long), iotest.TimeoutReader(strings.NewReader(long))); !errors.Is(err, errReadBack) {
		t.Error(err)
	}
}

// TestChanged: a file that has grown since it was checked is not cut.
func TestChanged(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{"a": "abc"})
	f, err := os.OpenFile("a", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := target{f: f, path: "a", size: 2}
	if err := g.truncate(1); !errors.Is(err, errChanged) {
		t.Error(err)
	}
}
