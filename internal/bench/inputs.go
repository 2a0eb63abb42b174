package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// target is the newest version that Debian's checkers read.
const target = rdb.Version10

// mostlySmall are the weights of a snapshot of small keys: about 120 bytes each, half of them strings, all kinds in it.
var mostlySmall = fuzz.Weights{String: 55, List: 8, Set: 10, SortedSet: 10, Hash: 16, Stream: 1}

// write makes the inputs.
func (o *options) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, in := range []struct {
		name string
		mb   int64
		opt  fuzz.RDBOptions
	}{
		{"mixed.rdb", o.mixed, fuzz.RDBOptions{Weights: mostlySmall, Elements: 6, Edge: fuzz.Never, Databases: 1}},
		{"large.rdb", o.large, fuzz.RDBOptions{Elements: 40}},
		{"tables.rdb", o.tables, fuzz.RDBOptions{Weights: fuzz.Weights{Set: 1, SortedSet: 1, Hash: 1}, Elements: 30_000, Edge: fuzz.Never}},
		{"random.rdb", o.random, fuzz.RDBOptions{Weights: fuzz.Weights{String: 1}, Strings: fuzz.StringsRandom, StringSize: 1000, Edge: fuzz.Never}},
		{"json.rdb", o.json, fuzz.RDBOptions{Weights: fuzz.Weights{String: 1}, Strings: fuzz.StringsJSON, StringSize: 6000, Edge: fuzz.Never}},
	} {
		if in.mb <= 0 {
			continue
		}
		in.opt.Target, in.opt.Bytes = target, in.mb*1e6
		if err := toFile(filepath.Join(dir, in.name), func(w io.Writer) error { return fuzz.WriteRDB(w, 1, in.opt, nil) }); err != nil {
			return err
		}
	}
	if o.aof > 0 {
		if err := toFile(filepath.Join(dir, "log.aof"), o.log); err != nil {
			return err
		}
	}
	if o.set > 0 {
		return o.logSet(filepath.Join(dir, setDir))
	}
	return nil
}

func toFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	if e := w.Flush(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// log writes the commands that make generated keys. What is restored from a payload has about the size that it has in the RDB, the rest is larger, so the
// RDB may be that large at most.
func (o *options) log(w io.Writer) error {
	return commands(w, o.aof*1e6, fuzz.RDBOptions{Target: target, Bytes: o.aof * 1e6 * 2 / 3})
}

// commands writes about as many bytes of commands, at most: those that make the keys of such an RDB.
func commands(w io.Writer, most int64, opt fuzz.RDBOptions) error {
	l := aof.NewWriter(w)
	var failed error
	err := fuzz.WriteRDB(io.Discard, 2, opt, func(k *fuzz.Key) {
		if failed == nil && l.Offset() < most {
			failed = fuzz.WriteCommands(l, target, k)
		}
	})
	if err == nil {
		err = failed
	}
	if e := l.Flush(); err == nil {
		err = e
	}
	return err
}

// The set: a snapshot of small keys, and as many bytes of commands that make such keys.
const (
	setDir      = "set"
	setManifest = setDir + "/appendonly.aof.manifest"
)

func (o *options) logSet(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	const base, incr = "appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof"
	small := fuzz.RDBOptions{Target: target, Bytes: o.set * 1e6 / 2, Weights: mostlySmall, Elements: 6, Edge: fuzz.Never, Databases: 1}
	if err := toFile(filepath.Join(dir, base), func(w io.Writer) error { return fuzz.WriteRDB(w, 1, small, nil) }); err != nil {
		return err
	}
	if err := toFile(filepath.Join(dir, incr), func(w io.Writer) error { return commands(w, o.set*1e6/2, small) }); err != nil {
		return err
	}
	return toFile(filepath.Join(dir, filepath.Base(setManifest)), func(w io.Writer) error {
		_, err := io.WriteString(w, "file "+base+" seq 1 type b\nfile "+incr+" seq 1 type i\n")
		return err
	})
}
