// Bench compares this module's programs with the servers' own checkers, as whole processes on generated inputs: throughput, and peak
// memory as the kernel accounts it.
//
//	go run ./internal/bench                       about 800 MB of inputs, a few minutes
//	go run ./internal/bench -mixed 20 -large 10 -tables 10 -random 10 -json 10 -aof 10 -set 10 -count 1
//
// Inputs and programs are made in a temporary directory and removed afterwards. The real checkers are those on PATH, and the newest
// in the folder of the tests (see package internal/oracle); what is missing is left out. Sizes are in MB, 10^6 bytes. Of each work
// the fastest of -count runs counts. The inputs are in the page cache.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/kvfsck/kvfsck/internal/oracle"
)

func main() {
	var o options
	flag.Int64Var(&o.mixed, "mixed", 200, "MB of keys of all kinds, most of them small")
	flag.Int64Var(&o.large, "large", 100, "MB of keys of all kinds with more elements, and many streams")
	flag.Int64Var(&o.tables, "tables", 100, "MB of hashes, sets and sorted sets of tens of thousands of elements")
	flag.Int64Var(&o.random, "random", 100, "MB of strings of 1 KB that nothing compresses")
	flag.Int64Var(&o.json, "json", 100, "MB of JSON strings of 6 KB, compressed by LZF")
	flag.Int64Var(&o.aof, "aof", 100, "MB of commands with large arguments and payloads")
	flag.Int64Var(&o.set, "set", 100, "MB of a set: a snapshot of small keys, and small commands behind it")
	flag.IntVar(&o.count, "count", 3, "runs of each work")
	flag.StringVar(&o.generate, "generate", "", "only write the inputs, to this directory")
	flag.Parse()
	run := o.run
	if o.generate != "" {
		run = func() error { return o.write(o.generate) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	mixed, large, tables, random, json, aof, set int64 // MB

	count    int
	generate string
}

// run makes inputs and programs and prints the table. The inputs are made by a process of their own: the peak memory of a child is at least
// what its parent had when it began.
func (o *options) run() error {
	dir, err := os.MkdirTemp("", "kvfsck-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"-generate", dir}
	for name, mb := range map[string]int64{"mixed": o.mixed, "large": o.large, "tables": o.tables, "random": o.random, "json": o.json, "aof": o.aof, "set": o.set} {
		args = append(args, fmt.Sprintf("-%s=%d", name, mb))
	}
	if err := command(dir, self, args...); err != nil {
		return err
	}
	bin, err := build(dir)
	if err != nil {
		return err
	}
	return o.table(dir, bin)
}

// command runs a program that has to succeed.
func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

// programs are ours.
var programs = []string{"kvfsck", "redis-check-rdb", "redis-check-aof"}

// build builds our programs into the directory and returns their paths by name.
func build(dir string) (map[string]string, error) {
	bin := map[string]string{}
	for _, name := range programs {
		bin[name] = filepath.Join(dir, "bin-"+name)
		if runtime.GOOS == "windows" {
			bin[name] += ".exe"
		}
		if err := command("", "go", "build", "-o", bin[name], "github.com/kvfsck/kvfsck/cmd/"+name); err != nil {
			return nil, err
		}
	}
	return bin, nil
}

// work is what is measured: our program on an input, and the real one that does the same, if there is one.
type work struct {
	input  string
	ours   []string // program and arguments before the input
	theirs string
}

var works = func() (w []work) {
	for _, input := range []string{"mixed.rdb", "large.rdb", "tables.rdb", "random.rdb", "json.rdb"} {
		w = append(w, work{input, []string{"redis-check-rdb"}, oracle.RedisCheckRDB},
			work{input, []string{"kvfsck", "check", "-q"}, oracle.RedisCheckRDB},
			work{input, []string{"kvfsck", "export", "--format", "jsonl"}, ""})
	}
	for _, input := range []string{"log.aof", setManifest} {
		w = append(w, work{input, []string{"redis-check-aof"}, oracle.RedisCheckAOF}, work{input, []string{"kvfsck", "check", "-q"}, oracle.RedisCheckAOF})
	}
	return w
}()

func (o *options) table(dir string, bin map[string]string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "input\tMB\twork\tMB/s ours\tMB/s theirs\tratio\tpeak MB ours\tpeak MB theirs\ttheirs\t")
	for _, k := range works {
		path := filepath.Join(dir, k.input)
		size, err := sizeOf(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // a size of 0
		} else if err != nil {
			return err
		}
		mb := float64(size) / 1e6
		ours, err := o.best(dir, append(append([]string{bin[k.ours[0]]}, k.ours[1:]...), path))
		if err != nil {
			return err
		}
		name := k.ours[0]
		if len(k.ours) > 1 {
			name += " " + k.ours[1]
		}
		real := rivals(k.theirs)
		if len(real) == 0 {
			fmt.Fprintf(w, "%s\t%.0f\t%s\t%.0f\t\t\t%s\t\t\t\n", k.input, mb, name, mb/ours.seconds, ours.peak())
		}
		for _, r := range real {
			theirs, err := o.best(dir, []string{r.path, path})
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s\t%.0f\t%s\t%.0f\t%.0f\t%.1f\t%s\t%s\t%s\t\n", k.input, mb, name, mb/ours.seconds, mb/theirs.seconds,
				theirs.seconds/ours.seconds, ours.peak(), theirs.peak(), r.name)
		}
	}
	return w.Flush()
}

// sizeOf returns the size of an input, of a set that of all its files.
func sizeOf(path string) (size int64, err error) {
	files := []string{path}
	if filepath.Ext(path) == ".manifest" {
		if _, err := os.Stat(path); err != nil {
			return 0, err
		}
		files, err = filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	}
	for _, f := range files {
		info, e := os.Stat(f)
		if e != nil {
			return 0, e
		}
		size += info.Size()
	}
	return size, err
}

// rival is a real checker.
type rival struct{ name, path string }

// rivals finds the real checkers of that name.
func rivals(name string) (found []rival) {
	if name == "" {
		return nil
	}
	if path, err := exec.LookPath(name); err == nil {
		found = append(found, rival{"on PATH", path})
	}
	for _, release := range []string{oracle.Redis86} {
		if path, ok := oracleProgram(release, name); ok {
			found = append(found, rival{release, path})
		}
	}
	return found
}

// measure is what a run took.
type measure struct {
	seconds float64
	rss     int64 // bytes; 0 where the system does not tell
}

func (m measure) peak() string {
	if m.rss == 0 {
		return "?"
	}
	return fmt.Sprintf("%.0f", float64(m.rss)/1e6)
}

// best runs a program several times and returns the fastest run, with the greatest peak of all.
func (o *options) best(dir string, args []string) (best measure, err error) {
	for i := range max(o.count, 1) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		start := time.Now()
		if err := cmd.Run(); err != nil {
			return best, fmt.Errorf("%s: %w", args[0], err)
		}
		m := measure{time.Since(start).Seconds(), maxRSS(cmd.ProcessState)}
		if i == 0 || m.seconds < best.seconds {
			best.seconds = m.seconds
		}
		best.rss = max(best.rss, m.rss)
	}
	return best, nil
}
