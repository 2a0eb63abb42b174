package repair

import (
	"errors"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

// FindingRow is a row of the table of everything that a check can find; FINDINGS.md is that table.
type FindingRow struct {
	Code    string
	About   string // "snapshot", or "log": an append-only file or set
	Redis   rdb.Severity
	Valkey  rdb.Severity
	Meaning string
	Advice  string // what to do next, on one line
}

// Findings returns the table: the rules of snapshots in the order of [rdb.Rules], then the findings on logs in that of their codes.
func Findings() (rows []FindingRow) {
	for _, r := range rdb.Rules() {
		row := FindingRow{Code: string(r.Code), About: "snapshot", Meaning: r.Meaning, Advice: Advice(r.Code)}
		for family, to := range map[rdb.Family]*rdb.Severity{rdb.Redis: &row.Redis, rdb.Valkey: &row.Valkey} {
			*to = (&rdb.FormatError{Code: r.Code, Family: family}).Severity()
		}
		rows = append(rows, row)
	}
	for _, code := range aof.FindingCodes() {
		f := aof.Finding{Code: code}
		rows = append(rows, FindingRow{string(code), "log", f.Severity(), f.Severity(), f.Meaning(), f.Advice()})
	}
	return rows
}

// advice is what to do about damage of a snapshot, by code where that is something of its own.
var advice = map[rdb.Code]string{
	rdb.CodeTruncated:         "The file ends too early. If it was copied, compare its size with the original and copy it again; if a server wrote it, look in its log for a full disk. Salvage keeps what is there.",
	rdb.CodeChecksum:          "Bytes changed after the file was written. Copy it again from where it came from, and have disk and memory tested if that does not help. Small damage can be healed.",
	rdb.CodeVersion:           "A server newer than this program wrote the file, or its first bytes are damaged. kvfsck version tells what can be read.",
	rdb.CodeSignature:         "It is not a snapshot, or its first bytes are damaged.",
	rdb.CodeDuplicateKey:      "A server aborts on the second of two equal keys. The export has both; the later one is usually the newer, and the one that repair keeps.",
	rdb.CodeEmpty:             "The server drops empty collections and says so only in its log.",
	rdb.CodeDBRange:           "Start the server with at least as many databases as the file uses (setting: databases).",
	rdb.CodeNoChecksum:        "Nothing vouches for the bytes of plain strings. Have the server save with rdbchecksum yes.",
	rdb.CodeTrailing:          "No server looks at them. If they are another file's, two files were put together; if zeros, a copy was padded.",
	rdb.CodeModuleNeeded:      "Load the module before the file.",
	rdb.CodeMetaClass:         "Load the module before the file.",
	rdb.CodeBacklenRedis:      "The file was written by Valkey 9.1 and says that it is of Redis: load it with Valkey 9.1 or later.",
	rdb.CodeBacklenValkey:     "The file was written by another server than Valkey 9.1: load it with Redis, or an older Valkey, and have that replicate.",
	rdb.CodeModulePreGA:       "Load the file with the release candidate that wrote it.",
	rdb.CodeFunctionPreGA:     "Load the file with the release candidate that wrote it.",
	rdb.CodeFunctionHeader:    "The rest of the file is not concerned: salvage leaves the library out.",
	rdb.CodeFunctionDuplicate: "The rest of the file is not concerned: salvage leaves the earlier library out.",
	rdb.CodeIDMPEntry:         "The server forgets the second one.",
	rdb.CodeResizeDB:          "Keys may be missing or too many: the file may have been cut and closed again.",
}

// adviceByKind is what to do about damage of a kind, where the code says no more.
var adviceByKind = map[error]string{
	rdb.ErrEncoding: "Bytes of the framing are damaged, so what follows cannot be trusted to begin where it seems to. Salvage finds the next record.",
	rdb.ErrContent:  "The value is damaged and its neighbours are not: salvage leaves it out, or keeps its beginning.",
}

// Advice says what to do about a broken rule of a snapshot, on one line.
func Advice(code rdb.Code) string {
	if text := advice[code]; text != "" {
		return text
	}
	for kind, text := range adviceByKind {
		if errors.Is(&rdb.FormatError{Code: code}, kind) {
			return text
		}
	}
	return "Look for another copy of the file."
}
