package aof

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/kvfsck/kvfsck/crc64"
)

const (
	dirManifest = "appendonlydir/appendonly.aof.manifest"
	dirBase     = "appendonlydir/appendonly.aof.1.base.rdb"
	dirIncr     = "appendonlydir/appendonly.aof.1.incr.aof"
	oneOfEach   = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
)

func incrAt(seq int) string { return fmt.Sprintf("appendonlydir/appendonly.aof.%d.incr.aof", seq) }

// TestFindings has a directory for each thing that can be found.
func TestFindings(t *testing.T) {
	rdb11, incr := pRDB("REDIS0011"), pSel+pSet("a")
	set := func(pairs ...string) fstest.MapFS {
		return mapFS(append([]string{dirManifest, oneOfEach, dirBase, rdb11, dirIncr, incr}, pairs...)...)
	}
	cases := []struct {
		name  string
		files fstest.MapFS
		want  string // codes and files, in order
	}{
		{"healthy", set(), ""},
		{"bad manifest", set(dirManifest, "file x\n"), "manifest-bad appendonly.aof.manifest"},
		{"no manifest", mapFS(dirBase, rdb11, dirIncr, incr), "nothing-to-load, manifest-missing appendonly.aof.1.base.rdb, manifest-missing appendonly.aof.1.incr.aof"},
		{"no manifest, dump", mapFS(dirBase, rdb11, "dump.rdb", rdb11), "nothing-to-load, dump-ignored dump.rdb, manifest-missing appendonly.aof.1.base.rdb"},
		{"missing incr", mapFS(dirManifest, oneOfEach, dirBase, rdb11), "file-missing appendonly.aof.1.incr.aof"},
		{"copied during a rewrite", mapFS(dirManifest, oneOfEach, "appendonlydir/appendonly.aof.2.base.rdb", rdb11, "appendonlydir/appendonly.aof.2.incr.aof", incr),
			"file-missing appendonly.aof.1.base.rdb, file-missing appendonly.aof.1.incr.aof, file-unlisted appendonly.aof.2.base.rdb, file-unlisted appendonly.aof.2.incr.aof, set-torn-by-copying appendonly.aof.manifest"},
		{"empty incr", set(dirIncr, ""), "file-empty appendonly.aof.1.incr.aof"},
		{"all empty", set(dirIncr, "", dirBase, ""), "file-empty appendonly.aof.1.base.rdb, file-empty appendonly.aof.1.incr.aof, set-empty appendonly.aof.manifest"},
		{"listed twice", set(dirManifest, oneOfEach+"file appendonly.aof.1.incr.aof seq 2 type i\n"), "file-listed-twice appendonly.aof.1.incr.aof, name-disagrees appendonly.aof.1.incr.aof"},
		{"unlisted", set("appendonlydir/appendonly.aof.7.incr.aof", incr), "file-unlisted appendonly.aof.7.incr.aof"},
		{"other names are no matter", set("appendonlydir/notes.txt", "x", "appendonlydir/other.1.incr.aof", incr), ""},
		{"adoptable", mapFS(dirManifest, "file appendonly.aof.1.base.rdb seq 1 type b\n", dirBase, rdb11, dirIncr, incr), "incr-adoptable appendonly.aof.1.incr.aof"},
		{"base's line lost", mapFS(dirManifest, "file appendonly.aof.1.incr.aof seq 1 type i\n", dirBase, rdb11, dirIncr, incr), "base-absent appendonly.aof.manifest, manifest-line-lost appendonly.aof.1.base.rdb"},
		{"every line of an incr lost", mapFS(dirManifest, "file appendonly.aof.1.base.rdb seq 1 type b\n", dirBase, rdb11, incrAt(2), incr, incrAt(3), incr),
			"manifest-line-lost appendonly.aof.2.incr.aof, manifest-line-lost appendonly.aof.3.incr.aof"},
		{"an incr's line lost in the middle", set(dirManifest, oneOfEach+"file appendonly.aof.3.incr.aof seq 3 type i\n", incrAt(2), incr, incrAt(3), incr),
			"sequence-gap appendonly.aof.3.incr.aof, manifest-line-lost appendonly.aof.2.incr.aof"},
		{"the last lines lost", set(incrAt(2), incr, incrAt(3), incr), "manifest-line-lost appendonly.aof.2.incr.aof, manifest-line-lost appendonly.aof.3.incr.aof"},
		{"the first line lost", mapFS(dirManifest, "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n", dirBase, rdb11, dirIncr, incr, incrAt(2), incr),
			"manifest-line-lost appendonly.aof.1.incr.aof"},
		{"a rewrite had begun", set(incrAt(2), ""), "file-unlisted appendonly.aof.2.incr.aof"},
		{"a rewrite had ended", set(dirManifest, oneOfEach+"file appendonly.aof.2.incr.aof seq 2 type i\n", incrAt(2), incr, "appendonlydir/appendonly.aof.2.base.rdb", rdb11),
			"file-unlisted appendonly.aof.2.base.rdb"},
		{"the log was turned on, and its rewrite had ended", set("appendonlydir/appendonly.aof.2.base.rdb", rdb11, incrAt(2), incr),
			"file-unlisted appendonly.aof.2.base.rdb, file-unlisted appendonly.aof.2.incr.aof"},
		{"a copy over an older one", mapFS(dirManifest, "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n", dirBase, rdb11, dirIncr, incr,
			"appendonlydir/appendonly.aof.2.base.rdb", rdb11, incrAt(2), incr), "file-unlisted appendonly.aof.1.base.rdb, file-unlisted appendonly.aof.1.incr.aof"},
		{"temporary", set("appendonlydir/temp-appendonly.aof.manifest", "", "temp-rewriteaof-12.aof", "x", "temp-rewriteaof-bg-12.aof", "x"),
			"file-temporary temp-appendonly.aof.manifest, file-temporary temp-rewriteaof-12.aof, file-temporary temp-rewriteaof-bg-12.aof"},
		{"temporary incr", set("appendonlydir/temp-appendonly.aof.incr", incr), "incr-temporary temp-appendonly.aof.incr"},
		{"history", set(dirManifest, oneOfEach+"file h seq 1 type h\nfile g seq 1 type h\n", "appendonlydir/h", "x"), "file-history h, history-gone g"},
		{"old style beside", set("appendonly.aof", incr), "old-style-ignored appendonly.aof"},
		{"dump beside", set("dump.rdb", rdb11), "dump-ignored dump.rdb"},
		{"gap", set(dirManifest, oneOfEach+"file appendonly.aof.3.incr.aof seq 3 type i\n", "appendonlydir/appendonly.aof.3.incr.aof", incr), "sequence-gap appendonly.aof.3.incr.aof"},
		{"base of the wrong kind", set(dirBase, incr), "base-kind appendonly.aof.1.base.rdb"},
		{"incr is an RDB", set(dirIncr, rdb11), "incr-is-rdb appendonly.aof.1.incr.aof, checker-refuses appendonly.aof.1.incr.aof"},
		{"no base", mapFS(dirManifest, "file appendonly.aof.1.incr.aof seq 1 type i\n", dirIncr, incr), "base-absent appendonly.aof.manifest"},
		{"offsets", set(dirManifest, "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i startoffset 5 endoffset 9\n"+
			"file appendonly.aof.2.incr.aof seq 2 type i startoffset 8\n", "appendonlydir/appendonly.aof.2.incr.aof", incr), "offsets-disagree appendonly.aof.2.incr.aof"},
		{"offsets meet", set(dirManifest, "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i startoffset 5 endoffset 9\n"+
			"file appendonly.aof.2.incr.aof seq 2 type i startoffset 9\n", "appendonlydir/appendonly.aof.2.incr.aof", incr), ""},
		{"several manifests", set("x/y.manifest", "file z seq 1 type b\n"), "manifest-several appendonly.aof.manifest"},
		{"old style", mapFS("appendonly.aof", incr), "upgrade-pending appendonly.aof"},
		{"old style with an RDB, and a dump", mapFS("appendonly.aof", rdb11+incr, "dump.rdb", rdb11), "upgrade-pending appendonly.aof, dump-ignored dump.rdb"},
		{"upgrade interrupted", mapFS(dirManifest, "file appendonly.aof seq 1 type b\n", "appendonly.aof", incr), "upgrade-interrupted appendonly.aof"},
		{"manifest lost beside a copy of the set", mapFS(dirBase, rdb11, dirIncr, incr, "appendonlydir.bak/appendonly.aof.manifest", oneOfEach,
			"appendonlydir.bak/appendonly.aof.1.base.rdb", rdb11, "appendonlydir.bak/appendonly.aof.1.incr.aof", incr),
			"nothing-to-load, manifest-missing appendonly.aof.1.base.rdb, manifest-missing appendonly.aof.1.incr.aof"},
		{"the newest incr superseded", set(dirManifest, oneOfEach+"file appendonly.aof.2.incr.aof seq 2 type h\n", "appendonlydir/appendonly.aof.2.incr.aof", incr),
			"history-newest appendonly.aof.2.incr.aof"},
		{"torn", set(dirIncr, incr[:30]), "file-damaged appendonly.aof.1.incr.aof"},
		{"torn in the middle", set(dirManifest, oneOfEach+"file appendonly.aof.2.incr.aof seq 2 type i\n", dirIncr, incr[:30], "appendonlydir/appendonly.aof.2.incr.aof", incr),
			"middle-file-short appendonly.aof.1.incr.aof"},
		{"bad RDB", set(dirBase, rdb11[:15]), "rdb-fault appendonly.aof.1.base.rdb, file-damaged appendonly.aof.1.base.rdb"},
		{"unknown command", set(dirIncr, incr+"*1\r\n$5\r\nBOGUS\r\n"), "command-unknown appendonly.aof.1.incr.aof, command-unknown appendonly.aof.1.incr.aof"},
		{"arity", set(dirIncr, incr+"*1\r\n$3\r\nSET\r\n"), "command-arity appendonly.aof.1.incr.aof"},
		{"select of no database", set(dirIncr, incr+pSelect("q")+pSelect("01")), "select-refused appendonly.aof.1.incr.aof, select-refused appendonly.aof.1.incr.aof"},
		{"select of a database that is not there", set(dirIncr, incr+pSelect("16")), "select-range appendonly.aof.1.incr.aof"},
		{"select with two arguments", set(dirIncr, incr+"*3\r\n$6\r\nSELECT\r\n$1\r\n1\r\n$1\r\nx\r\n"), "command-arity appendonly.aof.1.incr.aof"},
		{"checker alone minds", set(dirIncr, incr+pExec), "checker-refuses appendonly.aof.1.incr.aof"},
		{"Redis cuts too far", set(dirIncr, incr+pMulti+pSet("b")+pSet("c")[:9]), "file-damaged appendonly.aof.1.incr.aof, server-would-lose-more appendonly.aof.1.incr.aof"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := Discover(c.files, DiscoverOptions{})
			if err != nil && !errors.Is(err, ErrNoLog) {
				t.Fatal(err)
			}
			rep, err := s.Check(context.Background(), CheckOptions{Databases: 16})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range rep.Findings {
				got = append(got, strings.TrimSpace(string(f.Code)+" "+f.File[strings.LastIndexByte(f.File, '/')+1:]))
				if f.Meaning() == "" || f.Advice() == "" {
					t.Errorf("%s says nothing", f.Code)
				}
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), c.want)
			}
		})
	}
}

// TestReplay reads a set as one stream in which every file begins in database 0.
func TestReplay(t *testing.T) {
	files := mapFS(dirManifest, oneOfEach+"file appendonly.aof.2.incr.aof seq 2 type i\n", dirBase, pRDB("REDIS0011")+pSet("x"),
		dirIncr, strings.Replace(pSel, "0\r\n", "7\r\n", 1)+pSet("a"), "appendonlydir/appendonly.aof.2.incr.aof", pSet("b")+pSet("c")[:9])
	s, err := OpenSet(files, dirManifest)
	if err != nil {
		t.Fatal(err)
	}
	for _, loadTruncated := range []bool{true, false} {
		r := s.Replay(ReplayOptions{LoadTruncated: loadTruncated})
		var got []string
		for r.Next() {
			switch rec := r.Record().(type) {
			case *Preamble:
				got = append(got, "rdb")
			case *Command:
				got = append(got, fmt.Sprintf("%s:%d:%s", r.File().Type, rec.DB, rec.Args[1]))
			}
		}
		if want := []string{"rdb", "base:0:x", "incr:0:7", "incr:7:a", "incr:0:b"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if loadTruncated != (r.Err() == nil) || loadTruncated != (r.Torn() != nil) {
			t.Errorf("load truncated %v: %v, torn %v", loadTruncated, r.Err(), r.Torn())
		}
		var fe *FileError
		if !loadTruncated && (!errors.As(r.Err(), &fe) || fe.File.Seq != 2 || !errors.Is(r.Err(), ErrTorn)) {
			t.Error(r.Err())
		}
		r.Close()
	}
}

// TestPlausibility looks commands up.
func TestPlausibility(t *testing.T) {
	for line, want := range map[string][2]Plausibility{
		"SET k v":               {Plausible, Plausible},
		"set k v PX 5":          {Plausible, Plausible},
		"SET k":                 {WrongArity, WrongArity},
		"GET a b":               {WrongArity, WrongArity},
		"BOGUS":                 {UnknownCommand, UnknownCommand},
		"XGROUP CREATE k g 0":   {Plausible, Plausible},
		"xgroup bogus k":        {UnknownCommand, UnknownCommand},
		"XGROUP":                {WrongArity, WrongArity},
		"xgroup|create a b c d": {UnknownCommand, UnknownCommand},
		"XIDMPRECORD k p i 1-1": {Plausible, UnknownCommand},
		"MULTI":                 {Plausible, Plausible},
		"select 1":              {Plausible, Plausible},
		"restore k 0 payload":   {Plausible, Plausible},
		"FUNCTION LOAD code":    {Plausible, Plausible},
		"VADD k VALUES 1 1 e":   {Plausible, UnknownCommand},
		strings.Repeat("x", 70): {UnknownCommand, UnknownCommand},
	} {
		w := strings.Fields(line)
		c := Command{Argc: int64(len(w))}
		for _, a := range w {
			c.Args = append(c.Args, []byte(a))
		}
		for i, s := range Servers {
			if got := c.Plausibility(s); got != want[i] {
				t.Errorf("%s, %s: %s, want %s", line, s, got, want[i])
			}
		}
	}
	if got := (&Command{Args: [][]byte{[]byte("XGROUP")}, Argc: 5}).Plausibility(Redis86); got != UnknownCommand {
		t.Errorf("without its subcommand: %s", got)
	}
}

// TestFindingCodes: the list has every row of the table.
func TestFindingCodes(t *testing.T) {
	codes := FindingCodes()
	if len(codes) != len(findings) {
		t.Errorf("%d codes in the list, %d in the table", len(codes), len(findings))
	}
	for _, code := range codes {
		if findings[code].meaning == "" {
			t.Errorf("%s has no row", code)
		}
	}
}

// TestReplayOfNothing asks for the file before one is read, and where there is none.
func TestReplayOfNothing(t *testing.T) {
	bad, err := OpenSet(mapFS(dirManifest, "junk\n"), dirManifest)
	if err != nil {
		t.Fatal(err)
	}
	none, err := Discover(mapFS(), DiscoverOptions{})
	if !errors.Is(err, ErrNoLog) {
		t.Fatal(err)
	}
	one, err := OpenFile(mapFS("a.aof", pSet("a")), "a.aof")
	if err != nil {
		t.Fatal(err)
	}
	for s, readable := range map[*Set]bool{bad: false, none: false, one: true} {
		r := s.Replay(ReplayOptions{})
		if r.File() != nil || r.Record() != nil {
			t.Error("a file before the first Next")
		}
		if r.Next() != readable || (r.File() != nil) != readable {
			t.Errorf("readable %v: file %v, %v", readable, r.File(), r.Err())
		}
		r.Close()
	}
}

// TestUnlistedAndOlder does not take an incr for one of the set that was changed last before the base was made.
func TestUnlistedAndOlder(t *testing.T) {
	const made = 1_700_000_000
	base := "REDIS0011\xfa\x05ctime\xc2" + string(binary.LittleEndian.AppendUint32(nil, made)) + "\xff"
	base = string(binary.LittleEndian.AppendUint64([]byte(base), crc64.Checksum([]byte(base))))
	for changed, want := range map[int64]FindingCode{made - 1: FindUnlisted, made: FindLineLost, made + 100: FindLineLost} {
		for _, name := range []string{incrAt(2), incrAt(4)} {
			files := mapFS(dirManifest, "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.3.incr.aof seq 3 type i\n", dirBase, base, incrAt(3), pSel, name, pSel)
			files[name].ModTime = time.Unix(changed, 0)
			s, err := OpenSet(files, dirManifest)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Findings) != 1 || s.Findings[0].Code != want || s.Findings[0].File != name {
				t.Errorf("%s, changed %d seconds after the base was made: %v", name, changed-made, s.Findings)
			}
		}
	}
}
