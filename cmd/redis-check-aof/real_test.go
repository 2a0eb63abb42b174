package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/internal/oracle"
)

const runMainEnv = "KVFSCK_TEST_RUN_MAIN"

// TestMain makes the test binary the program itself where a test asks for it.
func TestMain(m *testing.M) {
	if os.Getenv(runMainEnv) == "1" {
		main()
	}
	os.Exit(m.Run())
}

// oddFiles are files at the borders of the format.
func oddFiles() map[string]string {
	multi, exec := "*1\r\n$5\r\nMULTI\r\n", "*1\r\n$4\r\nEXEC\r\n"
	odd := map[string]string{
		"argc 0":                      select0 + "*0\r\n" + set27,
		"argc -1":                     select0 + "*-1\r\n" + set27,
		"argc huge":                   select0 + "*99999999999\r\n" + set27,
		"argc overflow":               select0 + "*99999999999999999999999\r\n" + set27,
		"argc min":                    select0 + "*-9223372036854775808\r\n" + set27 + "x",
		"argc below min":              select0 + "*-99999999999999999999999\r\n" + set27 + "x",
		"argc missing":                select0 + "*\r\n" + set27,
		"argc x":                      select0 + "*x\r\n" + set27,
		"blank behind":                select0 + "*1 \r\n$3\r\nfoo\r\n",
		"blank before":                select0 + "* 1\r\n$ 4\r\nPING\r\n",
		"plus":                        select0 + "*+1\r\n$+4\r\nPING\r\n",
		"tab before":                  select0 + "*\t1\r\n$4\r\nPING\r\n",
		"line feeds":                  select0 + "*1\n$4\nPING\n",
		"wrong bulk end":              select0 + "*1\r\n$3\r\nfooXY" + set27,
		"bulk end swapped":            select0 + "*1\r\n$3\r\nfoo\n\r" + set27,
		"size -1":                     select0 + "*1\r\n$-1\r\n" + set27,
		"size max":                    select0 + "*1\r\n$9223372036854775807\r\n",
		"size max-2":                  select0 + "*1\r\n$9223372036854775806\r\n",
		"size missing":                select0 + "*1\r\n$\r\n\r\n" + set27,
		"size min":                    select0 + "*1\r\n$-9223372036854775808\r\n",
		"size minus":                  select0 + "*1\r\n$-\r\n\r\n",
		"prefix":                      select0 + "*2\r\n$3\r\nfoo\r\n:3\r\n",
		"prefix NUL":                  select0 + "*2\r\n$3\r\nfoo\r\n\x00\r\n",
		"prefix high":                 select0 + "*2\r\n$3\r\nfoo\r\n\xff\r\n",
		"high byte behind the number": select0 + "*2\xc3\xa9\r\n",
		"NUL in header":               select0 + "*2\x00\r\n",
		"header of 127":               select0 + "*" + strings.Repeat("0", 123) + "1\r\n$4\r\nPING\r\n",
		"header of 128":               select0 + "*" + strings.Repeat("0", 124) + "1\r\n$4\r\nPING\r\n",
		"header of 129":               select0 + "*" + strings.Repeat("0", 125) + "1\r\n$4\r\nPING\r\n",
		"inline":                      select0 + "SET a b\r\n",
		"blank line":                  select0 + "\r\n" + set27,
		"NUL tail":                    select0 + set27 + strings.Repeat("\x00", 500),
		"NUL hole":                    select0 + strings.Repeat("\x00", 500) + set27,
		"only annotations":            "#TS:1\r\n#hello\r\n#\n",
		"annotation unterminated":     select0 + "#TS:123",
		"annotation of 1022":          select0 + "#" + strings.Repeat("x", 1021) + "\n" + set27,
		"annotation of 1023":          select0 + "#" + strings.Repeat("x", 1021) + "\r\n" + set27,
		"annotation of 1024":          select0 + "#" + strings.Repeat("x", 1022) + "\r\n" + set27,
		"long annotation":             select0 + "#" + strings.Repeat("x", 1022) + "#" + strings.Repeat("y", 100) + "\r\n" + set27,
		"annotation, then *":          select0 + "#" + strings.Repeat("x", 1022) + "*1\r\n$4\r\nPING\r\n",
		"annotation TS x":             select0 + "#TS:abc\r\n" + set27,
		"annotation TS LF":            select0 + "#TS:12\n" + set27,
		"annotation TS empty":         select0 + "#TS:\r\n" + set27,
		"annotation TS overflow":      select0 + "#TS:99999999999999999999\r\n" + set27,
		"annotation TS late":          select0 + "#TS: +200\r\n" + set27 + "junk",
		"annotation TS negative":      select0 + "#TS:-5\r\n" + set27,
		"annotation in multi":         select0 + multi + "#TS:200\r\n" + set27 + exec,
		"annotation late, bad before": select0 + "junk#TS:200\r\n",
		"multi":                       select0 + multi + set27 + exec + set27,
		"multi in case":               select0 + "*1\r\n$5\r\nmUlTi\r\n" + set27 + "*1\r\n$4\r\neXEc\r\n",
		"multi with arguments":        select0 + "*2\r\n$5\r\nmulti\r\n$1\r\nx\r\n" + set27 + "*2\r\n$4\r\nexec\r\n$1\r\nx\r\n",
		"multi up to a NUL":           select0 + "*1\r\n$7\r\nmulti\x00x\r\n" + set27,
		"exec up to a NUL":            select0 + multi + set27 + "*1\r\n$6\r\nexec\x00x\r\n" + set27,
		"nested multi":                select0 + multi + set27 + multi + exec,
		"nested multi with arguments": select0 + multi + "*2\r\n$5\r\nmulti\r\n$1\r\nx\r\n" + exec,
		"stray exec":                  select0 + set27 + exec + set27,
		"stray exec, torn":            select0 + set27 + "*2\r\n$4\r\nEXEC\r\n",
		"open multi":                  select0 + multi + set27,
		"open multi, annotation":      select0 + multi + set27 + "#x\r\n",
		"open multi, nothing":         select0 + multi,
		"open multi, torn":            select0 + multi + set27[:10],
		"open multi, torn at a line":  select0 + multi + set27[:13],
		"exec torn at a line":         select0 + multi + "*2\r\n$4\r\nEXEC\r\n",
		"open multi, junk":            select0 + multi + "junk",
		"torn exec":                   select0 + multi + exec[:8],
		"lone star":                   select0 + "*",
		"star NUL":                    select0 + "*\x00\r\n",
		"bulk with everything":        select0 + "*1\r\n$20\r\n*1\r\n$4\r\nPING\r\n#TS:9\r\n" + set27,
		"empty argument":              select0 + "*1\r\n$0\r\n\r\n" + set27,
		"like a manifest":             "file a seq 1 type b\n",
		"like a manifest, later":      select0 + "*1\r\n$4\r\nfile\r\nfile x\r\n",
		"manifest like, upper":        "FILE a seq 1 type b\n",
		"comments":                    "# a\n# b\n",
		"long comment, manifest":      "#" + strings.Repeat("x", 1023) + "file",
		"short RDB":                   "REDIS00",
		"RDB":                         base40,
		"RDB and tail":                base40 + incr52,
		"RDB and torn tail":           base40 + incr52[:20],
		"RDB and junk":                base40 + "junk",
		"RDB torn":                    base40[:30],
		"RDB with a bad sum":          base40[:39] + "x",
		"RDB and late":                base40 + "#TS:200\r\n" + set27,
		"one byte":                    "x",
		"one NUL":                     "\x00",
		"text":                        "hello world\n",
		"big argument":                select0 + "*1\r\n$600000\r\n" + strings.Repeat("a", 600000) + "\r\n" + set27[:25],
		"big argument, torn":          select0 + "*1\r\n$600000\r\n" + strings.Repeat("a", 599999),
		"size beyond the file":        select0 + "*1\r\n$100000000\r\nfoo\r\n",
	}
	for i := range set27 {
		odd[fmt.Sprintf("cut after %d", i)] = select0 + set27[:i]
		odd[fmt.Sprintf("x at %d", i)] = select0 + set27[:i] + "x" + set27[i+1:]
		odd[fmt.Sprintf("NUL at %d", i)] = select0 + set27[:i] + "\x00" + set27[i+1:]
	}
	return odd
}

// oddManifests are manifests at the borders of their grammar; the files they name exist unless the name says otherwise.
func oddManifests() map[string]string {
	const a, b = "file appendonly.aof.1.base.rdb seq 1 type b\n", "file appendonly.aof.1.incr.aof seq 1 type i\n"
	return map[string]string{
		"two":              a + b,
		"CR":               strings.ReplaceAll(a+b, "\n", "\r\n"),
		"comments":         "# x\n" + a + "#\n" + b + "# no end",
		"blank line":       a + "\n" + b,
		"blanks":           a + "  \t\n",
		"keys in case":     "file  appendonly.aof.1.base.rdb SEQ 1 tYpe b\n",
		"quoted":           `file "appendonly.aof.1.base.rdb" seq "1" type 'b'` + "\n",
		"half quoted":      `file append"only.aof.1.base.rdb" seq 1 type b` + "\n",
		"hex":              `file "\x61ppendonly.aof.1.base.rdb" seq 1 type b` + "\n",
		"bad quote":        `file "appendonly.aof.1.base.rdb"x seq 1 type b` + "\n",
		"open quote":       `file "appendonly.aof.1.base.rdb seq 1 type b` + "\n",
		"odd":              "file appendonly.aof.1.base.rdb seq 1 type\n",
		"extra":            "file appendonly.aof.1.base.rdb seq 1 type b startoffset 3 endoffset x foo bar\n",
		"twice":            "file x file appendonly.aof.1.base.rdb seq 1 type b\n",
		"path":             "file ../x seq 1 type b\n",
		"backslash":        `file a\b seq 1 type b` + "\n",
		"seq 0":            "file appendonly.aof.1.base.rdb seq 0 type b\n",
		"seq -1":           "file appendonly.aof.1.base.rdb seq -1 type b\n",
		"seq junk":         "file appendonly.aof.1.base.rdb seq 1x type b\n",
		"type base":        "file appendonly.aof.1.base.rdb seq 1 type base\n",
		"type x":           "file appendonly.aof.1.base.rdb seq 1 type x\n",
		"type empty":       `file appendonly.aof.1.base.rdb seq 1 type ""` + "\n",
		"no type":          "file appendonly.aof.1.base.rdb seq 1 foo b\n",
		"two bases":        a + a,
		"sequence":         b + b,
		"gap":              b + "file appendonly.aof.1.incr.aof seq 9 type i\n",
		"incr -1":          "file appendonly.aof.1.incr.aof seq -1 type i\n",
		"history only":     "file nowhere seq 1 type h\n",
		"history and base": "file nowhere seq 1 type h\n" + a,
		"incr first":       b + a,
		"missing base":     "file nowhere seq 1 type b\n",
		"missing incr":     a + "file nowhere seq 1 type i\n",
		"no end":           a + strings.TrimRight(b, "\n"),
		"NUL":              "file appendonly.aof.1.base.rdb seq 1 type b\x00\n",
		"NUL behind":       a + "\x00\n",
		"long line":        "file appendonly.aof.1.base.rdb seq 1 type b x " + strings.Repeat("y", 1000) + "\n",
		"longest line":     "file appendonly.aof.1.base.rdb seq 1 type b x " + strings.Repeat("y", 1023-46) + "\n",
		"one too long":     "file appendonly.aof.1.base.rdb seq 1 type b x " + strings.Repeat("y", 1024-46) + "\n",
		"long comment":     a + "#" + strings.Repeat("y", 1100) + "\n",
		"RDB as incr":      "file appendonly.aof.1.base.rdb seq 1 type i\n",
		"empty name":       `file "" seq 1 type b` + "\n",
		"directory":        "file . seq 1 type b\n",
		"vertical tab":     "file appendonly.aof.1.base.rdb\vseq 1 type b\n",
	}
}

// modes are the ways in which every odd file is given to both programs.
var modes = []struct {
	args  []string
	stdin string
}{
	{nil, ""},
	{[]string{"--fix"}, "y\n"},
	{[]string{"--fix"}, "no\n"},
	{[]string{"--truncate-to-timestamp", "100"}, ""},
}

// TestAgainstReal runs the real program of Redis 8.6 and this one on the same files and demands the same output, status and bytes.
func TestAgainstReal(t *testing.T) {
	realProgram := oracle.FindNewest(t, oracle.Redis86, oracle.RedisCheckAOF)
	t.Setenv(runMainEnv, "1")
	type job struct {
		name, file string
		files      map[string]string
	}
	var jobs []job
	for name, content := range oddFiles() {
		jobs = append(jobs, job{name, "x.aof", map[string]string{"x.aof": content}})
	}
	for name, content := range oddManifests() {
		jobs = append(jobs, job{"manifest: " + name, "m", map[string]string{
			"m": content, "appendonly.aof.1.base.rdb": base40, "appendonly.aof.1.incr.aof": incr52 + set29[:25]}})
	}
	slices.SortFunc(jobs, func(a, b job) int { return strings.Compare(a.name, b.name) })
	if testing.Short() { // a process each, and slow to start with the race detector
		n := 0
		jobs = slices.DeleteFunc(jobs, func(job) bool { n++; return n%8 != 0 })
	}
	var res tally
	parallel(jobs, func(j job) {
		for _, m := range modes {
			inTemp(t, func(dir string) {
				args := append(slices.Clone(m.args), j.file)
				var out [2]string
				var rc [2]int
				var after [2]map[string]string
				for i, program := range []string{realProgram, os.Args[0]} {
					for name, content := range j.files {
						os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)
					}
					r := oracle.Run(program, dir, m.stdin, args...)
					out[i], rc[i] = mask(r.Output, dir), r.Exit
					after[i] = map[string]string{}
					for name := range j.files {
						b, _ := os.ReadFile(filepath.Join(dir, name))
						after[i][name] = string(b)
					}
				}
				same := out[0] == out[1] && rc[0] == rc[1] && fmt.Sprint(after[0]) == fmt.Sprint(after[1])
				res.add("odd", same, "%s %v:\n%d\n%sreal:\n%d\n%s", j.name, m.args, rc[1], out[1], rc[0], out[0])
			})
		}
	})
	res.report(t, "odd")
}
