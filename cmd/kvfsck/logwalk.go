package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/rdb"
)

// export has an exporter take what the path names: of a data directory the log, which is what a server with both loads if it is
// configured to have one, else the snapshot.
func (w *walk) export(ctx context.Context, to exporter) error {
	t, err := openTarget(ctx, w.env, w.path)
	defer t.close() // only read, and what is temporary is empty of interest
	var corrupt *input.CorruptError
	switch {
	case errors.As(err, &corrupt):
		w.complain("%v", corrupt)
		if t.set != nil {
			return w.exportLog(ctx, t, to)
		}
	case err != nil:
		return w.failed(ctx, err)
	case t.set != nil:
		return w.exportLog(ctx, t, to)
	case t.dir:
		inner := *w
		inner.path = joinPath(t.root, t.snapshot)
		return inner.run(ctx, to.Entry)
	default:
		return w.readInput(ctx, t.in, to.Entry)
	}
	return w.verdict()
}

// failed is the error of what could not be read.
func (w *walk) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return operational{errors.New(explain(w.path, err))}
}

// exportLog takes all of a set.
func (w *walk) exportLog(ctx context.Context, t *target, to exporter) error {
	if w.filter.keysOnly() {
		return errors.New("of a log only --db can choose: --key, --type, --expired and --no-expired are for snapshots")
	}
	if t.dir && t.snapshot != "" {
		w.env.complain("%s: what follows is the log, as with appendonly yes; the snapshot is %s", w.path, joinPath(t.root, t.snapshot))
	}
	r := t.set.Replay(aof.ReplayOptions{Reader: aof.ReaderOptions{RDB: rdb.ReaderOptions{OnFault: w.fault}}})
	defer r.Close() // a file that was only read
	name := func() string {
		if len(t.set.Files) > 1 || t.set.Manifest != nil {
			return r.File().Name
		}
		return ""
	}
	for n := 0; r.Next(); n++ {
		if n&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var err error
		switch rec := r.Record().(type) {
		case *aof.Preamble:
			err = w.snapshot(rec.RDB, to.Entry, func() {})
		case *aof.Command:
			if w.filter.wantsDB(uint64(rec.DB)) || rec.Special != aof.Ordinary {
				err = w.held(to.Command(name(), rec))
				w.taken++
			}
		}
		if err != nil {
			return err
		}
	}
	if err := w.endLog(ctx, r, to); err != nil {
		return err
	}
	return w.verdict()
}

// endLog tells why the reading of a log ended, and forgets a transaction that did not.
func (w *walk) endLog(ctx context.Context, r *aof.SetReader, to exporter) error {
	err := r.Err()
	if err == nil {
		return nil
	}
	if aerr := to.Abandon(); aerr != nil {
		return aerr
	}
	var fault *aof.FormatError
	var manifest *aof.ManifestError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &fault) || errors.As(err, &manifest) || errors.Is(err, fs.ErrNotExist):
		left := ""
		if fault != nil && r.Position().InMulti {
			left = "; the transaction that begins at offset " + string(appendInt(r.Position().Multi)) + " is left out"
		}
		w.complain("%v%s; nothing behind that is taken, %s taken before", err, left, count(w.taken, "record"))
		return nil
	}
	return w.failed(ctx, err)
}
