package aof

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/kvfsck/kvfsck/rdb"
)

// Outcome is what a server does with a set when it starts.
type Outcome uint8

const (
	Loads      Outcome = iota // all of it
	LoadsCut                  // after it cut the last file, on disk
	LoadsEmpty                // there is nothing to load, and it starts empty
	Refuses                   // it ends with a message
	Crashes                   // it ends with a crash report
)

var outcomes = [...]string{Loads: "loads", LoadsCut: "loads-cut", LoadsEmpty: "loads-empty", Refuses: "refuses", Crashes: "crashes"}

// String returns the outcome's name, such as "loads-cut".
func (o Outcome) String() string { return outcomes[o] }

// Reason says why a server does not load all of a set; it is stable and machine-readable.
type Reason string

const (
	ReasonNone           Reason = ""
	ReasonManifest       Reason = "manifest"        // it breaks a rule
	ReasonMissing        Reason = "file-missing"    // a listed file is not there
	ReasonUnreadable     Reason = "file-unreadable" // it cannot be read
	ReasonRDB            Reason = "rdb-part"        // the RDB part is damaged
	ReasonForeign        Reason = "foreign-rdb"     // the RDB part is of a version or family that the server does not read
	ReasonFormat         Reason = "format"          // bytes that are no record
	ReasonShort          Reason = "short"           // cut short, or an unfinished transaction
	ReasonMiddleShort    Reason = "middle-short"    // and not the last file
	ReasonUnknownCommand Reason = "unknown-command"
	ReasonArity          Reason = "command-arity" // a command with a number of arguments that it does not take
	ReasonSize           Reason = "argument-size" // an impossible one, on which the server dies
)

// Verdict is what the newest server of a family does with the set when it starts, in its default configuration but for
// aof-load-truncated.
type Verdict struct {
	Server        Server
	LoadTruncated bool // aof-load-truncated yes, which is the default

	Outcome Outcome
	Reason  Reason
	File    string // at fault, or cut
	Offset  int64  // where it is cut, or where the fault is; -1 if that is no place in a file
	Lost    int64  // bytes that are cut off

	// CutsOnDisk is true of LoadsCut and, what is worse, of some Refuses: a server that finds a file other than the last to be short
	// cuts it all the same before it refuses. Its next start succeeds, without a word about what is missing.
	CutsOnDisk bool

	Err error // the fault
}

// Cuts reports whether the server cuts a file on disk.
func (v *Verdict) Cuts() bool { return v.CutsOnDisk }

// String is the verdict on one line.
func (v *Verdict) String() string {
	where := ""
	if v.File != "" {
		where = " " + v.File
	}
	if v.Offset >= 0 && v.File != "" {
		where += fmt.Sprintf(" at %d", v.Offset)
	}
	text := v.Server.String() + " " + v.Outcome.String()
	switch {
	case v.Outcome == LoadsCut:
		text += fmt.Sprintf(": cuts%s, %d bytes", where, v.Lost)
	case v.Reason != ReasonNone:
		text += ": " + string(v.Reason) + where
		if v.CutsOnDisk {
			text += fmt.Sprintf(", having cut %d bytes", v.Lost)
		}
	}
	return text
}

// verdict goes through what a server does, in its order: the manifest, the sizes of all files, then file by file (aof.c,
// loadAppendOnlyFiles).
func (s *Set) verdict(rep *Report, server Server, loadTruncated, assumeModules bool) Verdict {
	v := Verdict{Server: server, LoadTruncated: loadTruncated, Offset: -1}
	if s.Fault != nil {
		return v.refuse(ReasonManifest, s.ManifestPath, -1, s.Fault)
	}
	total := int64(0)
	for i := range s.Files {
		f := &s.Files[i]
		if f.Err != nil {
			return v.refuse(missingOr(f.Err), f.Path, -1, f.Err)
		}
		total += f.Size
	}
	if total == 0 {
		v.Outcome = LoadsEmpty
		return v
	}
	for i := range rep.Files {
		fr := &rep.Files[i]
		if fr.File.Size == 0 {
			continue
		}
		v.file(fr, i == s.Last(), assumeModules)
		if v.Outcome != Loads {
			break
		}
	}
	return v
}

func missingOr(err error) Reason {
	if errors.Is(err, fs.ErrNotExist) {
		return ReasonMissing
	}
	return ReasonUnreadable
}

func (v *Verdict) refuse(reason Reason, file string, offset int64, err error) Verdict {
	v.Outcome, v.Reason, v.File, v.Offset, v.Err = Refuses, reason, file, offset, err
	return *v
}

// file adds what happens at one file.
func (v *Verdict) file(fr *FileReport, last, assumeModules bool) {
	path := fr.File.Path
	if fr.File.RDB {
		if reason, offset, err := rdbVerdict(fr, v.Server); err != nil {
			v.refuse(reason, path, offset, err)
			return
		}
	}
	var fe *FormatError
	isFormat := errors.As(fr.ServerErr, &fe)
	unknown, arity := fr.Unknown[v.Server], fr.Arity[v.Server]
	if assumeModules {
		unknown = nil
	}
	if v.Server != Valkey91 { // others execute it, whatever becomes of that
		arity = nil
	}
	switch {
	case unknown != nil && (arity == nil || unknown.Offset < arity.Offset):
		v.refuse(ReasonUnknownCommand, path, unknown.Offset, fmt.Errorf("unknown command %q", unknown.Name))
		return
	case arity != nil:
		v.refuse(ReasonArity, path, arity.Offset, fmt.Errorf("%q with %d arguments, which it does not take", arity.Name, arity.Argc-1))
		return
	}
	switch {
	case fr.ServerErr == nil:
	case !isFormat:
		v.refuse(ReasonUnreadable, path, -1, fr.ServerErr)
	case fe.Reaction() == Aborts:
		v.refuse(ReasonSize, path, fe.Offset, fe)
		v.Outcome = Crashes
	case fe.Reaction() == BadFormat:
		v.refuse(ReasonFormat, path, fe.Offset, fe)
	case !v.LoadTruncated:
		v.refuse(ReasonShort, path, fe.Offset, fe)
	default:
		v.cut(fr, fe, last)
	}
}

// cut is a short read where the setting lets the server cut the file.
func (v *Verdict) cut(fr *FileReport, fe *FormatError, last bool) {
	at := cutAt(v.Server, fr.Server, fe)
	v.File, v.Offset, v.Lost, v.Err, v.CutsOnDisk = fr.File.Path, at, fr.File.Size-at, fe, true
	v.Outcome, v.Reason = LoadsCut, ReasonShort
	if !last {
		v.Outcome, v.Reason = Refuses, ReasonMiddleShort
	}
}

// cutAt returns the offset at which a server cuts a file that it finds to be short (aof.c, loadSingleAppendOnlyFile: valid_up_to and
// valid_before_multi).
//
//	Redis 8.6    behind the last complete command; annotations behind it go too. Where the file ends in a transaction without a
//	             record being torn, before its (last) MULTI. In both cases 0 if there is no such command, even behind an RDB part
//	Valkey 9.1   the same, but never before the end of the RDB part, and before MULTI also if a record is torn
func cutAt(server Server, p Position, fe *FormatError) int64 {
	if server == Redis86 {
		if fe.Code == CodeOpenMulti {
			return p.BeforeMulti
		}
		return p.LastCommand
	}
	if p.InMulti {
		return max(p.BeforeMulti, p.Preamble)
	}
	return max(p.LastCommand, p.Preamble)
}

// highestRDB are the newest RDB versions that each server reads, by family; 0: none. Valkey leaves versions 12 to 79 to Redis, unless
// rdb-version-check is relaxed.
var highestRDB = [...]map[rdb.Family]int{
	Redis86:  {rdb.Redis: 13, rdb.Valkey: 0},
	Valkey91: {rdb.Redis: 11, rdb.Valkey: 80},
}

// families are the servers' own.
var families = [...]rdb.Family{Redis86: rdb.Redis, Valkey91: rdb.Valkey}

// rdbVerdict judges the RDB part.
func rdbVerdict(fr *FileReport, server Server) (Reason, int64, error) {
	rep := fr.RDB
	if rep == nil {
		return ReasonUnreadable, -1, fr.ServerErr
	}
	highest := highestRDB[server][rep.Family]
	switch {
	case highest == 0:
		return ReasonForeign, 0, errForeignFamily
	case rep.Version > highest:
		return ReasonForeign, 9, fmt.Errorf("%w: %d, the highest is %d", errForeignVersion, rep.Version, highest)
	}
	for _, fault := range rep.Faults {
		as := *fault
		as.Family = families[server]
		if as.Server() == rdb.Refuses {
			return ReasonRDB, fault.Offset, fault
		}
	}
	var fault *FormatError
	switch {
	case fr.RDBFault == nil:
		return ReasonNone, 0, nil
	case !errors.As(fr.ServerErr, &fault):
		return ReasonUnreadable, -1, fr.RDBFault
	default:
		return ReasonRDB, rep.Size, fr.RDBFault
	}
}

var (
	errForeignFamily  = errors.New("an RDB of Valkey, which Redis takes for commands")
	errForeignVersion = errors.New("an RDB version that the server does not read")
)
