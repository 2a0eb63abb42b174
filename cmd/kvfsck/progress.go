package main

import (
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/kvfsck/kvfsck/internal/input"
)

// patience is how long something takes before a progress bar is shown.
const patience = 500 * time.Millisecond

// progress shows how much of a file has been read, on a terminal. The zero value shows nothing.
type progress struct {
	env   *env
	in    *input.Input
	since time.Time
	bar   *progressbar.ProgressBar
}

// newProgress returns a progress of reading in, which shows nothing unless the standard error is a terminal and show is set.
func newProgress(e *env, in *input.Input, show bool) *progress {
	if !e.errTerm || !show {
		return &progress{}
	}
	return &progress{env: e, in: in, since: time.Now()}
}

// update is called now and then while the file is read.
func (p *progress) update() {
	if p.in == nil {
		return
	}
	if p.bar == nil {
		if time.Since(p.since) < patience {
			return
		}
		p.bar = progressbar.NewOptions64(p.in.Size,
			progressbar.OptionSetWriter(p.env.stderr),
			progressbar.OptionSetDescription(safe(filepath.Base(p.in.Name))),
			progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetWidth(30),
			progressbar.OptionClearOnFinish(),
		)
	}
	p.bar.Set64(p.in.Consumed()) // a bar that cannot be drawn is no reason to stop
}

// done takes the bar away.
func (p *progress) done() {
	if p.bar != nil {
		p.bar.Clear() // as above
	}
}
