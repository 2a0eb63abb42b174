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
	for _, in := range []struct {
		name string
		mb   int64
		opt  fuzz.RDBOptions
	}{
		{"mixed.rdb", o.mixed, fuzz.RDBOptions{Weights: mostlySmall, Elements: 6, Edge: fuzz.Never, Databases: 1}},
		{"large.rdb", o.large, fuzz.RDBOptions{Elements: 40}},
		{"random.rdb", o.random, fuzz.RDBOptions{Weights: fuzz.Weights{String: 1}, Strings: fuzz.StringsRandom, StringSize: 1000, Edge: fuzz.Never}},
		{"json.rdb", o.json, fuzz.RDBOptions{Weights: fuzz.Weights{String: 1}, Strings: fuzz.StringsJSON, StringSize: 2000, Edge: fuzz.Never}},
	} {
		if in.mb <= 0 {
			continue
		}
		in.opt.Target, in.opt.Bytes = target, in.mb*1e6
		if err := toFile(filepath.Join(dir, in.name), func(w io.Writer) error { return fuzz.WriteRDB(w, 1, in.opt, nil) }); err != nil {
			return err
		}
	}
	if o.aof <= 0 {
		return nil
	}
	return toFile(filepath.Join(dir, "log.aof"), o.log)
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
	l := aof.NewWriter(w)
	var failed error
	opt := fuzz.RDBOptions{Target: target, Bytes: o.aof * 1e6 * 2 / 3}
	err := fuzz.WriteRDB(io.Discard, 2, opt, func(k *fuzz.Key) {
		if failed == nil {
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
