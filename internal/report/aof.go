package report

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

// Set is what an append-only file or set is, and what servers would do with it.
type Set struct {
	Manifest    Name      `json:"manifest"` // null: a file on its own
	Family      Name      `json:"family"`   // of the server that wrote it, null if nothing tells
	Bytes       Int       `json:"bytes"`
	Commands    Int       `json:"commands"`
	Annotations Int       `json:"annotations"`
	BaseKeys    Int       `json:"base_keys"` // in RDB parts
	Files       []SetFile `json:"files"`     // in the order of loading
	Starts      []Start   `json:"starts"`
}

// SetFile is a file of a set.
type SetFile struct {
	File        Bytes  `json:"file"`
	Role        string `json:"role"` // base, incr
	Seq         Int    `json:"seq"`
	Size        *Int   `json:"size"` // null: not there
	RDB         bool   `json:"rdb"`  // it begins with one
	Keys        Int    `json:"keys"` // of that
	Commands    Int    `json:"commands"`
	Annotations Int    `json:"annotations"`
	ValidUpTo   *Int   `json:"valid_up_to"` // end of the last complete record outside transactions; null: not read
}

// Start is what the newest server of a family does with the set when it starts, in its default configuration but for
// aof-load-truncated.
type Start struct {
	Server        string `json:"server"` // "redis-8.6"
	LoadTruncated bool   `json:"aof_load_truncated"`
	Outcome       string `json:"outcome"` // loads, loads-cut, loads-empty, refuses, crashes
	Reason        Name   `json:"reason"`
	File          Name   `json:"file"`   // at fault, or cut
	Offset        *Int   `json:"offset"` // where it is cut, or where the fault is
	Lost          Int    `json:"lost_bytes"`
	CutsOnDisk    bool   `json:"cuts_on_disk"`
	Message       Name   `json:"message"`
	Warning       Name   `json:"warning"` // of what the server loses beyond what is damaged
}

// logPrograms names the server and the checker of each family.
var logPrograms = [...]struct{ server, checker string }{
	aof.Redis86:  {"redis-server", "redis-check-aof"},
	aof.Valkey91: {"valkey-server", "valkey-check-aof"},
}

// AOF makes the target of what [aof.Set.Check] found out, with at most kept findings.
func AOF(rep *aof.Report, kept int) Target {
	t := Target{Kind: KindAOF, Verdict: Clean, Findings: []Finding{}, Total: Int(len(rep.Findings)), Set: newSet(rep)}
	if rep.Set.ManifestPath != "" {
		t.Kind = KindManifest
	}
	for i := range rep.Findings {
		f := &rep.Findings[i]
		if f.Severity() == rdb.Error {
			t.Verdict = Damaged
		}
		if i < kept {
			t.Findings = append(t.Findings, aofFinding(f))
		}
		if f.Code == aof.FindUnreadable {
			t.Error = f.String()
		}
	}
	for i := range rep.Files {
		if r := rep.Files[i].RDB; r != nil {
			if t.Summary == nil {
				t.Summary = summary(r, true)
			}
			if r.ServerFault() != nil {
				t.Verdict = Damaged
			}
		}
	}
	decisive := decisive(rep, string(t.Set.Family))
	if decisive.Outcome != aof.Loads && decisive.Outcome != aof.LoadsEmpty {
		t.Verdict = Damaged
	}
	t.Server, t.Checker = serverProgram(decisive), checkerProgram(rep, decisive.Server)
	if t.Error != "" {
		t.Verdict, t.Server, t.Checker = Unreadable, nil, nil
	}
	return t
}

// decisive returns the verdict of the newest server of the family under its default configuration; of a set of commands alone, which
// do not tell, the better one.
func decisive(rep *aof.Report, family string) *aof.Verdict {
	redis, valkey := rep.Verdict(aof.Redis86, true), rep.Verdict(aof.Valkey91, true)
	if family == rdb.Valkey.String() || family == "" && valkey.Outcome < redis.Outcome {
		return valkey
	}
	return redis
}

func serverProgram(v *aof.Verdict) *Program {
	p := &Program{Program: logPrograms[v.Server].server, Verdict: rdb.Accepts.String()}
	switch v.Outcome {
	case aof.Loads, aof.LoadsEmpty:
		return p
	case aof.LoadsCut:
		p.Verdict = rdb.Drops.String()
	default:
		p.Verdict = rdb.Refuses.String()
	}
	p.Code, p.File, p.Offset = Name(v.Reason), Name(v.File), offset(v.Offset)
	if v.Err != nil {
		p.Message = faultText(v.Err)
	}
	return p
}

// errValkeyMagic is why the released checkers of both families refuse what their servers load.
var errValkeyMagic = errors.New("released checkers take an RDB of Valkey for commands")

// checkerProgram says whether redis-check-aof, or its twin of Valkey, accepts the set.
func checkerProgram(rep *aof.Report, server aof.Server) *Program {
	p := &Program{Program: logPrograms[server].checker, Verdict: rdb.Accepts.String()}
	refuse := func(file string, at int64, err error) *Program {
		p.Verdict, p.File, p.Offset, p.Message = rdb.Refuses.String(), Name(file), offset(at), faultText(err)
		return p
	}
	if rep.Set.Fault != nil {
		return refuse(rep.Set.ManifestPath, aof.NoOffset, rep.Set.Fault)
	}
	for i := range rep.Set.Files {
		if f := &rep.Set.Files[i]; f.Err != nil {
			return refuse(f.Path, aof.NoOffset, f.Err)
		}
	}
	for i := range rep.Files {
		f := &rep.Files[i]
		switch {
		case f.RDB != nil && f.RDB.Family == rdb.Valkey:
			return refuse(f.File.Path, 0, errValkeyMagic)
		case f.RDB != nil && f.RDB.CheckerFault() != nil:
			fault := f.RDB.CheckerFault()
			return refuse(f.File.Path, fault.Offset, fault)
		case f.CheckerErr != nil:
			return refuse(f.File.Path, f.Checker.Valid, f.CheckerErr)
		}
	}
	return p
}

func offset(n int64) *Int {
	if n < 0 {
		return nil
	}
	return ref(Int(n))
}

func aofFinding(f *aof.Finding) Finding {
	message := f.Meaning()
	if f.Detail != "" {
		message += ": " + f.Detail
	}
	var fault *rdb.FormatError
	if f.Err != nil {
		message += ": " + faultText(f.Err)
	}
	out := Finding{
		Code: string(f.Code), Severity: f.Severity().String(), File: Name(f.File), Offset: offset(f.Offset), Message: message, Advice: f.Advice(),
	}
	if errors.As(f.Err, &fault) {
		in := finding(fault)
		out.Record, out.DB, out.Key, out.Type, out.Encoding = in.Record, in.DB, in.Key, in.Type, in.Encoding
	}
	return out
}

func newSet(rep *aof.Report) *Set {
	s := &Set{Manifest: Name(rep.Set.ManifestPath), Files: []SetFile{}, Starts: []Start{}, Family: family(rep)}
	read := rep.Files
	for i := range rep.Set.Files {
		f := &rep.Set.Files[i]
		out := SetFile{File: Bytes(f.Path), Role: f.Type.String(), Seq: Int(f.Seq), RDB: f.RDB}
		if f.Err == nil && len(read) > 0 {
			out.fill(&read[0])
			read = read[1:]
			s.Bytes += *out.Size
		}
		s.Commands, s.Annotations, s.BaseKeys = s.Commands+out.Commands, s.Annotations+out.Annotations, s.BaseKeys+out.Keys
		s.Files = append(s.Files, out)
	}
	for i := range rep.Verdicts {
		s.Starts = append(s.Starts, start(rep, &rep.Verdicts[i]))
	}
	return s
}

func (s *SetFile) fill(r *aof.FileReport) {
	s.Size, s.Commands, s.Annotations = ref(Int(r.File.Size)), Int(r.Commands), Int(r.Annotations)
	s.ValidUpTo = ref(Int(max(r.Server.Valid, r.Server.Preamble)))
	if r.RDB != nil {
		s.Keys = Int(r.RDB.Keys)
	}
}

// family tells by the RDB parts whose server wrote the set.
func family(rep *aof.Report) Name {
	for i := range rep.Files {
		r := rep.Files[i].RDB
		switch {
		case r == nil:
		case aux(r.Aux, "valkey-ver") != "":
			return Name(rdb.Valkey.String())
		default:
			return Name(r.Family.String())
		}
	}
	return ""
}

func start(rep *aof.Report, v *aof.Verdict) Start {
	s := Start{
		Server: v.Server.String(), LoadTruncated: v.LoadTruncated, Outcome: v.Outcome.String(), Reason: Name(v.Reason), File: Name(v.File),
		Offset: offset(v.Offset), Lost: Int(v.Lost), CutsOnDisk: v.CutsOnDisk, Warning: Name(warning(rep, v)),
	}
	if v.Err != nil {
		s.Message = Name(faultText(v.Err))
	}
	return s
}

// warning tells of the ways in which a server that cuts a file loses more than what was damaged.
func warning(rep *aof.Report, v *aof.Verdict) string {
	if !v.CutsOnDisk {
		return ""
	}
	for i := range rep.Files {
		f := &rep.Files[i]
		if f.File.Path != v.File {
			continue
		}
		switch {
		case v.Outcome == aof.Refuses:
			return "it cuts the file on disk before it refuses: its next start succeeds without what is missing, and says nothing"
		case v.Offset < f.Server.Preamble:
			return fmt.Sprintf("it cuts the file at %d, before the end of the RDB part at %d: this start has the data, the next one has lost them", v.Offset, f.Server.Preamble)
		case f.Server.InMulti && v.Offset > f.Server.Multi:
			return fmt.Sprintf("it leaves the unfinished transaction that begins at %d in the file: what is written behind it is lost at the next start", f.Server.Multi)
		}
	}
	return ""
}

// faultText is the text of an error without the offset, which has a field of its own.
func faultText(err error) string {
	var fault *aof.FormatError
	if errors.As(err, &fault) {
		return strings.TrimPrefix(fault.Error(), fmt.Sprintf("offset %d: ", fault.Offset))
	}
	return err.Error()
}
