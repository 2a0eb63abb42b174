package rdb

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

// verifier is a run of [Verify]: the sink that all ends in.
type verifier struct {
	ctx     context.Context
	opt     VerifyOptions
	rep     *Report
	now     int64
	tally   tally
	keys    *dupset.Set
	filter  *dupset.Filter // takes the place of keys where those can be read again
	workers int            // of filter
	told    map[int64]bool // offsets of keys reported as duplicates
	libs    map[string]bool
	mods    map[ModuleID]bool
	stopped bool  // at a fault
	err     error // what kept duplicates from being looked for

	// entryAt reads the head of a key just seen again, entryFar that of any key, if it is not nil; for naming it.
	entryAt  func(k *keyNote) *Entry
	entryFar func(record int64, db uint64) *Entry
	fromFar  func() *Reader // reads all records again
	selects  []dbSelect     // as many as are worth keeping; for entryFar
}

// dbSelect is a database that is selected from an offset on.
type dbSelect struct {
	from int64
	db   uint64
}

// errStop ends a run at the first fault.
var errStop = errors.New("stop")

func newVerifier(ctx context.Context, opt VerifyOptions) *verifier {
	v := &verifier{ctx: ctx, opt: opt, libs: map[string]bool{}, mods: map[ModuleID]bool{}}
	v.rep = &Report{Types: map[TypeCount]*Count{}, DBs: map[uint64]*DBCount{}}
	if v.opt.MaxFaults == 0 {
		v.opt.MaxFaults = 1000
	}
	if opt.Now.IsZero() {
		opt.Now = time.Now()
	}
	v.now = opt.Now.UnixMilli()
	if opt.DuplicateKeys {
		v.keys = dupset.New(v.dupOptions())
	}
	return v
}

func (v *verifier) dupOptions() dupset.Options {
	return dupset.Options{MemoryLimit: v.opt.DuplicateMemory, TempDir: v.opt.TempDir}
}

func (v *verifier) close() {
	if v.keys != nil {
		v.keys.Close()
	}
	if v.filter != nil {
		v.filter.Close()
	}
}

// sequential walks the input record by record.
func (v *verifier) sequential(src io.Reader) error {
	w := newWalker(v, &v.opt, v.now)
	defer w.r.Close()
	if from := v.opt.From; from == nil {
		w.r.start(src)
	} else if err := skipTo(v.ctx, src, from.Offset); err != nil {
		return err
	} else {
		w.r.Resume(src, *from)
	}
	v.entryAt = func(*keyNote) *Entry { return &w.r.entry }
	for n := 0; w.step(); n++ {
		if n&1023 == 0 {
			if err := v.pause(w.r.Offset()); err != nil {
				return err
			}
		}
	}
	v.addTally(&w.tally)
	return v.end(w.r.Offset(), w.r.Err(), w.r.Rest)
}

// skipTo passes what stands before an offset, as far as there is so much.
func skipTo(ctx context.Context, src io.Reader, offset int64) error {
	if s, ok := src.(io.Seeker); ok {
		if _, err := s.Seek(offset, io.SeekCurrent); err == nil {
			return nil
		} // a pipe, perhaps, which is a file too
	}
	_, err := io.CopyN(io.Discard, contextReader{ctx, src}, offset)
	if err == io.EOF {
		err = nil
	}
	return err
}

// pause looks up from the work.
func (v *verifier) pause(offset int64) error {
	if v.opt.Progress != nil {
		v.opt.Progress(offset)
	}
	return v.ctx.Err()
}

// end does what is left when the walk is over: size is how far it came, err what ended it.
func (v *verifier) end(size int64, err error, rest func() io.Reader) error {
	rep := v.rep
	rep.Size = size
	var fe *FormatError
	switch {
	case errors.As(err, &fe):
		rep.Size = fe.Offset
		v.fault(fe)
		err = nil
	case errors.Is(err, errStop):
		err = nil
	}
	v.publish()
	if err = cmp.Or(err, v.err); err != nil {
		return err
	}
	if err := v.lateDuplicates(); err != nil || !rep.Complete {
		return err
	}
	if v.opt.Hints {
		v.compareHints()
	}
	if v.opt.Prefix {
		rep.Rest = rest()
		return nil
	}
	n, err := io.Copy(io.Discard, rest())
	if rep.Trailing = n; n > 0 {
		v.fault(&FormatError{Code: CodeTrailing, Offset: rep.Size, Record: rep.Size, Phase: PhaseChecksum, Family: rep.Family, Detail: fmt.Sprintf("%d of them", n)})
	}
	return err
}

// fault notes a fault and says whether to stop there.
func (v *verifier) fault(e *FormatError) error {
	if v.stopped {
		return errStop
	}
	rep := v.rep
	rep.Total++
	if len(rep.Faults) < v.opt.MaxFaults {
		rep.Faults = append(rep.Faults, e)
	}
	if rep.refused == nil && e.Server() != Accepts {
		rep.refused = e
	}
	if rep.checkerRefused == nil && e.Checker() == Refuses {
		rep.checkerRefused = e
	}
	if v.stopped = v.stopsAt(e); v.stopped {
		return errStop
	}
	return nil
}

func (v *verifier) stopsAt(e *FormatError) bool { return e.Checker() == Refuses && !v.opt.KeepGoing }

func (v *verifier) addTally(t *tally) {
	v.tally.add(t)
	for _, d := range t.before {
		v.addDB(d)
	}
	if t.db.keys > 0 {
		v.addDB(t.db)
	}
}

func (v *verifier) addDB(t dbTally) {
	db := v.db(t.db)
	db.Keys += t.keys
	db.Expires += t.expires
}

// publish puts the counts into the report.
func (v *verifier) publish() {
	rep, t := v.rep, &v.tally
	rep.Keys, rep.Expires, rep.AlreadyExpired, rep.FieldExpires = t.keys, t.expires, t.expired, t.fieldExpires
	for i := range t.types {
		if t.types[i].Keys > 0 {
			info := rep.Family.info(Type(i))
			rep.Types[TypeCount{Type(i), info.kind, info.encoding}] = &t.types[i]
		}
	}
}

func (v *verifier) other(rec Record, db uint64) {
	if v.opt.OnRecord != nil {
		v.opt.OnRecord(rec)
	}
	rep := v.rep
	switch rec := rec.(type) {
	case *Header:
		rep.Family, rep.Version = rec.Family, rec.Version
	case *Aux:
		if len(rep.Aux) < maxAuxFields {
			rep.Aux = append(rep.Aux, AuxField{cut(rec.Name), cut(rec.Value)})
		}
	case *ResizeDB:
		c := v.db(db)
		c.Hinted, c.HintedKeys, c.HintedExpires, c.hint = true, rec.Keys, rec.Expires, rec.Span
	case *SlotInfo:
		v.db(db).slots = true
	case *SelectDB:
		if len(v.selects) < maxSelects {
			v.selects = append(v.selects, dbSelect{rec.End(), rec.DB})
		}
		if v.opt.Databases > 0 && rec.DB >= v.opt.Databases {
			v.at(rec.Span, PhaseLength, db, CodeDBRange, "database %d of %d", rec.DB, v.opt.Databases)
		}
	case *Function:
		v.function(rec, db)
	case *ModuleAux:
		v.module(rec.Module, rec.Span, PhaseModuleAux, db)
	case *EOF:
		rep.Complete, rep.EOF = true, *rec
	}
}

// at reports a fault of a record that was read whole.
func (v *verifier) at(s Span, phase Phase, db uint64, code Code, detail string, args ...any) {
	v.fault(&FormatError{Code: code, Offset: s.End(), Record: s.Offset, Phase: phase, DB: db, Family: v.rep.Family, Detail: fmt.Sprintf(detail, args...)})
}

// Limits of what a report keeps.
const (
	maxAuxFields = 64
	maxAuxValue  = 1 << 10
	maxNames     = 1 << 10
	maxSelects   = 1 << 12
)

func cut(b []byte) string { return strings.Clone(string(b[:min(len(b), maxAuxValue)])) }

func (v *verifier) db(n uint64) *DBCount {
	c := v.rep.DBs[n]
	if c == nil {
		c = &DBCount{}
		if len(v.rep.DBs) < maxNames {
			v.rep.DBs[n] = c
		}
	}
	return c
}

func (v *verifier) function(rec *Function, db uint64) {
	if rec.PreGA {
		return
	}
	_, name, err := LibraryHeader(rec.Code)
	switch {
	case err != nil:
		v.at(rec.Span, PhaseFunctions, db, CodeFunctionHeader, "%v", err)
	case v.libs[name]:
		v.at(rec.Span, PhaseFunctions, db, CodeFunctionDuplicate, "%s", name)
	case len(v.libs) < maxNames:
		v.libs[name] = true
		v.rep.Libraries = append(v.rep.Libraries, name)
	}
}

// builtIn are the types of modules that are part of the servers themselves: vector sets of Redis 8.
func builtIn(f Family, id ModuleID) bool { return f == Redis && id.Name() == vectorSetName }

func (v *verifier) keyModule(id ModuleID, value Span) { v.module(id, value, PhaseValue, 0) }

func (v *verifier) module(id ModuleID, s Span, phase Phase, db uint64) {
	if v.mods[id] || len(v.mods) >= maxNames {
		return
	}
	v.mods[id] = true
	v.rep.Modules = append(v.rep.Modules, id.Name())
	if !builtIn(v.rep.Family, id) {
		v.at(s, phase, db, CodeModuleNeeded, "module type %s, version %d", id.Name(), id.Version())
	}
}

// keysSeen looks for keys among those before, some at a time because each is a wait for memory.
func (v *verifier) keysSeen(keys []keyNote) {
	for len(keys) > 0 {
		n := min(len(keys), 32)
		for i := range keys[:n] {
			v.keys.Touch(keys[i].sum)
		}
		for i := range keys[:n] {
			v.keySeen(&keys[i])
		}
		keys = keys[n:]
	}
}

// keySeen looks for the key among those before.
func (v *verifier) keySeen(k *keyNote) {
	dup, err := v.keys.Add(k.sum, k.record)
	if err != nil {
		v.noteDupError(err)
	}
	if !dup {
		return
	}
	v.rep.Duplicates++
	if v.told == nil {
		v.told = map[int64]bool{}
	}
	if len(v.told) < dupset.DefaultMaxDups {
		v.told[k.record] = true
	}
	if rep := v.rep; len(rep.Faults) >= v.opt.MaxFaults && rep.refused != nil && !v.stopped {
		rep.Total++ // nobody will look at it
		return
	}
	v.fault(v.duplicate(k.record, k.db, v.entryAt(k)))
}

func (v *verifier) noteDupError(err error) {
	if v.err == nil {
		v.err = fmt.Errorf("looking for duplicate keys: %w", err)
	}
}

// duplicate is the fault of a key that stood before; the entry is nil if it cannot be read again.
func (v *verifier) duplicate(record int64, db uint64, entry *Entry) *FormatError {
	e := &FormatError{Code: CodeDuplicateKey, Offset: record, Record: record, Phase: PhaseKey, DB: db, Family: v.rep.Family}
	if entry != nil {
		e.Offset, e.Key, e.HasType, e.Type = entry.ValueOffset, append([]byte{}, entry.Key...), true, entry.Type
	}
	return e
}

// lateDuplicates reports the duplicate keys that were found only when all had been seen.
func (v *verifier) lateDuplicates() error {
	switch {
	case v.opt.DuplicatesOfWhole && !v.rep.Complete:
	case v.filter != nil:
		suspects, err := v.filter.Finish(v.workers)
		switch {
		case err != nil:
			return fmt.Errorf("looking for duplicate keys: %w", err)
		case v.opt.suspect:
			suspects = &dupset.Suspects{}
		case suspects == nil:
			return nil
		}
		v.filter.Close()
		dups, seen, err := v.suspectKeys(suspects)
		if err != nil {
			return err
		}
		same := slices.DeleteFunc(dups, func(d dupset.Dup) bool { return !v.sameKey(d) })
		seen -= int64(len(dups) - len(same))
		v.rep.Duplicates += seen
		v.rep.Total += seen
		v.insertDuplicates(same)
	case v.keys != nil && v.keys.Spilled():
		dups, err := v.keys.Finish()
		if err != nil {
			return fmt.Errorf("looking for duplicate keys: %w", err)
		}
		for _, d := range dups {
			if v.told[d.Second] {
				continue
			}
			v.rep.Duplicates++
			v.fault(&FormatError{Code: CodeDuplicateKey, Offset: d.Second, Record: d.Second, Phase: PhaseKey, Family: v.rep.Family, Detail: fmt.Sprintf("first at %d", d.First)})
		}
	}
	return nil
}

// suspectKeys passes all keys again, to find out which of the suspects stand twice, and where.
func (v *verifier) suspectKeys(suspects *dupset.Suspects) (dups []dupset.Dup, seen int64, err error) {
	late := dupset.NewLate(v.dupOptions())
	defer late.Close()
	seeds := dupset.Process()
	r := v.fromFar()
	defer r.Close()
	for n := v.tally.keys; n > 0; {
		ok, passed := r.Pass(false)
		if !ok {
			return nil, 0, fmt.Errorf("looking for duplicate keys: reading again: %w", cmp.Or(r.Err(), io.ErrUnexpectedEOF))
		}
		e, ok := r.Record().(*Entry)
		if !ok {
			continue
		}
		if len(e.Key) > 0 && suspects.Has(keyHash(seeds, e.DB, e.Key)) {
			if err = late.Add([]dupset.Note{dupset.NoteOf(keySum(seeds, e.DB, e.Key), e.Offset)}); err != nil {
				return nil, 0, fmt.Errorf("looking for duplicate keys: %w", err)
			}
		}
		if n--; n > 0 && !passed { // so that the next one may be
			if err := r.finishValue(); err != nil {
				return nil, 0, fmt.Errorf("looking for duplicate keys: reading again: %w", err)
			}
		}
	}
	if dups, seen, err = late.Finish(v.workers); err != nil {
		return nil, 0, fmt.Errorf("looking for duplicate keys: %w", err)
	}
	return dups, seen, nil
}

// sameKey reports whether two keys that share a fingerprint are one, if both can be read again.
func (v *verifier) sameKey(d dupset.Dup) bool {
	first, second := v.entryFar(d.First, v.dbAt(d.First)), v.entryFar(d.Second, v.dbAt(d.Second))
	return first == nil || second == nil || first.DB == second.DB && bytes.Equal(first.Key, second.Key)
}

// insertDuplicates puts the faults of duplicate keys between the others, to where they would stand if they had been found at once.
func (v *verifier) insertDuplicates(dups []dupset.Dup) {
	rep := v.rep
	others := rep.Faults
	var all []*FormatError
	for _, d := range dups {
		if len(all) >= v.opt.MaxFaults {
			break
		}
		for len(others) > 0 && beforeDuplicate(others[0], d.Second) {
			all, others = append(all, others[0]), others[1:]
		}
		db := v.dbAt(d.Second)
		e := v.duplicate(d.Second, db, v.entryFar(d.Second, db))
		all = append(all, e)
		if rep.refused == nil || !beforeDuplicate(rep.refused, d.Second) {
			rep.refused = e
		}
	}
	all = append(all, others...)
	rep.Faults = all[:min(len(all), v.opt.MaxFaults)]
}

// beforeDuplicate reports whether a fault stands before that of the key at an offset being a duplicate: in a record before, or in what stands
// before the value.
func beforeDuplicate(e *FormatError, record int64) bool {
	return e.Record < record || e.Record == record && e.Phase != PhaseValue
}

// dbAt is the database that is selected at an offset.
func (v *verifier) dbAt(offset int64) uint64 {
	i, _ := slices.BinarySearchFunc(v.selects, offset, func(s dbSelect, offset int64) int { return cmp.Compare(s.from, offset+1) })
	if i == 0 {
		return 0
	}
	return v.selects[i-1].db
}

// compareHints compares the RESIZEDB records with the keys, in order of the records.
func (v *verifier) compareHints() {
	var numbers []uint64
	for n, db := range v.rep.DBs {
		if db.Hinted && !db.slots && (db.HintedKeys != uint64(db.Keys) || db.HintedExpires != uint64(db.Expires)) {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, func(a, b uint64) int { return cmp.Compare(v.rep.DBs[a].hint.Offset, v.rep.DBs[b].hint.Offset) })
	for _, n := range numbers {
		db := v.rep.DBs[n]
		v.at(db.hint, PhaseLength, n, CodeResizeDB, "database %d: stated %d keys, %d that expire; present %d, %d", n, db.HintedKeys, db.HintedExpires, db.Keys, db.Expires)
	}
}
