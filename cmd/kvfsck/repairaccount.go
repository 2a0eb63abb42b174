package main

import (
	"fmt"
	"strings"

	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

// snapshotAccount is what became of the keys of snapshots that are not healed: of the one, or of the RDB parts of a log.
type snapshotAccount struct {
	LostKeys  []lostRow      `json:"lost_keys"`
	Twice     []duplicateRow `json:"duplicate_keys"`
	Libraries []libraryRow   `json:"lost_libraries"`
	Databases []databaseRow  `json:"databases"`
}

func (a *snapshotAccount) add(file string, s *repair.Salvaged) {
	name := report.Bytes(file)
	for _, k := range s.Lost {
		a.LostKeys = append(a.LostKeys, lostRow{report.Uint(k.DB), report.Bytes(k.Key), report.Int(k.Offset), string(k.Code), string(k.Doubt), report.Int(k.Kept)})
	}
	for _, k := range s.Duplicates {
		a.Twice = append(a.Twice, duplicateRow{name, report.Uint(k.DB), report.Bytes(k.Key), report.Int(k.Offset), report.Int(k.Kept)})
	}
	for _, l := range s.LibrariesLost {
		a.Libraries = append(a.Libraries, libraryRow{name, report.Bytes(l.Name), report.Int(l.Offset), string(l.Code)})
	}
	for _, d := range s.DBs {
		row := databaseRow{File: name, DB: report.Uint(d.DB), Kept: report.Int(d.Kept), Guessed: report.Int(d.Guessed)}
		if d.Hinted {
			expected := report.Uint(d.Expected)
			row.Expected = &expected
		}
		a.Databases = append(a.Databases, row)
	}
}

// lostRow is a key that is not kept, or only in part.
type lostRow struct {
	DB     report.Uint  `json:"db"`
	Key    report.Bytes `json:"key"`
	Offset report.Int   `json:"offset"`
	Code   string       `json:"code"`
	Doubt  string       `json:"doubt"`
	Kept   report.Int   `json:"kept_elements"` // with --partial keep
}

// duplicateRow is a key that is left out, as another one of its name is kept.
type duplicateRow struct {
	File   report.Bytes `json:"file,omitempty"` // of a set
	DB     report.Uint  `json:"db"`
	Key    report.Bytes `json:"key"`
	Offset report.Int   `json:"offset"`
	Kept   report.Int   `json:"kept_offset"`
}

// libraryRow is a function library that is left out.
type libraryRow struct {
	File   report.Bytes `json:"file,omitempty"` // of a set
	Name   report.Bytes `json:"name"`           // empty if it is not known
	Offset report.Int   `json:"offset"`
	Code   string       `json:"code"`
}

// databaseRow is what became of a database.
type databaseRow struct {
	File     report.Bytes `json:"file,omitempty"` // of a set
	DB       report.Uint  `json:"db"`
	Kept     report.Int   `json:"keys"`
	Expected *report.Uint `json:"keys_expected"` // as the file says; null: it does not
	Guessed  report.Int   `json:"keys_of_uncertain_database"`
}

// duplicates names the keys that are left out as others of their names are kept.
func (t *repairText) duplicates(s *repair.Salvaged) {
	if s.DuplicateKeys == 0 {
		return
	}
	var names []string
	for _, k := range s.Duplicates[:min(len(s.Duplicates), mostNames)] {
		name := fmt.Sprintf("db %d, key %q, at offset %d", k.DB, k.Key, k.Offset)
		if k.Kept < k.Offset {
			name += fmt.Sprintf(" (not the last: the one at %d is kept)", k.Kept)
		}
		names = append(names, name)
	}
	t.line("  left out, as the last of each name is kept: %s: %s", count(s.DuplicateKeys, "key"), listed(names, s.DuplicateKeys))
}

// libraries names the function libraries that are left out.
func (t *repairText) libraries(s *repair.Salvaged) {
	if s.LostLibraries == 0 {
		return
	}
	var names []string
	for _, l := range s.LibrariesLost[:min(len(s.LibrariesLost), mostNames)] {
		name := fmt.Sprintf("at offset %d", l.Offset)
		if len(l.Name) > 0 {
			name = fmt.Sprintf("%q, %s", l.Name, name)
		}
		why := l.Code.Meaning()
		if l.Code == rdb.CodeFunctionDuplicate {
			why = "the last of its name is kept"
		}
		names = append(names, fmt.Sprintf("%s (%s)", name, why))
	}
	what := "function libraries"
	if s.LostLibraries == 1 {
		what = "function library"
	}
	t.line("  left out: %d %s: %s", s.LostLibraries, what, listed(names, s.LostLibraries))
}

// listed is the first names of a list of n, on a line.
func listed(names []string, n int64) string {
	if more := n - int64(len(names)); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, "; ")
}
