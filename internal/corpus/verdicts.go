package corpus

import "testing"

// Subject says which file a verdict is about. In the verdicts on bases the mutation is
// "none" and ID is the file's own.
type Subject struct {
	ID       string `json:"id"`
	Base     string `json:"base"`
	Target   string `json:"target"` // the changed file of an AOF set
	Check    string `json:"check"`  // the file of an AOF set that the checkers were given
	Kind     string `json:"kind"`
	Offset   int64  `json:"offset"`
	Len      int64  `json:"len"`
	CRCFixed bool   `json:"crc_fixed"`
	Seed     string `json:"seed"`
}

// Exit is how a program ended: RC or Signal, or neither after the time-out of 10 s.
type Exit struct {
	RC      *int `json:"rc"`
	Signal  *int `json:"signal"`
	Timeout bool `json:"timeout"`
	Crash   bool `json:"crash"`
}

// Accepted says whether the program ended by itself with status 0.
func (e Exit) Accepted() bool { return e.RC != nil && *e.RC == 0 }

// RDBCheck is the verdict of one redis-check-rdb.
type RDBCheck struct {
	Exit
	Message  string `json:"message"`  // the line after "RDB ERROR DETECTED"
	Offset   int64  `json:"offset"`   // the checker's own
	Doing    string `json:"doing"`    // "read-object-value", ...
	Keys     int64  `json:"keys"`     // keys it counted, with the one it was reading
	Checksum string `json:"checksum"` // "ok" and the like, when it accepted
	Detail   string `json:"detail"`
}

// FileSum is a file as a program left it.
type FileSum struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// ServerLoad is what a server did with a file: it loaded it, or ended.
type ServerLoad struct {
	Exit
	Loaded  bool   `json:"loaded"`
	Keys    int64  `json:"keys"`   // without those that had expired
	Digest  string `json:"digest"` // DEBUG DIGEST
	Message string `json:"message"`
	// Changed are the files that the server itself cut, by name (append-only sets).
	Changed map[string]FileSum `json:"changed"`
}

// RDBVerdict has the verdicts on one RDB file, by program ("redis-8.6", "valkey-9.1", ...).
type RDBVerdict struct {
	Subject
	Checkers map[string]RDBCheck   `json:"verdicts"`
	Servers  map[string]ServerLoad `json:"server"`
}

// AOFRun is one run of a redis-check-aof.
type AOFRun struct {
	Exit
	Tail    []string           `json:"tail"`     // its last lines
	OKUpTo  []int64            `json:"ok_up_to"` // one for each file it looked at
	OOM     bool               `json:"oom"`
	Changed map[string]FileSum `json:"changed"` // files that it changed, by name
}

// AOFVerdict has the verdicts of redis-check-aof on one set or file, by program.
type AOFVerdict struct {
	Subject
	Checkers map[string]struct {
		Check AOFRun `json:"check"`
		Fix   AOFRun `json:"fix"` // with --fix, on a copy, answering y
	} `json:"verdicts"`
}

// AOFServerVerdict is what redis-server 7.4 did with a whole set.
type AOFServerVerdict struct {
	ID     string `json:"id"` // a recipe, or the set itself
	Base   string `json:"base"`
	Target string `json:"target"`
	Kind   string `json:"kind"`
	// TruncatedYes and TruncatedNo are under aof-load-truncated yes and no.
	TruncatedYes ServerLoad `json:"aof-load-truncated yes"`
	TruncatedNo  ServerLoad `json:"aof-load-truncated no"`
}

// AOFTimestampVerdict has the runs of redis-check-aof --truncate-to-timestamp on one
// annotated file, by program.
type AOFTimestampVerdict struct {
	Base      string            `json:"base"` // the set
	Check     string            `json:"check"`
	Timestamp int64             `json:"timestamp"` // Unix time in seconds
	Checkers  map[string]AOFRun `json:"verdicts"`
}

// RDBVerdicts returns the verdicts on every RDB recipe, by its id.
func RDBVerdicts(t testing.TB) map[string]RDBVerdict {
	t.Helper()
	return byID(t, "mutations/rdb-verdicts.jsonl", func(v RDBVerdict) string { return v.ID })
}

// RDBBaseVerdicts returns the verdicts on every unmutated RDB file, by its id.
func RDBBaseVerdicts(t testing.TB) map[string]RDBVerdict {
	t.Helper()
	return byID(t, "mutations/rdb-base-verdicts.jsonl", func(v RDBVerdict) string { return v.ID })
}

// AOFVerdicts returns the checkers' verdicts on every AOF recipe, by its id.
func AOFVerdicts(t testing.TB) map[string]AOFVerdict {
	t.Helper()
	return byID(t, "mutations/aof-verdicts.jsonl", func(v AOFVerdict) string { return v.ID })
}

// AOFBaseVerdicts returns the checkers' verdicts on unmutated sets, by the set's id and
// the file that was checked ("aof/redis-7.4/history/appendonly.aof.manifest").
func AOFBaseVerdicts(t testing.TB) map[string]AOFVerdict {
	t.Helper()
	return byID(t, "mutations/aof-base-verdicts.jsonl", func(v AOFVerdict) string { return v.ID })
}

// AOFServerVerdicts returns what the server did with sets and recipes, by the id of either.
func AOFServerVerdicts(t testing.TB) map[string]AOFServerVerdict {
	t.Helper()
	return byID(t, "mutations/aof-server-verdicts.jsonl", func(v AOFServerVerdict) string { return v.ID })
}

// AOFTruncateToTimestamp returns the runs of --truncate-to-timestamp, in file order.
func AOFTruncateToTimestamp(t testing.TB) []AOFTimestampVerdict {
	t.Helper()
	var all []AOFTimestampVerdict
	for v := range lines[AOFTimestampVerdict](t, Path(t, "mutations/aof-truncate-to-timestamp.jsonl")) {
		all = append(all, v)
	}
	return all
}

func byID[T any](t testing.TB, file string, id func(T) string) map[string]T {
	t.Helper()
	all := map[string]T{}
	for v := range lines[T](t, Path(t, file)) {
		if _, twice := all[id(v)]; twice {
			t.Fatalf("%s: id %s occurs twice", file, id(v))
		}
		all[id(v)] = v
	}
	return all
}
