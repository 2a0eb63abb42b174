package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

// repairDocument is the outcome of a run as JSON.
type repairDocument struct {
	Schema  string         `json:"schema"`
	Path    report.Bytes   `json:"path"`
	Targets []repairTarget `json:"targets"` // one, or of a data directory the log and the snapshot; none if it could not be looked at
	Error   string         `json:"error,omitempty"`
}

// repairTarget is what became of a snapshot or log.
type repairTarget struct {
	Path    report.Bytes  `json:"path"`
	Kind    string        `json:"kind"`
	Verdict string        `json:"verdict"` // clean, repaired, damaged
	Offset  *report.Int   `json:"offset"`  // of the first damage of a snapshot
	Message string        `json:"message,omitempty"`
	Chosen  *string       `json:"chosen"`
	Offers  []offerRow    `json:"strategies"`
	Choices []choiceRow   `json:"choices,omitempty"` // of --choice
	Output  *report.Bytes `json:"output"`
	Backup  *report.Bytes `json:"backup"`
	Regions []regionRow   `json:"regions"`
	// Unlisted are files of a set's naming, of a set, that are not part of the result.
	Unlisted []report.Bytes `json:"unlisted,omitempty"`
	snapshotAccount
	Notes []string `json:"notes,omitempty"`
}

type offerRow struct {
	Strategy string     `json:"strategy"`
	Possible bool       `json:"possible"`
	Reason   string     `json:"reason"`
	Keys     report.Int `json:"keys"`     // of a snapshot
	Commands report.Int `json:"commands"` // of a log
	Healed   report.Int `json:"corrected"`
	Lost     report.Int `json:"lost"`                // keys or commands
	LostKeys report.Int `json:"lost_keys,omitempty"` // of a log: of its RDB parts
	// Uncertain are the commands of a log that are kept, and of which the database is not certain.
	Uncertain report.Int `json:"commands_of_uncertain_database,omitempty"`
	Bytes     report.Int `json:"bytes_left_out"`
	// Duplicates and Libraries are what is left out of a snapshot: keys of which another one of the name is kept, and function libraries.
	Duplicates report.Int `json:"duplicate_keys,omitempty"`
	Libraries  report.Int `json:"lost_libraries,omitempty"`
	// Candidates are those of heal.
	Candidates []candidateRow `json:"candidates,omitempty"`
	// Searches are those for what heals a snapshot, or the RDB parts of a log.
	Searches []searchRow `json:"searches,omitempty"`
}

// searchRow is the cost of a search for what heals, and what it came to.
type searchRow struct {
	File    report.Bytes `json:"file,omitempty"` // of a log
	Outcome string       `json:"outcome"`
	Seconds float64      `json:"seconds"`
	Tried   []triedRow   `json:"tried"`
}

type triedRow struct {
	Kind  string     `json:"kind"`
	Tests report.Int `json:"tests"`
	Odds  float64    `json:"odds"` // that damage of another kind makes a candidate of this one
	// Skipped says why it was not looked for everywhere.
	Skipped string `json:"skipped,omitempty"`
}

// search adds the search in a file to a row; nil is none.
func (row *offerRow) search(file string, h *repair.Healing) {
	if h == nil {
		return
	}
	s := searchRow{report.Bytes(file), string(h.Outcome), h.Elapsed.Seconds(), []triedRow{}}
	for _, k := range h.Tried {
		s.Tried = append(s.Tried, triedRow{k.Kind.String(), report.Int(k.Tests), k.Odds, k.Skipped})
	}
	row.Searches = append(row.Searches, s)
}

// candidateRow is a change after which the checksum is right and the file passes the verifier.
type candidateRow struct {
	Kind      string        `json:"kind"`
	Odds      float64       `json:"odds"` // of a coincidence
	Edits     []editRow     `json:"edits"`
	Transform *transformRow `json:"transform,omitempty"`
}

// transformRow is a change to all of a range, of which there are no edits: kind says what it undoes.
type transformRow struct {
	Kind     string     `json:"kind"`
	TakenOut report.Int `json:"taken_out"` // bytes
	PutIn    report.Int `json:"put_in"`
}

func transformOf(c *repair.Candidate) *transformRow {
	if !c.Whole() {
		return nil
	}
	return &transformRow{c.Kind.String(), report.Int(c.Removed()), report.Int(max(0, c.Size-c.End))}
}

type choiceRow struct {
	Base   report.Bytes   `json:"base"`
	Incrs  []report.Bytes `json:"incrs"`
	Proven bool           `json:"proven"`
	Why    string         `json:"why"`
}

type regionRow struct {
	File     report.Bytes `json:"file,omitempty"` // of a set
	Start    report.Int   `json:"start"`
	End      report.Int   `json:"end"`
	Kind     string       `json:"kind"`
	Commands report.Int   `json:"commands,omitempty"`
	Why      string       `json:"why,omitempty"`
	Edits    []editRow    `json:"edits,omitempty"`
	Select   *int         `json:"select,omitempty"` // a SELECT is put in before
	DB       *int         `json:"db,omitempty"`     // of a log: the database in which it begins, if it is kept
	// Uncertain says that DB is that of the last SELECT that was seen, and one may be lost.
	Uncertain bool          `json:"uncertain_database,omitempty"`
	Undone    *transformRow `json:"transform,omitempty"`
	kept      bool
}

type editRow struct {
	Offset report.Int   `json:"offset"`
	Remove report.Int   `json:"remove"`
	Insert report.Bytes `json:"insert"`
}

func (d *repairDocument) write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(d)
}

func (r *repairing) document() *repairDocument {
	d := &repairDocument{Schema: report.Schema, Path: report.Bytes(r.path), Targets: []repairTarget{}}
	for _, p := range r.parts {
		if p.log != nil || p.rdb != nil {
			d.Targets = append(d.Targets, p.document())
		}
	}
	return d
}

func (p *repairPart) document() repairTarget {
	d := repairTarget{
		Path: report.Bytes(p.path), Kind: p.kind(), Verdict: string(report.Clean), Offers: []offerRow{}, Regions: p.regions(),
		snapshotAccount: snapshotAccount{[]lostRow{}, []duplicateRow{}, []libraryRow{}, []databaseRow{}},
	}
	if name := p.strategy(); name != "" {
		d.Chosen = &name
	}
	if p.log != nil {
		p.describeLog(&d)
	} else {
		p.describeSnapshot(&d)
	}
	if !p.sound() {
		d.Verdict = string(report.Damaged)
	}
	if p.output != "" {
		out := report.Bytes(p.output)
		d.Output = &out
		if !p.sound() {
			d.Verdict = "repaired"
		}
	}
	if p.backup != "" {
		backup := report.Bytes(p.backup)
		d.Backup = &backup
	}
	return d
}

func (p *repairPart) describeSnapshot(d *repairTarget) {
	if f := p.rdb.Fault; f != nil {
		at := report.Int(f.Offset)
		d.Offset, d.Message = &at, f.Message()
	}
	for _, o := range p.rdb.Offers {
		row := offerRow{
			Strategy: string(o.Strategy), Possible: o.Possible, Reason: o.Reason,
			Keys: report.Int(o.Keys), Lost: report.Int(o.Lost), Bytes: report.Int(o.Bytes), Candidates: candidateRows(o.Healing),
		}
		row.search("", o.Healing)
		if s := o.Salvaged; s != nil {
			row.Duplicates, row.Libraries = report.Int(s.DuplicateKeys), report.Int(s.LostLibraries)
		}
		d.Offers = append(d.Offers, row)
	}
	if p.spent() {
		d.Notes = append(d.Notes, spentReason)
	}
	if p.rdb.Chosen != nil && p.rdb.Chosen.Salvaged != nil {
		d.add("", p.rdb.Chosen.Salvaged)
	}
}

// spentReason says of a snapshot why the log is repaired without it.
const spentReason = "nothing of the snapshot is left; a server with appendonly yes loads the log beside it and does not look at it"

func candidateRows(h *repair.Healing) (rows []candidateRow) {
	for i := 0; h != nil && i < h.Verified(); i++ {
		c := &h.Candidates[i]
		rows = append(rows, candidateRow{c.Kind.String(), c.Odds, editRows(c.Edits), transformOf(c)})
	}
	return rows
}

func (p *repairPart) describeLog(d *repairTarget) {
	s := p.log.Salvaged
	d.Message, d.Notes = s.Blocked, s.Notes
	for i := range p.log.Found.Findings {
		if f := &p.log.Found.Findings[i]; d.Message == "" && f.Severity() == rdb.Error {
			d.Message = f.String()
		}
	}
	for _, o := range p.log.Offers {
		d.Offers = append(d.Offers, offerRow{
			Strategy: string(o.Strategy), Possible: o.Possible, Reason: o.Reason, Commands: report.Int(o.Commands),
			Healed: report.Int(o.Healed), Lost: report.Int(o.Lost), LostKeys: report.Int(o.LostKeys), Bytes: report.Int(o.Bytes),
		})
		if n := len(d.Offers) - 1; o.Result != nil {
			for i := range o.Result.Files {
				f := &o.Result.Files[i]
				d.Offers[n].Uncertain += report.Int(f.Uncertain)
				d.Offers[n].search(f.Path, f.RDBHealing)
			}
		}
		for i := 0; o.Result != nil && p.log.Chosen != nil && o.Strategy == p.log.Chosen.Strategy && i < len(o.Result.Files); i++ {
			if s := o.Result.Files[i].RDB; s != nil {
				d.add(o.Result.Files[i].Path, s)
			}
		}
	}
	if p.log.Chosen != nil {
		s = p.log.Chosen.Result
	}
	for _, name := range s.Aside {
		d.Unlisted = append(d.Unlisted, report.Bytes(path.Join(s.Dir, name)))
	}
	for _, c := range s.Choices {
		row := choiceRow{Base: report.Bytes(c.Base), Incrs: []report.Bytes{}, Proven: c.Proven, Why: c.Why}
		for _, name := range c.Incrs {
			row.Incrs = append(row.Incrs, report.Bytes(name))
		}
		d.Choices = append(d.Choices, row)
	}
}

// regions is the map of what is to be written, in file order.
func (p *repairPart) regions() []regionRow {
	rows := []regionRow{}
	switch {
	case p.spent() && p.rdb.Size > 0:
		rows = append(rows, regionRow{End: report.Int(p.rdb.Size), Kind: repair.RegionLost.String(), Why: spentReason})
	case !p.possible():
	case p.log != nil:
		for i := range p.log.Chosen.Result.Files {
			rows = append(rows, logRegions(&p.log.Chosen.Result.Files[i])...)
		}
		for _, f := range p.log.Chosen.Result.Later {
			rows = append(rows, regionRow{File: report.Bytes(f.Path), End: report.Int(f.Size), Kind: repair.AOFLater.String()})
		}
	case p.rdb.Chosen.Salvaged != nil:
		for _, r := range p.rdb.Chosen.Salvaged.Regions {
			kept := r.Kind == repair.RegionHeader || r.Kind == repair.RegionIntact || r.Kind == repair.RegionEnd
			rows = append(rows, regionRow{Start: report.Int(r.Start), End: report.Int(r.End), Kind: r.Kind.String(), kept: kept})
		}
	default:
		rows = append(rows, healedRegions("", p.rdb.Chosen.Healed, p.rdb.Size)...)
	}
	return rows
}

func logRegions(f *repair.SalvagedFile) (rows []regionRow) {
	for _, r := range f.Regions {
		if r.Kind == repair.AOFPreambleBad && f.RDBHealed != nil {
			rows = append(rows, healedRegions(f.Path, f.RDBHealed, r.End)...)
			continue
		}
		row := regionRow{
			File: report.Bytes(f.Path), Start: report.Int(r.Start), End: report.Int(r.End), Kind: r.Kind.String(),
			Commands: report.Int(r.Commands), Why: r.Why, Edits: editRows(r.Edits), Uncertain: r.Uncertain, kept: r.Kind.Kept(),
		}
		if r.Select >= 0 {
			row.Select = &r.Select
		}
		if r.Kind == repair.AOFIntact || r.Kind == repair.AOFHealed {
			row.DB = &r.DB
		}
		rows = append(rows, row)
	}
	return rows
}

func editRows(edits []repair.Edit) (rows []editRow) {
	for _, e := range edits {
		rows = append(rows, editRow{report.Int(e.Offset), report.Int(e.Remove), report.Bytes(e.Insert)})
	}
	return rows
}

// healedRegions is the map of a healed snapshot, or RDB part of a log, of that size: what was corrected, the rest, and what stands behind its end.
func healedRegions(file string, c *repair.Candidate, size int64) (rows []regionRow) {
	at := int64(0)
	put := func(row regionRow) {
		row.File = report.Bytes(file)
		rows = append(rows, row)
	}
	add := func(end int64, kind string, edits []editRow) {
		if at < end || edits != nil {
			kept := !slices.ContainsFunc(edits, func(e editRow) bool { return int(e.Remove) > len(e.Insert) })
			put(regionRow{Start: report.Int(at), End: report.Int(end), Kind: kind, Edits: edits, kept: kept})
		}
		at = end
	}
	for _, e := range c.Edits {
		add(e.Offset, repair.RegionIntact.String(), nil)
		add(e.Offset+e.Remove, regionHealed, editRows([]repair.Edit{e}))
	}
	if c.Whole() { // nothing of it is gone: what is taken out is what the damage put in
		put(regionRow{End: report.Int(c.End), Kind: regionHealed, Undone: transformOf(c), kept: true})
		at = c.End
	}
	add(c.End, repair.RegionIntact.String(), nil)
	if c.End < size {
		put(regionRow{Start: report.Int(c.End), End: report.Int(size), Kind: repair.RegionForeign.String()})
	}
	return rows
}

const regionHealed = "healed"

// quarantined is what was put into a quarantine folder.
type quarantined struct {
	dir   string
	made  bool // the folder was not there before
	files []string
}

// drop takes it out again.
func (q *quarantined) drop() (err error) {
	for _, name := range q.files {
		err = errors.Join(err, os.Remove(filepath.Join(q.dir, name)))
	}
	if q.made && err == nil {
		err = os.Remove(q.dir)
	}
	return err
}

const quarantineIndex = "index.json"

// quarantine writes the ranges that are not kept to files of their own, with an index.
func (r *repairing) quarantine(dir string) (*quarantined, error) {
	q := &quarantined{dir: dir}
	if _, err := os.Lstat(filepath.Join(dir, quarantineIndex)); err == nil {
		return q, fmt.Errorf("%s has an %s already: name another folder for --quarantine", dir, quarantineIndex)
	}
	if _, err := os.Lstat(dir); err != nil {
		q.made = true
		if err := os.MkdirAll(dir, 0o700); err != nil {
			q.made = false
			return q, err
		}
	}
	type row struct {
		File string `json:"file"`
		regionRow
	}
	index := []row{}
	for _, p := range r.parts {
		for _, reg := range p.regions() {
			if reg.kept || reg.Start == reg.End {
				continue
			}
			name := fmt.Sprintf("%012d-%s.bin", reg.Start, reg.Kind)
			if len(reg.File) > 0 {
				name = filepath.Base(string(reg.File)) + "-" + name
			}
			err := q.create(name, func(w io.Writer) error { return p.copyRange(w, reg) })
			if err != nil {
				return q, err
			}
			index = append(index, row{name, reg})
		}
	}
	b, err := json.MarshalIndent(index, "", " ")
	if err != nil {
		return q, err
	}
	return q, q.create(quarantineIndex, func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// create makes a new file in the folder.
func (q *quarantined) create(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(filepath.Join(q.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	q.files = append(q.files, name)
	return errors.Join(fill(f), f.Close())
}

// copyRange copies a range of the damaged file.
func (p *repairPart) copyRange(w io.Writer, reg regionRow) (err error) {
	src := p.src
	if src == nil {
		if src, err = os.Open(joinPath(p.root, string(reg.File))); err != nil {
			return err
		}
		defer src.Close()
	}
	_, err = io.Copy(w, io.NewSectionReader(src, int64(reg.Start), int64(reg.End-reg.Start)))
	return err
}
