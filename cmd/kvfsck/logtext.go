package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
)

// printDirectory says which of the two things in a data directory a server loads.
func printDirectory(w io.Writer, path string, all []checked) {
	fmt.Fprintln(w, safe(path+": a server's data directory"))
	has := map[string]string{"appendonly yes": "nothing, and starts empty whatever snapshot there is", "appendonly no": "nothing: there is no snapshot"}
	for i := range all {
		has[all[i].LoadedIf] = "the snapshot, below"
		if all[i].Set != nil {
			has[all[i].LoadedIf] = "the append-only files, below"
		}
	}
	for _, setting := range []string{"appendonly yes", "appendonly no"} {
		fmt.Fprintf(w, "  with %-14s a server loads %s\n", setting, has[setting])
	}
}

// logText prints what was found out about an append-only file or set.
type logText struct {
	checkText
	root string
	text bool // the ends of its lines were changed
}

func (c *logText) print() {
	s := c.t.Set
	c.line("%s: %s", c.t.Path, c.t.Verdict)
	c.line("  %s", c.what())
	for i := range s.Files {
		c.file(&s.Files[i])
	}
	c.starts()
	c.checker()
	c.findings()
	c.advice()
	if c.t.Verdict != report.Clean {
		c.next()
	}
}

func (c *logText) what() string {
	s := c.t.Set
	text := "an append-only file"
	if s.Manifest != "" {
		text = "a set of append-only files, " + string(s.Manifest)
	}
	if c.t.Summary != nil && c.t.Summary.Writer != "" {
		text += ", written by " + string(c.t.Summary.Writer)
	}
	text += fmt.Sprintf(", %s: %s in the snapshot, %s", count(int64(s.Bytes), "byte"), count(int64(s.BaseKeys), "key"), count(int64(s.Commands), "command"))
	if len(c.t.Compression) > 0 {
		text += ", compressed by " + strings.Join(c.t.Compression, ", in it ")
	}
	return text
}

func (c *logText) file(f *report.SetFile) {
	if f.Size == nil {
		c.line("    %s %-3d %s: not there", f.Role, f.Seq, f.File)
		return
	}
	var parts []string
	if f.RDB {
		parts = append(parts, "a snapshot of "+count(int64(f.Keys), "key"))
	}
	if f.Commands > 0 || !f.RDB {
		parts = append(parts, count(int64(f.Commands), "command"))
	}
	c.line("    %s %-3d %s: %s, %s", f.Role, f.Seq, f.File, count(int64(*f.Size), "byte"), strings.Join(parts, " and "))
}

// starts says what servers do, once where the setting makes no difference.
func (c *logText) starts() {
	all := c.t.Set.Starts
	for i := 0; i+1 < len(all); i += 2 {
		yes, no := startLine(&all[i]), startLine(&all[i+1])
		if yes == no {
			c.line("  %s %s", all[i].Server, yes)
		} else {
			c.line("  %s %s", all[i].Server, yes)
			c.line("    with aof-load-truncated no it %s", no)
		}
		if all[i].Warning != "" {
			c.line("    beware: %s", all[i].Warning)
		}
	}
}

// startLine says what a server does.
func startLine(s *report.Start) string {
	where := string(s.File)
	if s.Offset != nil {
		where += fmt.Sprintf(" at offset %d", *s.Offset)
	}
	switch s.Outcome {
	case aof.Loads.String():
		return "starts and loads all of it"
	case aof.LoadsEmpty.String():
		return "starts empty"
	case aof.LoadsCut.String():
		return fmt.Sprintf("starts, having cut %s off %s on disk, from offset %d on; these are lost", count(int64(s.Lost), "byte"), s.File, *s.Offset)
	case aof.Crashes.String():
		return fmt.Sprintf("crashes on %s: %s", where, s.Message)
	}
	text := "does not start because of " + where
	if s.CutsOnDisk {
		text += fmt.Sprintf(", off which it cuts %s on disk", count(int64(s.Lost), "byte"))
	}
	return text + ": " + string(s.Message)
}

// checker says what redis-check-aof does where that is something else.
func (c *logText) checker() {
	server, checker := c.t.Server, c.t.Checker
	if server == nil || checker == nil || (server.Verdict == rdb.Accepts.String()) == (checker.Verdict == rdb.Accepts.String()) {
		return
	}
	if checker.Verdict == rdb.Accepts.String() {
		c.line("  %s differs: it accepts all files", checker.Program)
	} else {
		c.line("  %s differs: it gives up on %s: %s", checker.Program, checker.File, checker.Message)
	}
}

// advice says what to do about what was found, once for each code.
func (c *logText) advice() {
	told := map[string]bool{}
	for i := range c.t.Findings {
		f := &c.t.Findings[i]
		if f.Severity == rdb.Note.String() || f.Advice == "" || told[f.Code] {
			continue
		}
		if len(told) == 0 {
			c.line("  advice")
		}
		told[f.Code] = true
		c.line("    %s: %s", f.Code, f.Advice)
	}
}

// next says what to do about a damaged set.
func (c *logText) next() {
	s := c.t.Set
	path := shellQuote(string(c.t.Path))
	if string(c.t.Path) == input.Stdin {
		path = "FILE"
	}
	c.line("  what to do next")
	if c.text {
		c.line("    - The ends of its lines were changed, as by an editor or a transfer in text mode: a repair undoes that.")
	}
	c.line("    - Copy the whole directory before any server starts on it: a start can cut files, and so can --fix.")
	if string(c.t.Path) != input.Stdin {
		c.line("    - See what can be repaired:    kvfsck repair %s --dry-run", path)
	}
	if c.fixable() {
		last, at := &s.Files[len(s.Files)-1], int64(*c.t.Checker.Offset)
		c.line("    - Cut off what is damaged:     redis-check-aof --fix %s", shellQuote(c.entry()))
		c.line("      which loses %s of %s, from offset %d on", count(int64(*last.Size)-at, "byte"), last.File, at)
	}
	if s.BaseKeys > 0 || s.Commands > 0 {
		c.line("    - Save what can be read:       kvfsck export %s --format resp --output commands.resp", path)
		c.line("      and into an empty server:    redis-cli --pipe < commands.resp")
	}
	c.line("    - Have the findings as JSON:   kvfsck check --all --json %s", path)
	c.line("    - Look for another copy: an older backup, a replica's files, or the snapshot of the same server.")
}

// entry is the path that redis-check-aof takes: of a directory the manifest in it, or the file.
func (c *logText) entry() string {
	s, path := c.t.Set, string(c.t.Path)
	switch {
	case path != c.root:
		return path
	case s.Manifest != "":
		return joinPath(c.root, string(s.Manifest))
	default:
		return joinPath(c.root, string(s.Files[0].File))
	}
}

// fixable reports whether redis-check-aof --fix gets the set loaded: what is at fault is commands of the last file, and that is no
// stream and not compressed.
func (c *logText) fixable() bool {
	checker, files := c.t.Checker, c.t.Set.Files
	if string(c.t.Path) == input.Stdin || len(c.t.Compression) > 0 {
		return false
	}
	if checker == nil || checker.Verdict == rdb.Accepts.String() || len(files) == 0 || checker.Offset == nil {
		return false
	}
	last := &files[len(files)-1]
	return string(checker.File) == string(last.File) && last.ValidUpTo != nil && *checker.Offset >= *last.ValidUpTo && (!last.RDB || *last.ValidUpTo > 0)
}
