package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// aofContest compares our redis-check-aof with a real one, as processes.
type aofContest struct {
	release release
	dir     string
	bin     string
	path    string
	text    bool
}

// newAOFContest builds our program.
func newAOFContest(o *options, r release, dir string) (contest, error) {
	c := &aofContest{release: r, dir: dir, bin: filepath.Join(dir, "ours"), path: o.path, text: o.text && r.newest() && !r.valkey}
	if runtime.GOOS == "windows" {
		c.bin += ".exe"
	}
	cmd := exec.Command("go", "build", "-o", c.bin, "github.com/kvfsck/kvfsck/cmd/redis-check-aof")
	cmd.Stderr = os.Stderr
	return c, cmd.Run()
}

func (c *aofContest) sample(seed uint64) sample {
	base := seed / damagesOf
	targets := c.release.targets()
	newest := targets[len(targets)-1]
	if c.release.valkey {
		newest = rdb.Version11 // its checker takes the base of its own server for commands
	}
	files, _ := fuzz.AOFSet(base, fuzz.AnyAOFOptions(base, newest))
	name := "none"
	if seed%(2*damagesOf) != 0 {
		var m fuzz.Mutation
		files, m = fuzz.MutateSet(seed, files)
		name = m.String()
	}
	return logSample(seed, name, files)
}

func logSample(seed uint64, name string, files fuzz.Files) sample {
	s := sample{seed: seed, name: name, log: files}
	for _, f := range files {
		s.data = append(s.data, f.Data...)
	}
	return s
}

// run writes the files and runs a checker on the manifest, or on the one file.
func (c *aofContest) run(program string, patience time.Duration, s *sample) (verdict, error) {
	dir := filepath.Join(c.dir, "log")
	if err := os.RemoveAll(dir); err != nil {
		return verdict{}, err
	}
	files := s.log.(fuzz.Files)
	if err := files.WriteTo(dir); err != nil || len(files) == 0 {
		return verdict{}, err
	}
	v, err := runReal(dir, patience, program, filepath.FromSlash(files[0].Name))
	v.plain = masked(v.text)
	return v, err
}

func (c *aofContest) ours(s *sample) verdict {
	v, err := c.run(c.bin, patience, s)
	if err != nil {
		v.text += err.Error()
	}
	if v.hung {
		v.codes = []string{oursHangs}
	} else if strings.Contains(v.text, "goroutine ") {
		v.codes = []string{oursPanics}
	}
	if !c.text {
		v.plain = ""
	}
	return v
}

func (c *aofContest) theirs(s *sample, patience time.Duration) (verdict, error) {
	return c.run(c.path, patience, s)
}

// staleByte is a byte behind the end of a line, which the real program takes from its buffer.
var staleByte = regexp.MustCompile(`got: ([0-9a-f]{2})[0-9a-f]{2}\b`)

// masked is plain without what the real program prints by accident.
func masked(text string) string { return staleByte.ReplaceAllString(plain(text), "got: ${1}..") }

// smaller leaves out files but the first, and lines of the last.
func (c *aofContest) smaller(s *sample) (out []sample) {
	files := s.log.(fuzz.Files)
	for i := range files {
		data := files[i].Data
		for size := len(data) / 2; size > 0 && len(out) < 300; size /= 2 {
			for from := 0; from < len(data) && len(out) < 300; from += size {
				less := append(fuzz.Files{}, files...)
				less[i].Data = append(append([]byte{}, data[:from]...), data[min(from+size, len(data)):]...)
				out = append(out, logSample(s.seed, s.name, less))
			}
		}
	}
	return out
}

func (c *aofContest) save(dir string, s *sample) error { return s.log.(fuzz.Files).WriteTo(dir) }

func (c *aofContest) close() { os.RemoveAll(c.dir) }
