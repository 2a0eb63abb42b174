package main

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/input"
)

// patience is how long something takes before a progress bar is shown.
const patience = 500 * time.Millisecond

// progress shows how much of a file has been read, on a terminal. The zero value shows nothing.
type progress struct {
	env   *env
	name  string
	size  int64        // -1: unknown
	read  func() int64 // how much was
	label string       // behind the name
	since time.Time
	bar   *progressbar.ProgressBar
}

// newProgress returns a progress of reading in, which shows nothing unless the standard error is a terminal and show is set.
func newProgress(e *env, in *input.Input, show bool) *progress {
	if !e.errTerm || !show {
		return &progress{}
	}
	return &progress{env: e, name: filepath.Base(in.Name), size: in.Size, read: in.Consumed, since: time.Now()}
}

// logProgress is the progress of reading the files of a set.
type logProgress struct {
	progress
	starts []int64 // of each file among all bytes
	passed int64
}

func newLogProgress(e *env, set *aof.Set, show bool) *logProgress {
	p := &logProgress{}
	if !e.errTerm || !show {
		return p
	}
	total := int64(0)
	for i := range set.Files {
		p.starts = append(p.starts, total)
		total += set.Files[i].Size
	}
	p.progress = progress{env: e, name: "append-only files", size: total, read: func() int64 { return p.passed }, since: time.Now()}
	return p
}

// at is called with how far the reading has come.
func (p *logProgress) at(file int, offset int64) {
	if p.read != nil {
		p.passed = p.starts[file] + offset
		p.update()
	}
}

// stageProgress is the progress of the stages of a repair, one bar after the other.
type stageProgress struct {
	progress
	doing int64
}

func newStageProgress(e *env, path string, show bool) *stageProgress {
	p := &stageProgress{}
	if e.errTerm && show {
		p.progress = progress{env: e, name: filepath.Base(path)}
		p.read = func() int64 { return p.doing }
	}
	return p
}

// at is called with how much of a stage is done, in a unit of its own.
func (p *stageProgress) at(stage string, done, total int64) {
	if p.read == nil {
		return
	}
	switch {
	case stage != p.label:
		p.done()
		p.bar, p.label, p.size, p.since = nil, stage, total, time.Now()
	case total != p.size: // the search led to more work
		p.size = total
		if p.bar != nil {
			p.bar.ChangeMax64(total)
		}
	}
	p.doing = done
	p.update()
}

// update is called now and then while the file is read.
func (p *progress) update() {
	if p.read == nil {
		return
	}
	if p.bar == nil {
		if time.Since(p.since) < patience {
			return
		}
		p.bar = progressbar.NewOptions64(p.size,
			progressbar.OptionSetWriter(p.env.stderr),
			progressbar.OptionSetDescription(strings.TrimSpace(safe(p.name)+" "+p.label)),
			progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetWidth(30),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine of its own draws, unsynchronised with Clear
		)
	}
	p.bar.Set64(p.read()) // a bar that cannot be drawn is no reason to stop
}

// done takes the bar away.
func (p *progress) done() {
	if p.bar != nil {
		p.bar.Clear() // as above
	}
}
