package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

// checkText prints what was found out about a file for people: one block of lines.
type checkText struct {
	w     io.Writer
	t     *report.Target
	head  []byte // first bytes of the content
	shown int    // how many findings
}

func (c *checkText) line(format string, args ...any) {
	fmt.Fprintln(c.w, safe(fmt.Sprintf(format, args...)))
}

func (c *checkText) print() {
	c.line("%s: %s", c.t.Path, c.t.Verdict)
	c.line("  %s", c.what())
	c.programs()
	c.findings()
	c.summary()
	if c.t.Verdict != report.Clean {
		c.next()
	}
}

// what says what kind of file it is.
func (c *checkText) what() string {
	s := c.t.Summary
	var parts []string
	if s.Version > 0 {
		parts = append(parts, fmt.Sprintf("%s snapshot, RDB version %d", s.Family, s.Version))
	} else {
		parts = append(parts, "no snapshot that can be recognised")
	}
	if s.Writer != "" {
		parts = append(parts, "written by "+string(s.Writer))
	}
	if s.Created != nil {
		parts = append(parts, "saved "+time.Unix(int64(*s.Created), 0).UTC().Format("2006-01-02 15:04:05")+" UTC")
	}
	if c.t.Size != nil {
		parts = append(parts, count(int64(*c.t.Size), "byte"))
	}
	if len(c.t.Compression) > 0 {
		parts = append(parts, "compressed by "+strings.Join(c.t.Compression, ", in it "))
	}
	return strings.Join(parts, ", ")
}

// count writes a number of things.
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.FormatInt(n, 10) + " " + what + "s"
}

// programs says what the server would do, and the checker where that is something else.
func (c *checkText) programs() {
	server, checker := c.t.Server, c.t.Checker
	if server == nil || checker == nil {
		return
	}
	accepts := rdb.Accepts.String()
	switch server.Verdict {
	case accepts:
		c.line("  the newest %s loads all of it", server.Program)
	case rdb.Drops.String():
		c.line("  the newest %s loads it but drops something, at offset %d", server.Program, *server.Offset)
	default:
		c.line("  the newest %s refuses it, at offset %d", server.Program, *server.Offset)
	}
	switch {
	case server.Verdict != accepts && checker.Verdict == accepts:
		c.line("  %s differs: it accepts the file", checker.Program)
	case checker.Verdict != accepts && server.Verdict != checker.Verdict:
		c.line("  %s differs: it gives up at offset %d: %s", checker.Program, *checker.Offset, checker.Message)
	}
}

func (c *checkText) findings() {
	t := c.t
	if len(t.Findings) == 0 {
		c.line("  nothing found")
		return
	}
	c.line("  %s", count(int64(t.Total), "finding"))
	for i := range t.Findings[:min(len(t.Findings), c.shown)] {
		c.line("    %s", findingLine(&t.Findings[i]))
	}
	if rest := int64(t.Total) - int64(min(len(t.Findings), c.shown)); rest > 0 {
		c.line("    and %d more", rest)
	}
}

// shownKey is how many bytes of a key are printed.
const shownKey = 80

// findingLine writes a finding as "severity code in FILE at offset N: message (db, key, type)".
func findingLine(f *report.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", f.Severity, f.Code)
	if f.File != "" {
		b.WriteString(" in " + string(f.File))
	}
	if f.Offset != nil {
		fmt.Fprintf(&b, " at offset %d", *f.Offset)
	}
	b.WriteString(": " + f.Message)
	if f.Key == nil {
		return b.String()
	}
	key, cut := []byte(*f.Key), ""
	if len(key) > shownKey {
		key, cut = key[:shownKey], "..."
	}
	fmt.Fprintf(&b, " (db %d, key %q%s", *f.DB, key, cut)
	if f.Type != "" {
		fmt.Fprintf(&b, ", %s in %s form", f.Type, f.Encoding)
	}
	b.WriteString(")")
	return b.String()
}

// checksums says what each state of the checksum means.
var checksums = map[string]string{
	"ok":       "the checksum is right",
	"mismatch": "the checksum is wrong",
	"disabled": "no checksum: the server had it disabled",
	"none":     "no checksum: this version has none",
	"unknown":  "the checksum was not reached",
}

func (c *checkText) summary() {
	s := c.t.Summary
	line := count(int64(s.Keys), "key") + " in " + count(int64(len(s.Databases)), "database")
	if s.Expires > 0 {
		line += fmt.Sprintf(", %d with an expiry (%d in the past)", s.Expires, s.Expired)
	}
	if s.FieldTTL > 0 {
		line += fmt.Sprintf(", %d with fields that expire", s.FieldTTL)
	}
	c.line("  %s; %s", line, checksums[s.Checksum.State])
	if len(s.Databases) > 1 {
		for _, db := range s.Databases {
			c.line("    db %-3d %s, %d with an expiry", db.DB, count(int64(db.Keys), "key"), db.Expires)
		}
	}
	for _, t := range s.Types {
		c.line("    %-6s %-10s (RDB type %d) %s, %s", t.Type, t.Encoding, t.RDBType, count(int64(t.Keys), "key"), count(int64(t.Bytes), "byte"))
	}
	if n := len(s.Libraries); n > 0 {
		c.line("    function libraries: %s", joinBytes(s.Libraries))
	}
	if len(s.Modules) > 0 {
		c.line("    data of modules: %s", strings.Join(s.Modules, ", "))
	}
}

func joinBytes(all []report.Bytes) string {
	var names []string
	for _, b := range all {
		names = append(names, string(b))
	}
	return strings.Join(names, ", ")
}

// compressionAdvice is what to do about a damaged compression.
const compressionAdvice = "The compressed backup is damaged. Copy it again from where it came from; what was read before the damage is good."

// next says what to do about a damaged file.
func (c *checkText) next() {
	c.line("  what to do next")
	told := map[string]bool{}
	for _, f := range c.t.Findings {
		text := repair.Advice(rdb.Code(f.Code))
		if f.Code == report.CodeCompression {
			text = compressionAdvice
		}
		if f.Severity != rdb.Error.String() || told[text] {
			continue
		}
		told[text] = true
		c.line("    - %s", text)
	}
	if g := guess(c.head); g != "" {
		c.line("    - From its first bytes, %s.", g)
	}
	if at := snapshotAt(c.head); at > 0 {
		c.line("    - A snapshot's header stands at offset %d: a repair leaves out what is in front of it, if that is no part of it.", at)
	}
	path := shellQuote(string(c.t.Path))
	if string(c.t.Path) == input.Stdin {
		path = "FILE"
	}
	c.line("    - Keep a copy of the file as it is: a server that starts beside it may write over it.")
	if c.repairable() {
		c.line("    - See what can be repaired:    kvfsck repair %s --dry-run", path)
	}
	if int64(c.t.Total) > int64(c.shown) {
		c.line("    - See every finding:           kvfsck check --all %s", path)
	}
	c.line("    - Have the findings as JSON:   kvfsck check --all --json %s", path)
	if c.t.Summary.Keys > 0 {
		c.line("    - Save what can be read:       kvfsck export %s --format jsonl --output keys.jsonl", path)
	}
	c.line("    - Look for another copy: an older backup, a replica's file, or the append-only files of the same server.")
}

// repairable reports whether repair is worth trying: on a file of some bytes.
func (c *checkText) repairable() bool {
	return string(c.t.Path) != input.Stdin && c.t.Summary.Bytes > 0 && (guess(c.head) == "" || snapshotAt(c.head) > 0)
}
