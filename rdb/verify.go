package rdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

// VerifyOptions are settings of [Verify]. The zero value checks as the newest checker does and stops at the first fault.
type VerifyOptions struct {
	// KeepGoing goes on behind faults that leave the framing intact, so that all of them are reported.
	KeepGoing bool
	// MaxFaults is how many faults are kept; more are counted only. 0 means 1000.
	MaxFaults int
	// DuplicateKeys looks for keys that stand twice in their database, on which servers abort. It needs memory as
	// DuplicateMemory says.
	DuplicateKeys bool
	// Databases is how many databases the server is configured for; keys beyond are faults. 0 means no limit.
	Databases uint64
	// Hints compares RESIZEDB records with the keys present.
	Hints bool
	// Prefix stops behind the end mark and leaves what follows to Report.Rest, as in an append-only file. Otherwise bytes that
	// follow are counted and reported.
	Prefix bool
	// Now is the time by which keys have expired. The zero value means now.
	Now time.Time
	// OnRecord is called with every record but keys, in file order, as soon as it is read. The record holds for the call.
	OnRecord func(Record)
	// DuplicateMemory and TempDir are as in [ReaderOptions]. Twice DuplicateMemory is used if DuplicateKeys is set.
	DuplicateMemory int64
	TempDir         string
	// Progress, if set, is called now and then with how many bytes have been read.
	Progress func(offset int64)

	window, limit int // as in ReaderOptions
}

// Report is what [Verify] found out about a file, as far as it came.
type Report struct {
	Family  Family
	Version int
	Aux     []AuxField // in file order, at most 64 of them, long values cut

	Keys           int64 // begun, including one that is damaged
	Expires        int64
	AlreadyExpired int64
	FieldExpires   int64 // hashes with a field that expires
	Types          map[TypeCount]*Count
	DBs            map[uint64]*DBCount
	Libraries      []string // function libraries
	Modules        []string // whose data the file has
	Duplicates     int64    // keys that stand twice or more, each time after the first

	Complete bool  // the end mark was reached
	EOF      EOF   // where Complete
	Size     int64 // bytes read, up to the end or to what ended the reading
	Trailing int64 // bytes behind the end

	Faults []*FormatError // in the order they were met
	Total  int64          // of faults, also those not kept

	Rest io.Reader // with Prefix, what follows

	refused, checkerRefused *FormatError
}

// AuxField is a field of the file's own information.
type AuxField struct{ Name, Value string }

// TypeCount names a row of Report.Types.
type TypeCount struct {
	Type     Type
	Kind     Kind
	Encoding string
}

// Count is how much there is of something.
type Count struct{ Keys, Bytes int64 }

// DBCount is the keys of a database, beside what RESIZEDB said of it.
type DBCount struct {
	Keys, Expires             int64
	Hinted                    bool
	HintedKeys, HintedExpires uint64
	hint                      Span
	slots                     bool
}

// CheckerFault returns the fault for which the newest checker of the file's family gives up, nil if it accepts the file.
func (r *Report) CheckerFault() *FormatError { return r.checkerRefused }

// ServerFault returns the first fault for which the newest server of the file's family, checking everything, refuses the file or
// loses something, nil if it loads all of it.
func (r *Report) ServerFault() *FormatError { return r.refused }

// Verify checks the RDB in src: structure, values, checksum and what the options ask for. The report says how far it came and what
// it found. The error is the first fault of [Report.ServerFault], or [Report.CheckerFault] where only the checker minds, or else what kept
// the input from being read.
func Verify(ctx context.Context, src io.Reader, opt VerifyOptions) (*Report, error) {
	v := newVerifier(ctx, src, opt)
	err := v.run()
	if err == nil && v.rep.refused != nil {
		err = v.rep.refused
	} else if err == nil && v.rep.checkerRefused != nil {
		err = v.rep.checkerRefused
	}
	return v.rep, err
}

// verifier is a run of Verify.
type verifier struct {
	ctx     context.Context
	opt     VerifyOptions
	rep     *Report
	r       *Reader
	keys    *dupset.Set
	types   [len(redisTypes)]Count
	lastDB  *DBCount
	lastDBn uint64
	told    map[int64]bool // offsets of keys reported as duplicates
	now     int64
	libs    map[string]bool
	mods    map[ModuleID]bool
}

// errStop ends a run at the first fault.
var errStop = errors.New("stop")

func newVerifier(ctx context.Context, src io.Reader, opt VerifyOptions) *verifier {
	v := &verifier{ctx: ctx, opt: opt, libs: map[string]bool{}, mods: map[ModuleID]bool{}}
	v.rep = &Report{Types: map[TypeCount]*Count{}, DBs: map[uint64]*DBCount{}}
	if v.opt.MaxFaults == 0 {
		v.opt.MaxFaults = 1000
	}
	if opt.Now.IsZero() {
		opt.Now = time.Now()
	}
	v.now = opt.Now.UnixMilli()
	v.r = NewReaderOptions(src, ReaderOptions{OnFault: v.fault, DuplicateMemory: opt.DuplicateMemory, TempDir: opt.TempDir, Window: opt.window, limit: opt.limit})
	if opt.DuplicateKeys {
		v.keys = dupset.New(dupset.Options{MemoryLimit: opt.DuplicateMemory, TempDir: opt.TempDir})
	}
	return v
}

// fault notes a fault and says whether to stop there.
func (v *verifier) fault(e *FormatError) error {
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
	if e.Checker() == Refuses && !v.opt.KeepGoing {
		return errStop
	}
	return nil
}

func (v *verifier) run() error {
	defer v.close()
	r := v.r
	for n := 0; r.Next(); n++ {
		if n&1023 == 0 {
			if err := v.ctx.Err(); err != nil {
				return err
			}
			if v.opt.Progress != nil {
				v.opt.Progress(r.Offset())
			}
		}
		if err := v.record(r.Record()); err != nil {
			break
		}
	}
	v.countTypes()
	err := r.Err()
	v.rep.Size = r.Offset()
	var fe *FormatError
	switch {
	case errors.As(err, &fe):
		v.rep.Size = fe.Offset
		v.fault(fe)
		err = nil
	case errors.Is(err, errStop):
		err = nil
	}
	if err == nil {
		err = v.finish()
	}
	return err
}

func (v *verifier) close() {
	v.r.Close()
	if v.keys != nil {
		v.keys.Close()
	}
}

// record takes note of a record. The error is errStop or one that the reader keeps.
func (v *verifier) record(rec Record) error {
	if v.opt.OnRecord != nil {
		if _, isKey := rec.(*Entry); !isKey {
			v.opt.OnRecord(rec)
		}
	}
	rep := v.rep
	switch rec := rec.(type) {
	case *Header:
		rep.Family, rep.Version = rec.Family, rec.Version
	case *Aux:
		v.aux(rec)
	case *ResizeDB:
		db := v.db(v.r.dec.db)
		db.Hinted, db.HintedKeys, db.HintedExpires, db.hint = true, rec.Keys, rec.Expires, rec.Span
	case *SlotInfo:
		v.db(v.r.dec.db).slots = true
	case *SelectDB:
		if v.opt.Databases > 0 && rec.DB >= v.opt.Databases {
			v.at(rec.Span, CodeDBRange, "database %d of %d", rec.DB, v.opt.Databases)
		}
	case *Function:
		v.function(rec)
	case *ModuleAux:
		v.module(rec.Module, rec.Span)
		return v.r.checkValue()
	case *Entry:
		return v.key(rec)
	case *EOF:
		rep.Complete, rep.EOF = true, *rec
	}
	return nil
}

// at reports a fault of a record that was read whole.
func (v *verifier) at(s Span, code Code, detail string, args ...any) {
	e := v.r.dec.place(code)
	e.Offset, e.Record, e.Detail = s.End(), s.Offset, fmt.Sprintf(detail, args...)
	v.fault(e)
}

// Limits of what a report keeps.
const (
	maxAuxFields = 64
	maxAuxValue  = 1 << 10
	maxNames     = 1 << 10
)

func (v *verifier) aux(rec *Aux) {
	if len(v.rep.Aux) < maxAuxFields {
		v.rep.Aux = append(v.rep.Aux, AuxField{cut(rec.Name), cut(rec.Value)})
	}
}

func cut(b []byte) string { return strings.Clone(string(b[:min(len(b), maxAuxValue)])) }

func (v *verifier) db(n uint64) *DBCount {
	c := v.rep.DBs[n]
	if c == nil {
		if len(v.rep.DBs) >= maxNames {
			return &DBCount{}
		}
		c = &DBCount{}
		v.rep.DBs[n] = c
	}
	return c
}

func (v *verifier) function(rec *Function) {
	if rec.PreGA {
		return
	}
	_, name, err := LibraryHeader(rec.Code)
	switch {
	case err != nil:
		v.at(rec.Span, CodeFunctionHeader, "%v", err)
	case v.libs[name]:
		v.at(rec.Span, CodeFunctionDuplicate, "%s", name)
	case len(v.libs) < maxNames:
		v.libs[name] = true
		v.rep.Libraries = append(v.rep.Libraries, name)
	}
}

// builtIn are the types of modules that are part of the servers themselves: vector sets of Redis 8.
func builtIn(f Family, id ModuleID) bool { return f == Redis && id.Name() == "vectorset" }

func (v *verifier) module(id ModuleID, s Span) {
	if v.mods[id] || len(v.mods) >= maxNames {
		return
	}
	v.mods[id] = true
	v.rep.Modules = append(v.rep.Modules, id.Name())
	if !builtIn(v.rep.Family, id) {
		v.at(s, CodeModuleNeeded, "module type %s, version %d", id.Name(), id.Version())
	}
}

func (v *verifier) key(e *Entry) error {
	rep := v.rep
	rep.Keys++
	if v.keys != nil {
		if err := v.seen(e); err != nil {
			return err
		}
	}
	before, total := e.ValueOffset, rep.Total
	if err := v.r.checkValue(); err != nil {
		return err
	}
	if e.Type == TypeModule2 {
		v.module(v.r.dec.el.ModuleID, Span{before, 0})
	}
	if e.ExpireAt != NoExpire {
		rep.Expires++
		if e.ExpireAt < v.now {
			rep.AlreadyExpired++
		}
	}
	if v.r.dec.hasTTL && total == rep.Total {
		rep.FieldExpires++
	}
	v.count(e)
	return nil
}

func (v *verifier) count(e *Entry) {
	c := &v.types[e.Type]
	c.Keys++
	c.Bytes += e.Size
	if v.lastDB == nil || v.lastDBn != e.DB {
		v.lastDB, v.lastDBn = v.db(e.DB), e.DB
	}
	v.lastDB.Keys++
	if e.ExpireAt != NoExpire {
		v.lastDB.Expires++
	}
}

// countTypes puts the counts into the report.
func (v *verifier) countTypes() {
	for t := range v.types {
		if v.types[t].Keys > 0 {
			info := v.rep.Family.info(Type(t))
			v.rep.Types[TypeCount{Type(t), info.kind, info.encoding}] = &v.types[t]
		}
	}
}

// seen looks for the key among those before.
func (v *verifier) seen(e *Entry) error {
	dup, err := v.keys.Add(keySum(e.DB, e.Key), e.Offset)
	if err != nil {
		return fmt.Errorf("looking for duplicate keys: %w", err)
	}
	if dup {
		v.rep.Duplicates++
		if v.told == nil {
			v.told = map[int64]bool{}
		}
		if len(v.told) < dupset.DefaultMaxDups {
			v.told[e.Offset] = true
		}
		v.fault(v.r.dec.place(CodeDuplicateKey))
	}
	return nil
}

// keySum is the fingerprint of a key in its database.
func keySum(db uint64, key []byte) dupset.Sum {
	sum := dupset.Process().Sum(key)
	sum.Lo += db * 0x9E3779B97F4A7C15
	return sum
}

// finish does what can be done only when all was read.
func (v *verifier) finish() error {
	rep := v.rep
	if v.keys != nil && v.keys.Spilled() {
		dups, err := v.keys.Finish()
		if err != nil {
			return fmt.Errorf("looking for duplicate keys: %w", err)
		}
		for _, d := range dups {
			if v.told[d.Second] {
				continue
			}
			rep.Duplicates++
			v.fault(&FormatError{Code: CodeDuplicateKey, Offset: d.Second, Record: d.Second, Phase: PhaseKey, Family: rep.Family, Detail: fmt.Sprintf("first at %d", d.First)})
		}
	}
	if !rep.Complete {
		return nil
	}
	if v.opt.Hints {
		v.compareHints()
	}
	if v.opt.Prefix {
		rep.Rest = v.r.Rest()
		return nil
	}
	n, err := io.Copy(io.Discard, v.r.Rest())
	if rep.Trailing = n; n > 0 {
		v.fault(&FormatError{Code: CodeTrailing, Offset: rep.Size, Record: rep.Size, Phase: PhaseChecksum, Family: rep.Family, Detail: fmt.Sprintf("%d of them", n)})
	}
	return err
}

// compareHints compares the RESIZEDB records with the keys.
func (v *verifier) compareHints() {
	for n, db := range v.rep.DBs {
		if db.Hinted && !db.slots && (db.HintedKeys != uint64(db.Keys) || db.HintedExpires != uint64(db.Expires)) {
			e := &FormatError{Code: CodeResizeDB, Offset: db.hint.End(), Record: db.hint.Offset, Phase: PhaseLength, DB: n, Family: v.rep.Family}
			e.Detail = fmt.Sprintf("database %d: stated %d keys, %d that expire; present %d, %d", n, db.HintedKeys, db.HintedExpires, db.Keys, db.Expires)
			v.fault(e)
		}
	}
}
