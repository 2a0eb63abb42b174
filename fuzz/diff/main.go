// Diff gives the same files to this module and to a real program, and compares what they make of them.
//
//	go run ./fuzz/diff                                   1000 files, redis-check-rdb on PATH
//	go run ./fuzz/diff -n 200000 -newest -out found      a night against the newest release of the tests' folder
//	go run ./fuzz/diff -real server -newest -time 10m    the same files loaded by a server
//	go run ./fuzz/diff -real check-aof -n 5000           logs, by redis-check-aof
//
// Files are generated and, most of them, damaged by package fuzz; the same -seed gives the same files. Of every difference that no
// row of the table in classes.go explains, the file is made as small as still shows it and written to -out, with both outputs. A crash or a hang of
// the real program is no verdict: these are listed apart, one small file of each kind.
// The exit status is 1 if there was one, or if this module failed by itself: a panic, a file on which it took more than two seconds, or
// memory out of all proportion to a file.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"time"
)

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "of the first file; the following have the following")
	flag.IntVar(&o.n, "n", 1000, "how many files; 0: until -time is over")
	flag.DurationVar(&o.time, "time", 0, "stop after that time; 0: after -n files")
	flag.StringVar(&o.out, "out", "", "directory for what differs; empty: a temporary one, named at the end")
	flag.StringVar(&o.real, "real", realCheckRDB, "what to compare with: check-rdb, server or check-aof")
	flag.StringVar(&o.path, "path", os.Getenv("KVFSCK_DIFF_PATH"), "the real program; empty: that on PATH")
	flag.BoolVar(&o.newest, "newest", false, "take the real program of the newest Redis in the folder of the tests")
	flag.IntVar(&o.jobs, "jobs", min(2, runtime.NumCPU()), "how many real programs run at a time")
	flag.DurationVar(&o.shrink, "shrink", 20*time.Second, "how long a sample that is kept is made smaller")
	flag.BoolVar(&o.text, "text", true, "also compare what checkers print, where the real one is new enough")
	flag.Parse()
	if flag.NArg() > 0 || o.n == 0 && o.time == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := o.run(ctx, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "diff:", err)
		os.Exit(1)
	case !good:
		os.Exit(1)
	}
}

type options struct {
	seed   uint64
	n      int
	time   time.Duration
	out    string
	real   string
	path   string
	newest bool
	jobs   int
	text   bool
	shrink time.Duration
}

// sample is one input.
type sample struct {
	seed uint64
	name string // of what was done to it
	data []byte // an RDB
	log  any    // the files of a log, of the comparison with check-aof
}

// verdict is what a program made of a sample.
type verdict struct {
	accepts bool
	crashed bool   // a signal, or an assertion that failed
	hung    bool   // did not end in time
	text    string // what it printed, for people
	plain   string // the same without what differs from run to run; empty if it is not to be compared
	codes   []string
	place   string // of the first fault: what was being read, in the checkers' words
}

// contest is what is compared: our verdict and the real one of a sample. Both are called by one worker at a time.
type contest interface {
	sample(seed uint64) sample
	ours(s *sample) verdict
	// theirs waits so long for the real program. A server that loads has its own limit.
	theirs(s *sample, patience time.Duration) (verdict, error)
	// smaller returns variants of the sample that are smaller, to be tried in turn.
	smaller(s *sample) []sample
	save(dir string, s *sample) error
	close()
}

// run compares until enough files were seen, and prints the account.
func (o *options) run(ctx context.Context, w io.Writer) (good bool, err error) {
	if o.time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.time)
		defer cancel()
	}
	if err := o.find(); err != nil {
		return false, err
	}
	t := &tally{opt: o, start: time.Now()}
	seeds := make(chan uint64)
	go func() {
		defer close(seeds)
		for i := 0; o.n == 0 || i < o.n; i++ {
			select {
			case seeds <- o.seed + uint64(i):
			case <-ctx.Done():
				return
			}
		}
	}()
	var wg sync.WaitGroup
	errs := make(chan error, o.jobs)
	for range o.jobs {
		wg.Go(func() {
			if err := o.work(seeds, t); err != nil {
				errs <- err
				for range seeds { // so that the others end
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return false, err
	}
	return t.print(w), nil
}

// work compares samples until there are no more.
func (o *options) work(seeds <-chan uint64, t *tally) error {
	c, err := o.contest()
	if err != nil {
		return err
	}
	defer c.close()
	for seed := range seeds {
		s := c.sample(seed)
		mine := guarded(c, &s)
		real, err := c.theirs(&s, patience)
		if err != nil {
			return err
		}
		if class := t.count(&s, mine, real); class != "" {
			t.keep(c, &s, class, nameFor(class, mine, real))
		}
	}
	return nil
}
