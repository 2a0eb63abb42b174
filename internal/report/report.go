// Package report is the document kvfsck.report/1: what a check found out, for scripts as JSON and for what prints it for people.
//
//	{"schema":"kvfsck.report/1","targets":[
//	  {"path":"dump.rdb","kind":"rdb","verdict":"damaged","size":712,"compression":[],
//	   "checker":{"program":"redis-check-rdb","verdict":"refuses","message":"...","offset":204},
//	   "server":{"program":"redis-server","verdict":"refuses","message":"...","offset":204},
//	   "findings":[{"code":"listpack","severity":"error","offset":204,"record_offset":180,"message":"...","db":0,"key":"k","type":"hash","encoding":"listpack"}],
//	   "findings_total":1,
//	   "summary":{...}}]}
//
// The verdict is clean only if the newest server of the file's family, checking everything, would load the whole file and lose
// nothing of it; damaged if not; unreadable, with an "error", if the file could not be read, so that nothing is known of it.
// Of an append-only file or set there are all files and what the newest servers of both families do when they start, by the setting
// aof-load-truncated ("drops": it cuts a file):
//
//	"kind":"aof-set","set":{"manifest":"appendonlydir/appendonly.aof.manifest","family":"Redis","bytes":92,"commands":3,"annotations":0,
//	  "base_keys":1,"files":[{"file":"appendonlydir/appendonly.aof.1.base.rdb","role":"base","seq":1,"size":40,...},...],
//	  "starts":[{"server":"redis-8.6","aof_load_truncated":true,"outcome":"loads-cut","reason":"short","file":"...","offset":52,
//	    "lost_bytes":25,"cuts_on_disk":true,"message":"...","warning":null},...]}
//
// A data directory gives a target for its log and one for its snapshot, and "loaded_if" says which a server loads when. Files are
// named as they are in the directory.
//
// "checker" and "server" say apart what the two programs would do: accepts, drops (goes on without something) or refuses.
//
// Fields of a finding that do not apply are null. Byte strings and numbers are as in package jsonl. Fields may be added to a
// version of the schema; none is renamed or changes its meaning.
package report

import (
	"encoding/json"
	"io"

	"github.com/kvfsck/kvfsck/internal/jsonl"
)

// Schema names the document and its version.
const Schema = "kvfsck.report/1"

// Verdict is the answer of a check.
type Verdict string

const (
	Clean      Verdict = "clean"
	Damaged    Verdict = "damaged"
	Unreadable Verdict = "unreadable"
)

// Document is a whole report.
type Document struct {
	Schema  string   `json:"schema"`
	Targets []Target `json:"targets"`
}

// Write writes the document as one line of JSON.
func (d *Document) Write(w io.Writer) error {
	d.Schema = Schema
	if d.Targets == nil {
		d.Targets = []Target{}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(d)
}

// Target is what was found out about one file.
type Target struct {
	Path        Bytes     `json:"path"`
	Kind        string    `json:"kind"`
	Verdict     Verdict   `json:"verdict"`
	Error       string    `json:"error,omitempty"` // of an unreadable one
	Size        *Int      `json:"size"`            // of the file in bytes; nil: a stream
	Compression []string  `json:"compression"`     // outermost first
	Checker     *Program  `json:"checker"`
	Server      *Program  `json:"server"`
	Findings    []Finding `json:"findings"`
	Total       Int       `json:"findings_total"`      // also those beyond the limit
	Summary     *Summary  `json:"summary"`             // of the RDB; null: there is none
	Set         *Set      `json:"set,omitempty"`       // of an append-only file or set
	LoadedIf    string    `json:"loaded_if,omitempty"` // of a data directory's: "appendonly yes" or "appendonly no"
}

// Program is what one program would do about the file.
type Program struct {
	Program string `json:"program"`
	Verdict string `json:"verdict"` // accepts, drops, refuses
	Code    Name   `json:"code"`
	Message string `json:"message"`
	File    Name   `json:"file,omitempty"` // of a set
	Offset  *Int   `json:"offset"`
}

// Finding is one thing that is wrong or worth knowing.
type Finding struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`       // error, warning, note
	File     Name   `json:"file,omitempty"` // of a set
	Offset   *Int   `json:"offset"`         // null: about the whole file
	Record   *Int   `json:"record_offset"`
	Message  string `json:"message"`
	Advice   string `json:"advice,omitempty"`
	DB       *Uint  `json:"db"`
	Key      *Bytes `json:"key"`
	Type     Name   `json:"type"` // as TYPE answers
	Encoding Name   `json:"encoding"`
}

// Summary is what an RDB holds, as far as it was read.
type Summary struct {
	Family     string      `json:"family"` // Redis or Valkey
	Version    int         `json:"rdb_version"`
	Writer     Name        `json:"writer"`  // e.g. "Redis 8.6.3"
	Created    *Int        `json:"created"` // Unix time in seconds
	Aux        [][2]Bytes  `json:"aux"`
	Complete   bool        `json:"complete"` // the end mark was reached
	Bytes      Int         `json:"bytes"`    // read of the content
	Trailing   Int         `json:"trailing_bytes"`
	Checksum   Checksum    `json:"checksum"`
	Keys       Int         `json:"keys"`
	Expires    Int         `json:"expires"`
	Expired    Int         `json:"already_expired"`
	FieldTTL   Int         `json:"hashes_with_field_expiry"`
	Duplicates *Int        `json:"duplicate_keys"` // nil: not looked for
	Databases  []Database  `json:"databases"`
	Types      []TypeCount `json:"types"`
	Libraries  []Bytes     `json:"function_libraries"`
	Modules    []string    `json:"modules"`
}

// Checksum is the file's CRC-64. Its state is "ok", "mismatch", "disabled" by the writer, "none" in versions without one, or
// "unknown" if the end was not reached.
type Checksum struct {
	State    string `json:"state"`
	Stored   string `json:"stored,omitempty"`
	Computed string `json:"computed,omitempty"`
}

// Database is what a database holds.
type Database struct {
	DB      Uint `json:"db"`
	Keys    Int  `json:"keys"`
	Expires Int  `json:"expires"`
}

// TypeCount is how much there is of a type in one encoding.
type TypeCount struct {
	Type     string `json:"type"`
	Encoding string `json:"encoding"`
	RDBType  int    `json:"rdb_type"` // the number in the file
	Keys     Int    `json:"keys"`
	Bytes    Int    `json:"bytes"`
}

// Bytes is a byte string.
type Bytes []byte

// MarshalJSON writes it as package jsonl does.
func (b Bytes) MarshalJSON() ([]byte, error) { return jsonl.AppendBytes(nil, b), nil }

// Name is a string of which the empty one means that there is none, which is null.
type Name string

// MarshalJSON writes it as package jsonl does.
func (n Name) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return jsonl.AppendBytes(nil, []byte(n)), nil
}

// Int is a number.
type Int int64

// MarshalJSON writes it as package jsonl does.
func (i Int) MarshalJSON() ([]byte, error) { return jsonl.AppendInt(nil, int64(i)), nil }

// Uint is a number.
type Uint uint64

// MarshalJSON writes it as package jsonl does.
func (u Uint) MarshalJSON() ([]byte, error) { return jsonl.AppendUint(nil, uint64(u)), nil }

func ref[T any](v T) *T { return &v }
