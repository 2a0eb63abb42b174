package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// FileType is what a file of a set is for: the letter behind "type" in the manifest.
type FileType byte

const (
	Base    FileType = 'b' // the snapshot that the log goes on from
	Incr    FileType = 'i' // commands since then
	History FileType = 'h' // superseded, to be deleted; never loaded
)

var fileTypes = map[FileType]string{Base: "base", Incr: "incr", History: "history"}

// String returns "base", "incr" or "history".
func (t FileType) String() string { return fileTypes[t] }

// NoOffset is the replication offset of an entry that has none.
const NoOffset int64 = -1

// ManifestEntry is a line of a manifest.
type ManifestEntry struct {
	Line int // where it stands, counted from 1; the writer does not care
	Name string
	Seq  int64 // never 0; bases and increments are counted apart
	Type FileType

	// StartOffset and EndOffset are the replication offsets between which the file was written, or NoOffset (Redis 8.0 and later).
	// The end is there after an orderly stop only. No server compares them with the file.
	StartOffset, EndOffset int64

	// Extra are keys that no server knows, with their values, in the order of the line.
	Extra [][2]string
}

// Manifest lists the files of a set. It keeps the order of the lines.
type Manifest struct {
	Comments []string // lines that begin with '#', without their end
	Entries  []ManifestEntry
}

// Base returns the entry of the base, nil if there is none.
func (m *Manifest) Base() *ManifestEntry {
	for i := range m.Entries {
		if m.Entries[i].Type == Base {
			return &m.Entries[i]
		}
	}
	return nil
}

// Of returns the entries of a type in the order of the lines, which for increments is that of loading.
func (m *Manifest) Of(t FileType) []*ManifestEntry {
	var of []*ManifestEntry
	for i := range m.Entries {
		if m.Entries[i].Type == t {
			of = append(of, &m.Entries[i])
		}
	}
	return of
}

// ManifestCode names a rule of the manifest that is broken.
type ManifestCode string

const (
	ManifestEmpty         ManifestCode = "manifest-empty"
	ManifestLine          ManifestCode = "manifest-line"
	ManifestFormat        ManifestCode = "manifest-format"
	ManifestPath          ManifestCode = "manifest-path"
	ManifestType          ManifestCode = "manifest-type"
	ManifestDuplicateBase ManifestCode = "manifest-duplicate-base"
	ManifestSequence      ManifestCode = "manifest-sequence"
	ManifestUnreadable    ManifestCode = "manifest-unreadable"
)

// manifestMessages are the servers' words (aof.c, aofLoadManifestFromFile; the same in Redis 7.0 to 8.6 and Valkey to 9.1).
var manifestMessages = map[ManifestCode]string{
	ManifestEmpty:         "Found an empty AOF manifest",
	ManifestLine:          "The AOF manifest file contains too long line",
	ManifestFormat:        "Invalid AOF manifest file format",
	ManifestPath:          "File can't be a path, just a filename",
	ManifestType:          "Unknown AOF file type",
	ManifestDuplicateBase: "Found duplicate base file information",
	ManifestSequence:      "Found a non-monotonic sequence number",
	ManifestUnreadable:    "Read AOF manifest failed",
}

// ManifestError is a broken rule of a manifest. It wraps [ErrManifest] and, if it could not be read, why.
type ManifestError struct {
	Code ManifestCode
	Line int     // counted from 1; one of more than 1024 bytes counts several times
	Text *string // the line without the blanks around it; nil if the fault is not one of its content
	Err  error
}

// Error gives the line and the rule.
func (e *ManifestError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	b.WriteString(e.Message())
	if e.Text != nil {
		fmt.Fprintf(&b, ": %q", *e.Text)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Message returns the servers' words for the rule.
func (e *ManifestError) Message() string { return manifestMessages[e.Code] }

// Unwrap makes errors.Is see ErrManifest and the cause.
func (e *ManifestError) Unwrap() []error {
	if e.Err != nil {
		return []error{ErrManifest, e.Err}
	}
	return []error{ErrManifest}
}

// manifestLine is how many bytes of a line are looked at; the line feed must be among them.
const manifestLine = 1024

// ReadManifest parses a manifest as the servers do. What it returns beside an error, a [*ManifestError], are the lines before the fault.
//
//	file appendonly.aof.3.base.rdb seq 3 type b
//	file appendonly.aof.2.incr.aof seq 2 type h
//	file "odd name.3.incr.aof" seq 3 type i startoffset 0 endoffset 8
//
// A line is pairs of a key and a value in any order, at least three; file, seq and type must be there; the last of a key that comes
// twice counts. Every line ends with a line feed, the last too. At most one base; increments in order of their numbers, gaps allowed.
func ReadManifest(src io.Reader) (*Manifest, error) {
	p := manifestParser{m: &Manifest{}, w: &window{}}
	p.w.reset(src, 0, 4*manifestLine)
	for {
		p.w.release()
		chunk, _ := p.w.line(manifestLine)
		if len(chunk) == 0 || p.w.failed() != nil && p.w.pos == p.w.end {
			break // also in the middle of a line
		}
		p.line++
		if err := p.parse(chunk); err != nil {
			return p.m, err
		}
	}
	if err := p.w.failed(); err != nil {
		return p.m, &ManifestError{Code: ManifestUnreadable, Err: err}
	}
	if p.line == 0 {
		return p.m, &ManifestError{Code: ManifestEmpty}
	}
	return p.m, nil
}

type manifestParser struct {
	m       *Manifest
	w       *window
	line    int
	maxIncr int64
	hasBase bool
}

// parse takes one line, or as much of it as the servers take at once.
func (p *manifestParser) parse(chunk []byte) error {
	if chunk[0] == '#' {
		p.m.Comments = append(p.m.Comments, string(bytes.TrimRight(chunk, "\r\n")))
		return nil
	}
	chunk = cString(chunk)
	if !bytes.HasSuffix(chunk, []byte("\n")) {
		return &ManifestError{Code: ManifestLine, Line: p.line}
	}
	text := string(bytes.Trim(chunk, " \t\r\n"))
	args, ok := splitArgs(text)
	if !ok || len(args) < 6 || len(args)%2 != 0 {
		return &ManifestError{ManifestFormat, p.line, &text, nil}
	}
	e := ManifestEntry{Line: p.line, StartOffset: NoOffset, EndOffset: NoOffset}
	code := e.take(args)
	if code == "" {
		code = p.place(&e)
	}
	if code != "" {
		return &ManifestError{code, p.line, &text, nil}
	}
	p.m.Entries = append(p.m.Entries, e)
	return nil
}

// take fills the entry from keys and values.
func (e *ManifestEntry) take(args []string) ManifestCode {
	hasName := false
	for i := 0; i < len(args); i += 2 {
		value := string(cString([]byte(args[i+1])))
		switch strings.ToLower(string(cString([]byte(args[i])))) {
		case "file":
			e.Name, hasName = value, true
			if strings.ContainsAny(value, `/\`) {
				return ManifestPath
			}
		case "seq":
			e.Seq, _, _ = decimal([]byte(value))
		case "type":
			e.Type = 0
			if value != "" {
				e.Type = FileType(value[0])
			}
		case "startoffset":
			e.StartOffset, _, _ = decimal([]byte(value))
		case "endoffset":
			e.EndOffset, _, _ = decimal([]byte(value))
		default:
			e.Extra = append(e.Extra, [2]string{args[i], args[i+1]})
		}
	}
	if !hasName || e.Seq == 0 || e.Type == 0 {
		return ManifestFormat
	}
	return ""
}

// place applies the rules about an entry among the others.
func (p *manifestParser) place(e *ManifestEntry) ManifestCode {
	switch e.Type {
	case Base:
		if p.hasBase {
			return ManifestDuplicateBase
		}
		p.hasBase = true
	case History:
	case Incr:
		if e.Seq <= p.maxIncr {
			return ManifestSequence
		}
		p.maxIncr = e.Seq
	default:
		return ManifestType
	}
	return ""
}

// cString is p up to a NUL.
func cString(p []byte) []byte {
	if i := bytes.IndexByte(p, 0); i >= 0 {
		return p[:i]
	}
	return p
}

// AppendText appends the manifest in the form that servers write, comments first and keys that no server knows last. It is an
// error if reading the result would be one.
func (m *Manifest) AppendText(b []byte) ([]byte, error) {
	start := len(b)
	for _, c := range m.Comments {
		b = append(append(b, c...), '\n')
	}
	for i := range m.Entries {
		b = m.Entries[i].append(b)
	}
	back, err := ReadManifest(bytes.NewReader(b[start:]))
	if err != nil {
		return b[:start], err
	}
	if !slices.Equal(back.Comments, m.Comments) || !slices.EqualFunc(back.Entries, m.Entries, sameEntry) {
		return b[:start], errors.New("a comment or word of the manifest cannot be written")
	}
	return b, nil
}

// sameEntry compares entries but for their lines.
func sameEntry(a, b ManifestEntry) bool {
	return a.Name == b.Name && a.Seq == b.Seq && a.Type == b.Type && a.StartOffset == b.StartOffset && a.EndOffset == b.EndOffset &&
		slices.Equal(a.Extra, b.Extra)
}

// append appends the entry's line:
//
//	file <name> seq <n> type <letter>[ startoffset <n>][ endoffset <n>]
func (e *ManifestEntry) append(b []byte) []byte {
	b = append(b, "file "...)
	b = appendArg(b, e.Name)
	b = fmt.Appendf(b, " seq %d type %c", e.Seq, e.Type)
	if e.StartOffset != NoOffset {
		b = fmt.Appendf(b, " startoffset %d", e.StartOffset)
	}
	if e.EndOffset != NoOffset {
		b = fmt.Appendf(b, " endoffset %d", e.EndOffset)
	}
	for _, kv := range e.Extra {
		b = appendArg(append(b, ' '), kv[0])
		b = appendArg(append(b, ' '), kv[1])
	}
	return append(b, '\n')
}
