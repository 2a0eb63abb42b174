package report

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/rdb"
)

// Kinds of targets.
const (
	KindRDB      = "rdb"     // a snapshot
	KindAOF      = "aof"     // an append-only file on its own
	KindManifest = "aof-set" // a set of them, by its manifest or its directory
)

// CodeCompression is the code of the finding that the compressed stream around a file is damaged.
const CodeCompression = "compression"

// programs names the checker and the server of each family.
var programs = [...]struct{ checker, server string }{
	rdb.Redis:  {"redis-check-rdb", "redis-server"},
	rdb.Valkey: {"valkey-check-rdb", "valkey-server"},
}

// RDB makes the target of what [rdb.Verify] returned. Duplicates says whether duplicate keys were looked for. An error that is
// neither of the file's format nor of its compression makes it unreadable.
func RDB(rep *rdb.Report, err error, duplicates bool) Target {
	t := Target{Kind: KindRDB, Verdict: Clean, Findings: []Finding{}, Total: Int(rep.Total), Summary: summary(rep, duplicates)}
	for _, e := range rep.Faults {
		t.Findings = append(t.Findings, finding(e))
	}
	t.Checker, t.Server = verdicts(rep)
	var format *rdb.FormatError
	var corrupt *input.CorruptError
	switch {
	case errors.As(err, &corrupt):
		t.Corrupt(corrupt, rep.Size)
		t.Checker, t.Server = nil, nil
	case err != nil && !errors.As(err, &format):
		t.Verdict, t.Error, t.Checker, t.Server = Unreadable, err.Error(), nil, nil
	case rep.ServerFault() != nil || !rep.Complete:
		t.Verdict = Damaged
	}
	return t
}

// Corrupt notes that the content could not be decompressed whole, but up to an offset.
func (t *Target) Corrupt(e *input.CorruptError, at int64) {
	t.Verdict = Damaged
	t.Total++
	t.Findings = append(t.Findings, Finding{
		Code: CodeCompression, Severity: rdb.Error.String(), Offset: ref(Int(at)), Record: ref(Int(at)), Message: e.Error(),
	})
}

// verdicts says what the checker and the server would do.
func verdicts(rep *rdb.Report) (checker, server *Program) {
	names := programs[rep.Family]
	checker = &Program{Program: names.checker, Verdict: rdb.Accepts.String()}
	server = &Program{Program: names.server, Verdict: rdb.Accepts.String()}
	if e := rep.CheckerFault(); e != nil {
		text, _ := e.CheckerMessage()
		checker.refuse(e, rdb.Refuses, text)
	}
	if e := rep.ServerFault(); e != nil {
		worst := e
		if i := slices.IndexFunc(rep.Faults, func(e *rdb.FormatError) bool { return e.Server() == rdb.Refuses }); i >= 0 {
			worst = rep.Faults[i]
		}
		server.refuse(worst, worst.Server(), message(worst))
	}
	return checker, server
}

func (p *Program) refuse(e *rdb.FormatError, o rdb.Outcome, text string) {
	p.Verdict, p.Code, p.Message, p.Offset = o.String(), Name(e.Code), text, ref(Int(e.Offset))
}

func finding(e *rdb.FormatError) Finding {
	f := Finding{Code: string(e.Code), Severity: e.Severity().String(), Offset: ref(Int(e.Offset)), Record: ref(Int(e.Record)), Message: message(e)}
	if e.Key != nil {
		f.DB, f.Key = ref(Uint(e.DB)), ref(Bytes(e.Key))
	}
	if e.HasType {
		f.Type, f.Encoding = Name(e.Type.Kind().String()), Name(e.Type.Encoding())
	}
	return f
}

// message is what is wrong, without the place and the key, which have fields of their own.
func message(e *rdb.FormatError) string {
	var b strings.Builder
	b.WriteString(e.Code.Meaning())
	if e.Item != "" {
		b.WriteString(", reading the " + e.Item)
	}
	switch {
	case e.Detail != "":
		b.WriteString(": " + e.Detail)
	case e.Err != nil && e.Code != rdb.CodeTruncated:
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func summary(rep *rdb.Report, duplicates bool) *Summary {
	s := &Summary{
		Family: rep.Family.String(), Version: rep.Version, Writer: Name(writer(rep.Aux)), Complete: rep.Complete,
		Bytes: Int(rep.Size), Trailing: Int(rep.Trailing), Checksum: checksum(rep),
		Keys: Int(rep.Keys), Expires: Int(rep.Expires), Expired: Int(rep.AlreadyExpired), FieldTTL: Int(rep.FieldExpires),
		Aux: [][2]Bytes{}, Databases: []Database{}, Types: []TypeCount{}, Libraries: []Bytes{}, Modules: slices.Clone(rep.Modules),
	}
	if s.Modules == nil {
		s.Modules = []string{}
	}
	for _, a := range rep.Aux {
		s.Aux = append(s.Aux, [2]Bytes{Bytes(a.Name), Bytes(a.Value)})
	}
	if t, err := strconv.ParseInt(aux(rep.Aux, "ctime"), 10, 64); err == nil {
		s.Created = ref(Int(t))
	}
	if duplicates {
		s.Duplicates = ref(Int(rep.Duplicates))
	}
	for _, n := range slices.Sorted(maps.Keys(rep.DBs)) {
		db := rep.DBs[n]
		s.Databases = append(s.Databases, Database{Uint(n), Int(db.Keys), Int(db.Expires)})
	}
	rows := slices.SortedFunc(maps.Keys(rep.Types), func(a, b rdb.TypeCount) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Type, b.Type))
	})
	for _, r := range rows {
		c := rep.Types[r]
		s.Types = append(s.Types, TypeCount{r.Kind.String(), r.Encoding, int(r.Type), Int(c.Keys), Int(c.Bytes)})
	}
	for _, l := range rep.Libraries {
		s.Libraries = append(s.Libraries, Bytes(l))
	}
	return s
}

// aux returns an auxiliary field, whose names are compared as the servers do.
func aux(fields []rdb.AuxField, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// writer names the server that wrote the file, where it says so. Valkey 8 writes its own version beside that of the Redis it is
// compatible with.
func writer(fields []rdb.AuxField) string {
	for _, w := range [...]struct{ name, product string }{{"valkey-ver", "Valkey"}, {"redis-ver", "Redis"}} {
		if v := aux(fields, w.name); v != "" {
			return w.product + " " + v
		}
	}
	return ""
}

func checksum(rep *rdb.Report) Checksum {
	e := &rep.EOF
	c := Checksum{State: "ok", Stored: fmt.Sprintf("%016x", e.Stored), Computed: fmt.Sprintf("%016x", e.Computed)}
	switch {
	case !rep.Complete:
		return Checksum{State: "unknown"}
	case !e.HasChecksum:
		return Checksum{State: "none", Computed: c.Computed}
	case e.Stored == 0:
		c.State = "disabled"
	case e.Stored != e.Computed:
		c.State = "mismatch"
	}
	return c
}
