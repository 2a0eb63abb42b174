package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"time"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/oracle"
)

// rdbFiles makes and shrinks RDB files.
type rdbFiles struct {
	release release
	dir     string

	base uint64 // whose file is, if that is not nil
	file []byte
}

// damagesOf is how many samples in a row are made of one file. The first of every other row is the file itself.
const damagesOf = 8

func (r *rdbFiles) sample(seed uint64) sample {
	if base := seed / damagesOf; r.file == nil || base != r.base {
		opt := fuzz.AnyOptions(base, r.release.targets()...)
		if base%3 == 0 {
			opt = opt.WithModules(base)
		}
		r.base = base
		r.file, _ = fuzz.RDB(base, opt)
	}
	if seed%(2*damagesOf) == 0 {
		return sample{seed: seed, name: "none", data: r.file}
	}
	b, m := fuzz.Mutate(seed, bytes.Clone(r.file))
	return sample{seed: seed, name: m.String(), data: b}
}

// smaller leaves out halves, quarters and so on, each with the checksum as it is and anew.
func (r *rdbFiles) smaller(s *sample) (out []sample) {
	for size := len(s.data) / 2; size > 0 && len(out) < 400; size /= 2 {
		for from := 9; from < len(s.data) && len(out) < 400; from += size {
			b := append(bytes.Clone(s.data[:from]), s.data[min(from+size, len(s.data)):]...)
			out = append(out, sample{seed: s.seed, name: s.name, data: b})
			if len(b) > 17 {
				c := bytes.Clone(b)
				binary.LittleEndian.PutUint64(c[len(c)-8:], crc64.Checksum(c[:len(c)-8]))
				out = append(out, sample{seed: s.seed, name: s.name, data: c})
			}
		}
	}
	return out
}

func (r *rdbFiles) save(dir string, s *sample) error {
	return os.WriteFile(filepath.Join(dir, "input.rdb"), s.data, 0o600)
}

func (r *rdbFiles) close() { os.RemoveAll(r.dir) }

// checkerContest compares with redis-check-rdb.
type checkerContest struct {
	rdbFiles
	path string
	text bool
}

func (c *checkerContest) ours(s *sample) verdict {
	v := asChecker(s.data).of(c.release, s.data)
	if !c.text || !c.release.newest() || c.release.valkey {
		v.plain = ""
	}
	return v
}

func (c *checkerContest) theirs(s *sample, patience time.Duration) (verdict, error) {
	if err := os.WriteFile(filepath.Join(c.dir, "x"), s.data, 0o600); err != nil {
		return verdict{}, err
	}
	return runReal(c.dir, patience, c.path, "x")
}

// serverContest compares with a server that loads the files, checking everything.
type serverContest struct {
	rdbFiles
	path    string
	loader  *oracle.Loader
	loads   int
	cleanup []func()
}

const databases = 64

func (c *serverContest) ours(s *sample) verdict {
	return asServer(s.data, databases).of(c.release, s.data)
}

// theirs loads the file. The loader is made anew now and then, as it reads the whole log of its server every time.
func (c *serverContest) theirs(s *sample, _ time.Duration) (verdict, error) {
	if c.loads%500 == 0 {
		c.end()
		c.loader = oracle.NewLoader(asTest{dir: c.dir, cleanup: &c.cleanup}, c.path, oracle.LoadOptions{
			Databases: databases, Timeout: 10 * time.Second,
		})
	}
	c.loads++
	got := c.loader.Load(s.data)
	return verdict{accepts: got.OK, crashed: got.Crashed, hung: got.TimedOut, text: got.Log}, nil
}

func (c *serverContest) end() {
	for _, f := range c.cleanup {
		f()
	}
	c.cleanup = nil
}

func (c *serverContest) close() {
	c.end()
	c.rdbFiles.close()
}
