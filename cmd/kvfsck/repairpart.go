package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/atomicfile"
	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

// repairPart is a snapshot or a log that is to be repaired.
type repairPart struct {
	path string // for people
	name string // of a snapshot, in its data directory

	src    *os.File // of a snapshot
	rdb    *repair.Plan
	beside bool // of a snapshot: there is a log, which is what a server with appendonly yes loads

	root string // of a log: the folder that its plan is made in
	file string // of a log on its own: its name there
	only string // of a set that is named by its manifest: the name without ".manifest"
	log  *repair.LogPlan

	output    string // where the repaired one is; empty: none was written
	backup    string
	unremoved error
}

// addSnapshot adds a snapshot; one that is compressed or a stream is copied first.
func (r *repairing) addSnapshot(e *env, path, name string, copied bool) (err error) {
	p := &repairPart{path: path, name: name, beside: r.target.set != nil}
	from := path
	if copied {
		if err := r.target.spool(); err != nil && !errors.As(err, &r.corrupt) {
			return operational{errors.New(explain(path, err))}
		}
		from = filepath.Join(r.target.temp, r.target.spoolName())
	}
	if p.src, err = os.Open(from); err != nil {
		return operational{errors.New(explain(path, err))}
	}
	r.parts = append(r.parts, p)
	info, err := p.src.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("only a regular file can be repaired")
	case info.Size() == 0 && !p.beside:
		err = p.src.Close()
		r.parts = nil
		e.complain("%s: the file is empty; look for another copy", path)
		return errors.Join(status(exitDamaged), err, r.tellOfFailure(e, errors.New("the file is empty")))
	}
	if err != nil {
		return operational{fmt.Errorf("%s: %w", path, err)}
	}
	return nil
}

// logOutput is where the repaired log of a data directory is, empty if none was written.
func (r *repairing) logOutput() string {
	for _, p := range r.parts {
		if p.log != nil {
			return p.output
		}
	}
	return ""
}

// logPath names the log of a data directory.
func (r *repairing) logPath() string {
	set := r.target.set
	if set.Manifest == nil && len(set.Files) == 1 {
		return joinPath(r.target.root, set.Files[0].Path)
	}
	return joinPath(r.target.root, set.Dir)
}

// addLog adds the log of a folder, or the file of that name in it.
func (r *repairing) addLog(root, file string) {
	r.parts = append(r.parts, &repairPart{path: r.path, root: root, file: file})
}

// addManifest adds the set that a manifest lists.
func (r *repairing) addManifest() {
	name := strings.TrimSuffix(filepath.Base(r.path), ".manifest")
	r.parts = append(r.parts, &repairPart{path: r.path, root: filepath.Dir(r.path), only: name})
}

func (p *repairPart) plan(ctx context.Context, opt *repairOptions, bar *stageProgress) error {
	if p.src != nil {
		info, err := p.src.Stat()
		if err == nil {
			ropt := opt.rdbOptions()
			ropt.Heal.Progress = func(done, total int64) { bar.at("(heal)", done, total) }
			ropt.Salvage.Progress = func(offset int64) { bar.at("(salvage)", offset, info.Size()) }
			p.rdb, err = repair.NewPlan(ctx, p.src, info.Size(), ropt)
		}
		return err
	}
	lopt := opt.logOptions()
	lopt.Progress = func(offset int64) { bar.at("(salvage)", offset, -1) }
	if p.only != "" {
		lopt.Discover = aof.DiscoverOptions{DirName: ".", FileName: p.only}
	}
	var err error
	p.log, err = repair.NewLogPlan(ctx, os.DirFS(p.root), p.file, lopt)
	return err
}

func (p *repairPart) sound() bool {
	if p.log != nil {
		return p.log.Sound()
	}
	return p.rdb.Sound()
}

// possible reports whether one of the strategies can be carried out.
func (p *repairPart) possible() bool {
	if p.log != nil {
		return p.log.Chosen != nil
	}
	return p.rdb.Chosen != nil
}

// spent reports whether the part is a snapshot of which nothing is left, beside a log: that is repaired, or copied, without it.
func (p *repairPart) spent() bool {
	if p.log != nil || p.sound() || p.possible() || !p.beside {
		return false
	}
	nothing := p.rdb.Size == 0
	for i := range p.rdb.Offers {
		o := &p.rdb.Offers[i]
		switch {
		case o.Databases > 0, o.Healing != nil && o.Healing.Verified() > 0:
			return false
		case o.Strategy == repair.StrategySalvage:
			nothing = nothing || o.Salvaged.Libraries == 0
		}
	}
	return nothing
}

// candidates is how many changes there are to choose from, or any number where nothing is to be chosen.
func (p *repairPart) candidates() int {
	if p.log != nil || p.sound() {
		return math.MaxInt
	}
	for i := range p.rdb.Offers {
		if h := p.rdb.Offers[i].Healing; h != nil {
			if h.Best() != nil {
				return math.MaxInt
			}
			return h.Verified()
		}
	}
	return 0
}

// databases is how many databases a server needs, where that is what is in the way, else 0.
func (p *repairPart) databases() uint64 {
	if p.possible() {
		return 0
	}
	if p.log != nil {
		for i := range p.log.Offers {
			if n := p.log.Offers[i].Databases; n > 0 {
				return n
			}
		}
		return 0
	}
	for i := range p.rdb.Offers {
		if n := p.rdb.Offers[i].Databases; n > 0 {
			return n
		}
	}
	return 0
}

// noMoreHelps reports whether something can be done if the server has no more databases than it was taken to have.
func (p *repairPart) noMoreHelps() bool {
	if p.log != nil {
		return p.log.KeysNeed() == 0
	}
	for i := range p.rdb.Offers {
		if o := &p.rdb.Offers[i]; o.Databases > 0 {
			return o.NoMore // the first is the one that would be taken
		}
	}
	return false
}

func (p *repairPart) strategy() string {
	switch {
	case !p.possible():
		return ""
	case p.log != nil:
		return string(p.log.Chosen.Strategy)
	default:
		return string(p.rdb.Chosen.Strategy)
	}
}

// kind is the part's name in documents.
func (p *repairPart) kind() string {
	switch {
	case p.log == nil:
		return report.KindRDB
	case p.log.Salvaged.ManifestName == "":
		return report.KindAOF
	default:
		return report.KindManifest
	}
}

// form is what --as calls it.
func (p *repairPart) form() string {
	if p.log != nil {
		return "aof"
	}
	return "rdb"
}

// apply writes the repaired part to dst.
func (p *repairPart) apply(ctx context.Context, dst string) error {
	if p.log == nil {
		res, err := p.rdb.Apply(ctx, dst, nil)
		return p.written(err, res != nil, dst)
	}
	res, err := p.log.Apply(ctx, dst)
	return p.written(err, res != nil, dst)
}

func (p *repairPart) written(err error, stands bool, dst string) error {
	if stands {
		p.output = dst
	}
	return err
}

// inPlace repairs the part where it is, if it needs that. One of which nothing is left stays.
func (p *repairPart) inPlace(ctx context.Context, stamp string) error {
	if p.sound() || p.spent() {
		return nil
	}
	if p.log == nil {
		backup := p.path + stamp
		res, err := p.rdb.ApplyInPlace(ctx, p.path, backup)
		if res != nil {
			p.backup = backup
		}
		return p.written(err, res != nil, p.path)
	}
	s := p.log.Salvaged
	kept := s.Dir // what is kept: the set's folder, or a file on its own
	if s.ManifestName == "" {
		kept = s.Files[0].Path
	}
	if kept = joinPath(p.root, kept); filepath.Base(kept) == "." || filepath.Base(kept) == ".." {
		abs, err := filepath.Abs(kept)
		if err != nil {
			return err
		}
		kept = abs
	}
	res, err := p.log.ApplyInPlace(ctx, p.root, kept+stamp)
	if res != nil {
		p.backup, p.unremoved = res.Backup, res.Unremoved
		return p.written(err, true, res.Path)
	}
	return err
}

// writeFolder writes a data directory with all of its parts but those of which nothing is left.
func (r *repairing) writeFolder(ctx context.Context, dst string) error {
	like, err := os.Stat(r.path)
	if err != nil {
		return err
	}
	parts := slices.DeleteFunc(slices.Clone(r.parts), (*repairPart).spent)
	err = atomicfile.WriteDir(dst, like, func(d *atomicfile.Dir) error {
		for _, p := range parts {
			if err := p.fill(ctx, d); err != nil {
				return err
			}
		}
		return nil
	}, func(dir string) error {
		for _, p := range parts {
			if err := p.prove(ctx, dir); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, atomicfile.ErrUnsynced) {
		return err
	}
	for _, p := range parts {
		p.output = dst
		if p.src != nil {
			p.output = joinPath(dst, p.name)
		}
	}
	return err
}

// fill writes the part into a folder; one that is sound as it is.
func (p *repairPart) fill(ctx context.Context, d *atomicfile.Dir) error {
	if p.log != nil {
		return p.log.FillDir(ctx, d.Mkdir, d.Write)
	}
	like, err := p.src.Stat()
	if err != nil {
		return err
	}
	return d.Write(p.name, like, func(w io.Writer) error { return p.rdb.WriteTo(ctx, w) })
}

func (p *repairPart) prove(ctx context.Context, dir string) error {
	if p.log != nil {
		_, err := p.log.Prove(ctx, os.DirFS(dir))
		return err
	}
	_, err := p.rdb.Prove(ctx, filepath.Join(dir, p.name))
	return err
}

// applyAs writes the repaired part in another form.
func (p *repairPart) applyAs(ctx context.Context, e *env, form, dst string) (err error) {
	if form == "rdb" {
		return errors.New("the commands of a log must be executed to become a snapshot: start a server on the repaired log (--as aof) and have it SAVE")
	}
	if form == "aof" {
		return p.written(p.asSet(ctx, dst), true, dst)
	}
	temp, err := os.MkdirTemp("", "kvfsck-repair-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	repaired := filepath.Join(temp, filepath.Base(p.path))
	if err := p.apply(ctx, repaired); err != nil {
		return err
	}
	p.output = ""
	if err := export(ctx, e, repaired, &exportOptions{format: "resp", output: dst}); err != nil {
		return err
	}
	return p.written(provedCommands(dst), true, dst)
}

// provedCommands reads commands as a server does.
func provedCommands(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := aof.NewReaderOptions(f, aof.ReaderOptions{Strictness: aof.AsChecker, Skim: true})
	for r.Next() {
	}
	return r.Err()
}

// Names of the set that a snapshot becomes, as servers give them.
const (
	setBase     = aof.DefaultFileName + ".1.base.rdb"
	setIncr     = aof.DefaultFileName + ".1.incr.aof"
	setManifest = aof.DefaultFileName + ".manifest"
)

// asSet writes the repaired snapshot as the set of a server with appendonly yes.
func (p *repairPart) asSet(ctx context.Context, dst string) error {
	m := aof.Manifest{Entries: []aof.ManifestEntry{
		{Name: setBase, Seq: 1, Type: aof.Base, StartOffset: aof.NoOffset, EndOffset: aof.NoOffset},
		{Name: setIncr, Seq: 1, Type: aof.Incr, StartOffset: aof.NoOffset, EndOffset: aof.NoOffset},
	}}
	text, err := m.AppendText(nil)
	if err != nil {
		return err
	}
	like, err := p.src.Stat()
	if err != nil {
		return err
	}
	files := []struct {
		name string
		fill func(io.Writer) error
	}{
		{setBase, func(w io.Writer) error { return p.rdb.WriteTo(ctx, w) }},
		{setIncr, func(io.Writer) error { return nil }},
		{setManifest, func(w io.Writer) error { _, err := w.Write(text); return err }},
	}
	return atomicfile.WriteDir(dst, folderOf{like}, func(d *atomicfile.Dir) error {
		for _, f := range files {
			if err := d.Write(f.name, like, f.fill); err != nil {
				return err
			}
		}
		return nil
	}, func(dir string) error { return provedSet(ctx, p.rdb, os.DirFS(dir)) })
}

// folderOf is a folder for a file: of the same owner, and those who may read the file may look into it.
type folderOf struct{ fs.FileInfo }

func (f folderOf) Mode() fs.FileMode {
	perm := f.FileInfo.Mode().Perm()
	return fs.ModeDir | perm | perm&0o444>>2
}

// provedSet checks the set that a snapshot became.
func provedSet(ctx context.Context, plan *repair.Plan, fsys fs.FS) error {
	set, err := aof.OpenSet(fsys, setManifest)
	if err != nil {
		return err
	}
	rep, err := set.Check(ctx, aof.CheckOptions{})
	if err != nil {
		return err
	}
	for i := range rep.Findings {
		if f := &rep.Findings[i]; f.Severity() == rdb.Error {
			return fmt.Errorf("%w: %s", repair.ErrUnproven, f)
		}
	}
	if got := rep.Files[0].RDB.Keys; got != plan.Keys() {
		return fmt.Errorf("%w: %d keys, %d were promised", repair.ErrUnproven, got, plan.Keys())
	}
	return nil
}
