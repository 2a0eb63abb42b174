package aof

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/oracle"
)

// Pieces of files.
const (
	pMulti = "*1\r\n$5\r\nMULTI\r\n"
	pExec  = "*1\r\n$4\r\nEXEC\r\n"
	pSel   = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
)

func pSet(k string) string {
	return fmt.Sprintf("*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nv\r\n", len(k), k)
}

func pSelect(arg string) string {
	return fmt.Sprintf("*2\r\n$6\r\nSELECT\r\n$%d\r\n%s\r\n", len(arg), arg)
}

func pRDB(magic string) string {
	s := magic + "\xfe\x00\x00\x01r\x01v\xff"
	return string(binary.LittleEndian.AppendUint64([]byte(s), crc64.Checksum([]byte(s))))
}

// loaderFiles are contents of a file in which servers differ from checkers, from each other, or from what one would expect.
func loaderFiles() map[string]string {
	torn := pSet("torn")[:20]
	return map[string]string{
		"good":                         pSel + pSet("a"),
		"torn":                         pSel + pSet("a") + torn,
		"torn first":                   torn,
		"torn behind an annotation":    pSel + pSet("a") + "#TS:1\r\n" + torn,
		"torn at a line":               pSel + pSet("a") + pSet("b")[:13],
		"lone star":                    pSel + pSet("a") + "*",
		"star NUL":                     pSel + pSet("a") + "*\x00\r\n" + pSet("b"),
		"star NUL at the end":          pSel + pSet("a") + "*\x00",
		"argc 0":                       pSel + "*0\r\n" + pSet("a"),
		"argc of 33 bits":              pSel + "*4294967297\r\n$4\r\nPING\r\n" + pSet("a"),
		"blank behind a number":        pSel + "*1 \r\n$4 x\r\nPING\r\n" + pSet("a"),
		"wrong bulk end":               pSel + "*1\r\n$4\r\nPINGXY" + pSet("a"),
		"header of 1023":               pSel + "*1" + strings.Repeat(" ", 1019) + "\r\n$4\r\nPING\r\n" + pSet("a"),
		"header of 1024":               pSel + "*1" + strings.Repeat(" ", 1020) + "\r\n$4\r\nPING\r\n" + pSet("a"),
		"long annotation":              pSel + "#" + strings.Repeat("x", 1022) + "#y\r\n" + pSet("a"),
		"long annotation, junk":        pSel + "#" + strings.Repeat("x", 1100) + "\r\n" + pSet("a"),
		"annotation unterminated":      pSel + pSet("a") + "#TS:1",
		"unknown command":              pSel + pSet("a") + "*1\r\n$5\r\nBOGUS\r\n" + pSet("b"),
		"too few arguments":            pSel + "*1\r\n$4\r\nMSET\r\n" + pSet("b"),
		"too many arguments":           pSel + "*3\r\n$6\r\nSELECT\r\n$1\r\n1\r\n$1\r\nx\r\n" + pSet("b"),
		"arity, then unknown":          pSel + "*3\r\n$3\r\nGET\r\n$1\r\n1\r\n$1\r\nx\r\n" + "*1\r\n$5\r\nBOGUS\r\n",
		"select of no database":        pSel + pSelect("q") + pSet("b"),
		"unknown command, then torn":   pSel + "*1\r\n$5\r\nBOGUS\r\n" + torn,
		"unknown subcommand":           pSel + "*2\r\n$6\r\nXGROUP\r\n$5\r\nBOGUS\r\n" + pSet("b"),
		"stray exec":                   pSel + pExec + pSet("a"),
		"nested multi":                 pSel + pMulti + pSet("a") + pMulti + pSet("b") + pExec + pSet("c"),
		"nested multi, open":           pSel + pMulti + pSet("a") + pMulti + pSet("b"),
		"nested multi, torn":           pSel + pMulti + pSet("a") + pMulti + pSet("b") + torn,
		"open multi":                   pSel + pSet("a") + pMulti + pSet("b"),
		"open multi, first":            pMulti + pSet("b"),
		"open multi, annotation":       pSel + pSet("a") + "#TS:1\r\n" + pMulti + "#TS:2\r\n" + pSet("b"),
		"open multi, torn":             pSel + pSet("a") + pMulti + pSet("b") + torn,
		"open multi, torn first":       pMulti + pSet("b") + torn,
		"multi up to a NUL":            pSel + "*1\r\n$7\r\nmulti\x00x\r\n" + pSet("b"),
		"zero tail":                    pSel + pSet("a") + strings.Repeat("\x00", 100),
		"junk":                         pSel + pSet("a") + "junk",
		"size -1":                      pSel + "*1\r\n$-1\r\n" + pSet("a"),
		"RDB":                          pRDB("REDIS0011"),
		"RDB and tail":                 pRDB("REDIS0011") + pSel + pSet("a"),
		"RDB and torn tail":            pRDB("REDIS0011") + pSel + pSet("a") + torn,
		"RDB and torn first command":   pRDB("REDIS0011") + torn,
		"RDB and open multi":           pRDB("REDIS0011") + pMulti + pSet("a"),
		"RDB and open multi, torn":     pRDB("REDIS0011") + pMulti + pSet("a") + torn,
		"RDB and junk":                 pRDB("REDIS0011") + "junk",
		"RDB torn":                     pRDB("REDIS0011")[:15],
		"RDB, bad sum":                 pRDB("REDIS0011")[:18] + "x" + pRDB("REDIS0011")[19:],
		"RDB 12":                       pRDB("REDIS0012"),
		"RDB 13":                       pRDB("REDIS0013"),
		"RDB 14":                       pRDB("REDIS0014"),
		"RDB of Valkey":                pRDB("VALKEY080"),
		"RDB of Valkey and torn first": pRDB("VALKEY080") + torn,
		"REDI":                         "REDI",
		"REDIS":                        "REDIS",
		"VALKEY":                       "VALKEY",
		"manifest":                     "file x seq 1 type b\n",
	}
}

// newestServers are the programs whose behaviour the verdicts foretell.
var newestServers = map[Server]string{Redis86: oracle.Redis86, Valkey91: oracle.Valkey91}

// agree starts a server on the files and compares what it does with the verdict. It returns how they differ.
func agree(t *testing.T, server Server, loadTruncated bool, files fstest.MapFS) string {
	binary := oracle.FindNewest(t, newestServers[server], oracle.RedisServer)
	s, err := Discover(files, DiscoverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.Check(t.Context(), CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v := rep.Verdict(server, loadTruncated)
	dir := t.TempDir()
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	setting := map[bool]string{true: "yes", false: "no"}[loadTruncated]
	srv := oracle.StartServer(t, binary, dir, "--appendonly", "yes", "--aof-load-truncated", setting, "--appendfilename", s.prefix)
	loaded := !srv.Exited()
	log := srv.Log()
	srv.Kill()
	if loaded && v.Reason == ReasonRDB {
		// By default servers do not look into packed encodings; the verdict is that of one that does (sanitize-dump-payload yes).
		return ""
	}
	if want := v.Outcome <= LoadsEmpty; loaded != want {
		return fmt.Sprintf("verdict %s, %v; loaded %v\n%s", v, v.Err, loaded, lastLines(log))
	}
	if crashed := strings.Contains(log, "BUG REPORT START"); v.Outcome == Crashes && !crashed {
		return fmt.Sprintf("verdict %s; it did not", v) // the other way round it may be, over a command with too few arguments
	}
	for name, f := range files {
		if strings.HasSuffix(name, ".manifest") {
			continue
		}
		want := int64(len(f.Data))
		if v.CutsOnDisk && v.File == name {
			want = v.Offset
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil { // an old-style file that was taken into a set
			info, err = os.Stat(filepath.Join(dir, DefaultDirName, name))
		}
		if err == nil && info.Size() != want {
			return fmt.Sprintf("verdict %s; %s has %d bytes afterwards, want %d", v, name, info.Size(), want)
		}
	}
	return ""
}

func lastLines(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], "\n")
}

// layouts put a content where it is the last file of a set, a middle one, or an old-style file.
var layouts = map[string]func(content string) fstest.MapFS{
	"last incr": func(c string) fstest.MapFS {
		return mapFS("appendonlydir/appendonly.aof.manifest", "file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n",
			"appendonlydir/appendonly.aof.1.incr.aof", pSel+pSet("x"), "appendonlydir/appendonly.aof.2.incr.aof", c)
	},
	"middle incr": func(c string) fstest.MapFS {
		return mapFS("appendonlydir/appendonly.aof.manifest", "file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n",
			"appendonlydir/appendonly.aof.1.incr.aof", c, "appendonlydir/appendonly.aof.2.incr.aof", pSel+pSet("x"))
	},
	"old style": func(c string) fstest.MapFS { return mapFS("appendonly.aof", c) },
}

func mapFS(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1]), Mode: 0o644}
	}
	return m
}

// TestAgainstServers compares the verdicts with what the newest servers really do.
func TestAgainstServers(t *testing.T) {
	files := loaderFiles()
	for layout, set := range layouts {
		for name, content := range files {
			for _, server := range Servers {
				for _, loadTruncated := range []bool{true, false} {
					if layout != "last incr" && !loadTruncated || testing.Short() && layout != "last incr" {
						continue // the setting is about cutting, which one layout shows well enough
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%v", layout, name, server, loadTruncated), func(t *testing.T) {
						t.Parallel()
						if d := agree(t, server, loadTruncated, set(content)); d != "" {
							t.Error(d)
						}
					})
				}
			}
		}
	}
}

// TestSelectAgainstServers compares the database of a command behind an odd SELECT with that in which servers execute it.
func TestSelectAgainstServers(t *testing.T) {
	binaries := []string{oracle.Find(t, oracle.RedisServer)}
	for _, release := range newestServers {
		binaries = append(binaries, oracle.FindNewest(t, release, oracle.RedisServer))
	}
	for _, arg := range []string{"1", "15", "q", "1\x93", "", "-1", "-0", "+1", "01", " 1", "1 ", "1\x00", "2147483648", "4294967297", "18446744073709551617"} {
		log := pSelect("3") + pSet("a") + pSelect(arg) + pSet("b")
		r := NewReader(strings.NewReader(log))
		for r.Next() {
		}
		want := r.Position().DB
		for _, binary := range binaries {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "appendonly.aof"), []byte(log), 0o644); err != nil {
				t.Fatal(err)
			}
			srv := oracle.StartServer(t, binary, dir, "--appendonly", "yes")
			if _, err := srv.Do("SELECT", fmt.Sprint(want)); err != nil {
				t.Fatal(err)
			}
			if n, err := oracle.Int(srv.Do("EXISTS", "b")); err != nil || n != 1 {
				t.Errorf("SELECT %q: %s has not put the next key into database %d (%v)", arg, binary, want, err)
			}
			if refused := strings.Contains(srv.Log(), "CRITICAL"); refused != (want == 3) {
				t.Errorf("SELECT %q: %s refuses it: %v, and the database is %d", arg, binary, refused, want)
			}
			srv.Kill()
		}
	}
}

// TestRecipesAgainstServers does so on damaged sets of the corpus: all of them takes long, so it is done where KVFSCK_LONG_TESTS is
// 1, and on some otherwise.
func TestRecipesAgainstServers(t *testing.T) {
	recipes := slices.Collect(corpus.AOFRecipes(t))
	step := 50
	if os.Getenv("KVFSCK_LONG_TESTS") == "1" {
		step = 1
	}
	for i := 0; i < len(recipes); i += step {
		r := &recipes[i]
		for _, server := range Servers {
			t.Run(fmt.Sprintf("%s/%s", r.ID, server), func(t *testing.T) {
				t.Parallel()
				files, _ := mutated(t, r)
				if d := agree(t, server, true, files); d != "" {
					t.Errorf("%s: %s", r.Kind, d)
				}
			})
		}
	}
}
