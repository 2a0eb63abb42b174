package aof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// CheckOptions are settings of [Set.Check]; the zero value is the default.
type CheckOptions struct {
	// AssumeModules takes commands that no server knows for those of modules, so that they do not make servers refuse.
	AssumeModules bool
	// Databases is how many databases the server is configured for, which a SELECT is held against; 0 means any number. RDB has one for RDB parts.
	Databases uint64
	// RDB are the settings for RDB parts. Prefix and KeepGoing are always set.
	RDB rdb.VerifyOptions
	// Progress, if set, is called now and then with the index of the file and how many of its bytes were read.
	Progress func(file int, offset int64)
}

// FileReport is what was found out about the content of one file.
type FileReport struct {
	File *File

	RDB      *rdb.Report // of its RDB part, nil if it has none
	RDBFault error       // what ended the reading of the RDB part

	// Server and Checker are how far a loading server and redis-check-aof come, and ServerErr and CheckerErr what stops them there:
	// a [*FormatError], or what kept the file from being read. Both are set if the RDB part is readable.
	Server, Checker       Position
	ServerErr, CheckerErr error

	// Unknown is the first command that a server does not know, by server; nil if it knows all.
	Unknown [len(Servers)]*CommandRef
	// Arity is the first command that a server knows, but not with so many arguments.
	Arity [len(Servers)]*CommandRef

	Commands, Annotations int64
}

// CommandRef is a command in a report.
type CommandRef struct {
	Offset int64
	Number int64
	Name   string // at most its first 64 bytes
	Argc   int64
	// LastCommand is the end of the command before.
	LastCommand int64
}

// Report is what [Set.Check] found out.
type Report struct {
	Set      *Set
	Files    []FileReport // of those that could be opened, in the order of loading; the others have findings
	Findings []Finding    // those of the set, then those about contents, in the order of loading
	Verdicts []Verdict    // by server, and by aof-load-truncated yes and no
}

// Verdict returns that of a server under aof-load-truncated yes (the default) or no.
func (r *Report) Verdict(s Server, loadTruncated bool) *Verdict {
	for i := range r.Verdicts {
		if v := &r.Verdicts[i]; v.Server == s && v.LoadTruncated == loadTruncated {
			return v
		}
	}
	return nil
}

// maxCommandFindings bounds the findings of each kind about single commands of a file.
const maxCommandFindings = 100

// Check reads all files of the set as a server does, in memory that does not depend on their size, and gives the verdicts. The error
// is that of the context; everything about the files is in the report.
func (s *Set) Check(ctx context.Context, opt CheckOptions) (*Report, error) {
	rep := &Report{Set: s, Findings: append([]Finding{}, s.Findings...)}
	for i := range s.Files {
		if s.Files[i].Err != nil {
			continue
		}
		c := fileCheck{ctx: ctx, opt: opt, set: s, index: i, rep: rep}
		c.fr.File = &s.Files[i]
		c.run()
		if err := ctx.Err(); err != nil {
			return rep, err
		}
		rep.Files = append(rep.Files, c.fr)
		c.report()
	}
	for _, server := range Servers {
		for _, loadTruncated := range []bool{true, false} {
			rep.Verdicts = append(rep.Verdicts, s.verdict(rep, server, loadTruncated, opt.AssumeModules))
		}
	}
	rep.compare()
	return rep, nil
}

// fileCheck is the check of one file.
type fileCheck struct {
	ctx   context.Context
	opt   CheckOptions
	set   *Set
	index int
	rep   *Report
	fr    FileReport
	arity int // findings about it
	odd   int // about SELECT
}

// run reads the file once as a server does, and once more as the checker if the two could differ.
func (c *fileCheck) run() {
	r, err := c.read(AsServer)
	c.fr.ServerErr = err
	if r == nil {
		c.fr.CheckerErr = err
		return
	}
	c.fr.Server = r.Position()
	c.fr.Checker, c.fr.CheckerErr = c.fr.Server, err
	if err == nil && r.Canonical() && !(c.fr.File.RDB && c.fr.File.Type == Incr) {
		return
	}
	if r, err = c.read(AsChecker); r != nil {
		c.fr.Checker = r.Position()
	}
	c.fr.CheckerErr = err
}

// read opens the file and reads it to the end or the first fault. The reader is nil if there was none.
func (c *fileCheck) read(strictness Strictness) (*Reader, error) {
	f, err := c.set.FS.Open(c.fr.File.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	opt := ReaderOptions{Strictness: strictness, Skim: true, NoPreamble: true}
	src := io.Reader(f)
	if c.fr.File.RDB && (strictness == AsServer || c.fr.File.Type == Base) {
		if src, opt.Offset, err = c.pastRDB(f); err != nil {
			return nil, err
		}
	}
	r := NewReaderOptions(src, opt)
	r.pos.Preamble = opt.Offset
	return r, c.commands(r, strictness)
}

// pastRDB checks the RDB part, or passes it if that was done before, and returns what is behind it.
func (c *fileCheck) pastRDB(f fs.File) (rest io.Reader, end int64, err error) {
	if c.fr.RDB == nil {
		if err := c.checkRDB(f); err != nil {
			return nil, 0, err
		}
		if _, ok := f.(io.Seeker); !ok {
			return c.fr.RDB.Rest, c.fr.RDB.Size, nil
		}
	}
	end = c.fr.RDB.Size
	if seeker, ok := f.(io.Seeker); ok {
		_, err = seeker.Seek(end, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, f, end)
	}
	return f, end, err
}

// checkRDB checks the RDB part.
func (c *fileCheck) checkRDB(f fs.File) error {
	opt := c.opt.RDB
	opt.Prefix, opt.KeepGoing, opt.DuplicateKeys = true, true, true
	if c.opt.Progress != nil {
		opt.Progress = func(offset int64) { c.opt.Progress(c.index, offset) }
	}
	rep, err := rdb.Verify(c.ctx, f, opt)
	c.fr.RDB = rep
	if rep == nil || !rep.Complete {
		if err == nil {
			err = rdb.ErrTruncated
		}
		c.fr.RDBFault = err
		var fault *rdb.FormatError
		if !errors.As(err, &fault) && !errors.Is(err, rdb.ErrTruncated) {
			return err
		}
		return &FormatError{Code: CodeRDB, Damage: DamagePreamble, EOF: errors.Is(err, rdb.ErrTruncated), Err: err}
	}
	return nil
}

// commands reads to the end. As a server, it looks every command up.
func (c *fileCheck) commands(r *Reader, strictness Strictness) error {
	opt := AdvanceOptions{Workers: c.opt.RDB.Workers, Plausible: strictness == AsServer, Databases: c.opt.Databases}
	if c.opt.Progress != nil {
		opt.Progress = func(offset int64) { c.opt.Progress(c.index, offset) }
	}
	passed := r.Advance(c.ctx, opt)
	if strictness == AsServer {
		c.fr.Commands += passed.Commands
		c.fr.Annotations += passed.Annotations
	}
	for n := 0; r.Next(); n++ {
		if n&0xffff == 0 {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			if c.opt.Progress != nil {
				c.opt.Progress(c.index, r.pos.Offset)
			}
		}
		if strictness != AsServer {
			continue
		}
		switch rec := r.Record().(type) {
		case *Command:
			c.fr.Commands++
			c.lookUp(rec)
		case *Annotation:
			c.fr.Annotations++
		}
	}
	return r.Err()
}

func (c *fileCheck) lookUp(cmd *Command) {
	all := cmd.plausibility()
	for i, p := range all {
		first := &c.fr.Unknown[i]
		switch p {
		case Plausible:
			continue
		case WrongArity:
			first = &c.fr.Arity[i]
		}
		if *first != nil {
			continue
		}
		*first = &CommandRef{Offset: cmd.Offset, Number: cmd.Number, Name: string(cmd.Name()), Argc: cmd.Argc}
		if p == UnknownCommand {
			c.found(FindUnknownCommand, cmd.Offset, fmt.Sprintf("command %d, %q, of %s", cmd.Number, cmd.Name(), Servers[i]))
		}
	}
	if slices.Contains(all[:], WrongArity) && !slices.Contains(all[:], Plausible) && c.arity < maxCommandFindings {
		c.arity++
		c.found(FindArity, cmd.Offset, fmt.Sprintf("command %d, %q with %d arguments", cmd.Number, cmd.Name(), cmd.Argc-1))
	}
	if cmd.Special == Select && c.odd < maxCommandFindings {
		c.selects(cmd)
	}
}

// selects looks whether a SELECT selects a database of the server.
func (c *fileCheck) selects(cmd *Command) {
	db, ok := cmd.Selected()
	n := c.opt.Databases
	switch {
	case len(cmd.Args) < 2: // its arity tells
	case !ok:
		c.odd++
		c.found(FindSelect, cmd.Offset, fmt.Sprintf("command %d, of %q; database %d stays selected", cmd.Number, cmd.Args[1], cmd.DB))
	case n > 0 && uint64(db) >= n:
		c.odd++
		c.found(FindSelectRange, cmd.Offset, fmt.Sprintf("command %d, of %d, where there are %d; database %d stays selected", cmd.Number, db, n, cmd.DB))
	}
}

func (c *fileCheck) found(code FindingCode, offset int64, detail string) {
	c.rep.Findings = append(c.rep.Findings, Finding{Code: code, File: c.fr.File.Path, Offset: offset, Detail: detail})
}

// report adds the findings about the file as a whole.
func (c *fileCheck) report() {
	fr := &c.fr
	if fr.RDB != nil {
		for _, fault := range fr.RDB.Faults {
			if fault.Severity() != rdb.Note {
				c.rep.Findings = append(c.rep.Findings, Finding{Code: FindRDBFault, File: fr.File.Path, Offset: fault.Offset, Err: fault})
			}
		}
	}
	switch {
	case fr.ServerErr != nil:
		code, offset := FindDamaged, int64(-1)
		var fe *FormatError
		if errors.As(fr.ServerErr, &fe) {
			offset = fe.Offset
			if fe.Reaction() == ShortRead && c.index != c.set.Last() {
				code = FindMiddleShort
			}
		} else {
			code = FindUnreadable
		}
		c.rep.Findings = append(c.rep.Findings, Finding{Code: code, File: fr.File.Path, Offset: offset, Err: fr.ServerErr})
	case fr.CheckerErr != nil:
		c.rep.Findings = append(c.rep.Findings, Finding{Code: FindCheckerOnly, File: fr.File.Path, Offset: fr.Checker.Valid, Err: fr.CheckerErr})
	}
}

// compare adds the findings that follow from verdicts: where Redis would cut a file further than need be.
func (r *Report) compare() {
	redis, valkey := r.Verdict(Redis86, true), r.Verdict(Valkey91, true)
	if redis.Cuts() && valkey.Cuts() && redis.File == valkey.File && redis.Offset != valkey.Offset {
		r.Findings = append(r.Findings, Finding{Code: FindRedisCutsTooFar, File: redis.File, Offset: redis.Offset,
			Detail: fmt.Sprintf("at %d, where Valkey cuts at %d", redis.Offset, valkey.Offset)})
	}
}
