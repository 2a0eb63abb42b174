package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/kvfsck/kvfsck/internal/rdbcheck"
	"github.com/kvfsck/kvfsck/rdb"
)

// Codes of what this module must never do, in the place of a rule's.
const (
	oursPanics   = "ours-panics"
	oursHangs    = "ours-hangs"
	oursDevours  = "ours-devours-memory"
	slow         = 2 * time.Second
	mostMemory   = 128 << 20 // allocated for one file, beside memoryFactor times its size
	memoryFactor = 64
)

// guarded is our verdict, with panics caught, time taken and memory counted. Memory is that of all workers, so the bound is a generous one. Time is that
// of a machine that may be busy, so what took too long is tried again: it has to be slow each time.
func guarded(c contest, s *sample) verdict { return within(slow, c, s) }

func within(slow time.Duration, c contest, s *sample) (v verdict) {
	for range 3 {
		start := time.Now()
		v = caught(c, s)
		if time.Since(start) <= slow {
			return v
		}
	}
	v.codes = []string{oursHangs}
	return v
}

func caught(c contest, s *sample) (v verdict) {
	before := allocated()
	defer func() {
		if r := recover(); r != nil {
			v = verdict{crashed: true, codes: []string{oursPanics}, text: fmt.Sprintf("%v\n%s", r, debug.Stack())}
		} else if n := allocated() - before; n > mostMemory+memoryFactor*uint64(len(s.data)) {
			v.codes = []string{oursDevours}
		}
	}()
	return c.ours(s)
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// asChecker is what the newest checker of the file's family does, as package rdb foretells it.
func asChecker(b []byte) (v verdict) {
	var out bytes.Buffer
	res := rdbcheck.Check(&out, "x", bytes.NewReader(b))
	v.accepts, v.text, v.plain = res.OK, out.String(), plain(out.String())
	v.place = placeOf(res.Report)
	for _, f := range res.Report.Faults {
		v.codes = append(v.codes, string(f.Code))
		v.text += "fault: " + f.Error() + "\n"
	}
	return v
}

// placeOf says what was being read when the first fault was met, empty if there was none.
func placeOf(rep *rdb.Report) string {
	if len(rep.Faults) == 0 {
		return ""
	}
	f := rep.Faults[0]
	if f.HasType {
		return f.Phase.String() + " " + f.Family.TypeName(f.Type)
	}
	return f.Phase.String()
}

// foreign is the code of a file of Valkey's magic, of which it is foretold that no program of Redis reads it.
const foreign = "foreign-family"

// of is the verdict as it is foretold for a release: this module reads the files of both families, and says whose a file is.
func (v verdict) of(r release, b []byte) verdict {
	if !r.valkey && bytes.HasPrefix(b, []byte("VALKEY")) && v.accepts {
		v.accepts, v.codes = false, append([]string{foreign}, v.codes...)
	}
	return v
}

// asServer is what the newest server does, with so many databases, checking everything and without modules.
func asServer(b []byte, databases uint64) (v verdict) {
	rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Databases: databases})
	v.accepts, v.text, v.place = rep.Complete, fmt.Sprintf("%v\n", err), placeOf(rep)
	for _, f := range rep.Faults {
		v.codes = append(v.codes, string(f.Code))
		v.text += "fault: " + f.Error() + "\n"
		if f.Server() == rdb.Refuses {
			v.accepts = false
		}
	}
	return v
}
