// Package rdbcheck prints what redis-check-rdb prints. Two programs need it: redis-check-rdb, and redis-check-aof for the RDB part of
// an append-only file. Text, order and offsets are those of Redis 8.6.3, with these deviations:
//
//   - Every version that package rdb reads is accepted, Valkey's magic too.
//   - Where the input ends between two items of a module's data, the real tool never returns; this one reports the end.
//   - Messages of the real tool's object loader name a line of its C source. Here that number is always 0.
//   - Sizes that the real tool fails to allocate are not allocated, so its log lines about that are missing.
//   - Where a collection states 2^31 to 2^43 elements and has fewer, the real tool may walk an empty table for as long as it likes; this one reports the end.
package rdbcheck

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/kvfsck/kvfsck/rdb"
)

// Result is what a check found out.
type Result struct {
	OK     bool
	End    int64     // offset behind the RDB, if OK
	Rest   io.Reader // what follows it, if OK
	Report *rdb.Report
}

// Check checks the RDB that r begins with and prints about it to w as the tool does, under the name given.
func Check(w io.Writer, name string, r io.Reader) Result {
	p := &printer{w: bufio.NewWriter(w)}
	defer p.w.Flush()
	p.begin(name)
	rep, err := rdb.Verify(context.Background(), r, rdb.VerifyOptions{Prefix: true, OnRecord: p.record})
	res := Result{Report: rep, End: rep.Size, Rest: rep.Rest}
	switch fault := rep.CheckerFault(); {
	case fault != nil:
		p.fault(rep, fault)
	case rep.Complete:
		res.OK = true
		p.info(rep.Size, `\o/ RDB looks OK! \o/`)
		p.counts(rep)
	default:
		p.unreadable(rep, err)
	}
	return res
}

// Begin prints what the tool prints of a file before it reads it, which is all where that cannot be opened.
func Begin(w io.Writer, name string) {
	p := &printer{w: bufio.NewWriter(w)}
	p.begin(name)
	p.w.Flush()
}

func (p *printer) begin(name string) { p.info(0, "Checking RDB file %s", name) }

// printer writes the lines.
type printer struct{ w *bufio.Writer }

// maxLine is where the tool cuts what follows "[offset N] ", in bytes.
const maxLine = 1023

func (p *printer) info(offset int64, format string, args ...any) {
	text := fmt.Appendf(nil, format, args...)
	fmt.Fprintf(p.w, "[offset %d] %s\n", offset, text[:min(len(text), maxLine)])
}

// cString is how C prints bytes: up to the first NUL.
func cString(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte{0})
	return b
}

// record prints the line that a record has, if it has one.
func (p *printer) record(rec rdb.Record) {
	switch rec := rec.(type) {
	case *rdb.Aux:
		p.info(rec.End(), "AUX FIELD %s = '%s'", cString(rec.Name), cString(rec.Value))
	case *rdb.SelectDB:
		p.info(rec.End(), "Selecting DB ID %d", rec.DB)
	case *rdb.ModuleAux:
		p.info(rec.End(), "MODULE AUX for: %s", rec.Module.Name())
	case *rdb.EOF:
		switch {
		case !rec.HasChecksum:
		case rec.Stored == 0:
			p.info(rec.End(), "RDB file was saved with checksum disabled: no check performed.")
		case rec.Valid():
			p.info(rec.End(), "Checksum OK")
		}
	}
}

// fault prints the block about the fault that ended the check.
func (p *printer) fault(rep *rdb.Report, e *rdb.FormatError) {
	text, internal := e.CheckerMessage()
	if internal {
		text = "Internal error in RDB reading offset 0, function at rdb.c:0 -> " + text
	}
	if !internal && strings.HasPrefix(e.Item, "hash ") {
		p.log("failed reading " + e.Item)
	}
	fmt.Fprintln(p.w, "--- RDB ERROR DETECTED ---")
	p.info(e.Offset, "%s", cString([]byte(text)))
	fmt.Fprintf(p.w, "[additional info] While doing: %s\n", e.Phase)
	if e.Key != nil {
		fmt.Fprintf(p.w, "[additional info] Reading key '%s'\n", cString(e.Key))
	}
	switch {
	case e.HasType:
		fmt.Fprintf(p.w, "[additional info] Reading type %d (%s)\n", e.Type, e.Family.TypeName(e.Type))
	case rep.Keys == 0: // the tool's current type begins as 0
		fmt.Fprintln(p.w, "[additional info] Reading type 0 (string)")
	}
	p.counts(rep)
	if internal {
		p.log("Terminating server after rdb file reading failure.")
	}
}

// log prints a line as the server's log has it.
func (p *printer) log(text string) {
	fmt.Fprintf(p.w, "%d:C %s # %s\n", os.Getpid(), time.Now().Format("02 Jan 2006 15:04:05.000"), text)
}

// unreadable prints the same block about an input that could not be read on, which the tool takes for its end.
func (p *printer) unreadable(rep *rdb.Report, err error) {
	fmt.Fprintln(p.w, "--- RDB ERROR DETECTED ---")
	p.info(rep.Size, "Unexpected EOF reading RDB file")
	phase := rdb.PhaseStart
	if rep.Size > 0 {
		phase = rdb.PhaseType
	}
	fmt.Fprintf(p.w, "[additional info] While doing: %s\n", phase)
	if rep.Keys == 0 {
		fmt.Fprintln(p.w, "[additional info] Reading type 0 (string)")
	}
	p.counts(rep)
	if rep.Size > 0 {
		fmt.Fprintf(p.w, "[info] %v\n", err)
	}
}

func (p *printer) counts(rep *rdb.Report) {
	fmt.Fprintf(p.w, "[info] %d keys read\n[info] %d expires\n[info] %d already expired\n[info] %d subexpires\n",
		rep.Keys, rep.Expires, rep.AlreadyExpired, rep.FieldExpires)
}
