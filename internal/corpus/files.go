package corpus

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// Library is one function library that a server held (Redis 7.0 and later).
type Library struct {
	Name      string   `json:"library"`
	Engine    string   `json:"engine"`
	Code      []byte   `json:"code"` // the exact source
	Functions []string `json:"functions"`
}

// RDB is one snapshot that a server wrote, as its index describes it.
type RDB struct {
	File          string            `json:"file"`
	TruthFile     string            `json:"truth"`
	Server        string            `json:"server"` // "redis-7.4", "valkey-9.1", ...
	ServerVersion string            `json:"server_version"`
	RDBVersion    int               `json:"rdb_version"`
	Size          int64             `json:"size"`
	SHA256        string            `json:"sha256"`
	Keys          int               `json:"keys"`
	Digest        string            `json:"digest"` // DEBUG DIGEST by that server, empty where it is unusable
	Config        map[string]string `json:"config"` // settings that differ from the default
	Functions     []Library         `json:"functions"`
	LoadErrors    int               `json:"load_errors"`
	ReloadMatches *bool             `json:"reload_matches"` // nil where it was not tried

	ID        string `json:"-"` // "rdb/redis-7.4/lists.rdb"
	Path      string `json:"-"`
	TruthPath string `json:"-"` // for Truth
}

// RDBs returns every snapshot that the corpus has from servers, in order of server and
// index.
func RDBs(t testing.TB) []RDB {
	t.Helper()
	var all []RDB
	for _, server := range servers(t, "rdb") {
		dir := path.Join("rdb", server)
		for _, r := range load[[]RDB](t, Path(t, path.Join(dir, "index.json"))) {
			r.ID = path.Join(dir, r.File)
			r.Path = Path(t, r.ID)
			r.TruthPath = Path(t, path.Join(dir, r.TruthFile))
			all = append(all, r)
		}
	}
	return all
}

// Region is one top-level record of an RDB file: the bytes [Start, End).
type Region struct {
	Start, End int64
	// Kind names the record: "aux", "selectdb", "eof", "key:14" (a key of RDB type 14
	// together with its expiry, idle time and frequency), ...
	Kind string
}

// UnmarshalJSON reads the [start, end, kind] form of offsets.json.
func (r *Region) UnmarshalJSON(b []byte) error {
	return tuple(b, &r.Start, &r.End, &r.Kind)
}

// Regions returns the top-level records of every RDB file of the corpus, by file id.
func Regions(t testing.TB) map[string][]Region {
	t.Helper()
	all := map[string][]Region{}
	for _, server := range servers(t, "rdb") {
		dir := path.Join("rdb", server)
		for file, regions := range load[map[string][]Region](t, Path(t, path.Join(dir, "offsets.json"))) {
			all[path.Join(dir, file)] = regions
		}
	}
	return all
}

// AOFFile is one file of an append-only set.
type AOFFile struct {
	Name   string `json:"file"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// AOFSet is one append-only log: a single file before Redis 7.0, a manifest with base
// and incremental files from 7.0 on.
type AOFSet struct {
	Name          string            `json:"name"`
	TruthFile     string            `json:"truth"`
	Server        string            `json:"server"`
	ServerVersion string            `json:"server_version"`
	Multipart     bool              `json:"multipart"`
	Files         []AOFFile         `json:"files"`
	Keys          int               `json:"keys"`
	Digest        string            `json:"digest"` // empty where DEBUG DIGEST is unusable
	Config        map[string]string `json:"config"`
	Functions     []Library         `json:"functions"`
	LoadErrors    int               `json:"load_errors"`
	// ReplayEqualsLive is false where the server itself does not get its own state back
	// from its log; the truth is that of the replay.
	ReplayEqualsLive bool `json:"replay_equals_live"`

	ID        string `json:"-"` // "aof/redis-7.4/history"
	Path      string `json:"-"` // the folder
	TruthPath string `json:"-"` // for Truth
}

// AOFSets returns every append-only set of the corpus, in order of server and index.
func AOFSets(t testing.TB) []AOFSet {
	t.Helper()
	var all []AOFSet
	for _, server := range servers(t, "aof") {
		dir := path.Join("aof", server)
		for _, s := range load[[]AOFSet](t, Path(t, path.Join(dir, "index.json"))) {
			s.ID = path.Join(dir, s.Name)
			s.Path = Path(t, s.ID)
			s.TruthPath = Path(t, path.Join(dir, s.TruthFile))
			all = append(all, s)
		}
	}
	return all
}

// EntryPath returns the absolute path of the file to open first: the manifest of a
// multi-part set, else the only file.
func (s *AOFSet) EntryPath() string {
	for _, f := range s.Files {
		if !s.Multipart || strings.HasSuffix(f.Name, ".manifest") {
			return filepath.Join(s.Path, f.Name)
		}
	}
	return ""
}

// Rejection is one server's refusal of a file of another project.
type Rejection struct {
	Server  string `json:"server"`
	Modules bool   `json:"modules"` // it had the test modules loaded
	Message string `json:"message"`
}

// ThirdPartyRDB is one sample file of another project and what a server made of it.
type ThirdPartyRDB struct {
	File      string      `json:"file"` // "redis-assets/encodings.rdb"
	Loaded    bool        `json:"loaded"`
	Server    string      `json:"server"` // the server that loaded it
	Modules   bool        `json:"modules"`
	TruthFile string      `json:"truth"`
	Keys      int         `json:"keys"`
	Digest    string      `json:"digest"`
	Functions []Library   `json:"functions"`
	Rejected  []Rejection `json:"rejected"` // servers tried before Server, or all of them

	ID        string `json:"-"` // "thirdparty/redis-assets/encodings.rdb"
	Path      string `json:"-"`
	TruthPath string `json:"-"` // for Truth; empty when no server loaded the file
}

// ThirdParty returns the sample files of other projects that the corpus has, in index order.
func ThirdParty(t testing.TB) []ThirdPartyRDB {
	t.Helper()
	all := load[[]ThirdPartyRDB](t, Path(t, "thirdparty/truth/index.json"))
	for i := range all {
		f := &all[i]
		f.ID = path.Join("thirdparty", f.File)
		f.Path = Path(t, f.ID)
		if f.TruthFile != "" {
			f.TruthPath = Path(t, path.Join("thirdparty", f.TruthFile))
		}
	}
	return all
}

// tuple decodes a JSON array with exactly as many elements as there are targets.
func tuple(b []byte, into ...any) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if len(raw) != len(into) {
		return fmt.Errorf("array of %d elements, want %d", len(raw), len(into))
	}
	for i, r := range raw {
		if err := json.Unmarshal(r, into[i]); err != nil {
			return err
		}
	}
	return nil
}
