package fuzz

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
)

// logged are damages of a file of commands.
var logged = []mutator{
	{"header-edit", 8, "the number in the head of a command or argument, to a near one or one at a bound", true, (*damage).headerEdit},
	{"header-text", 4, "the head of a command or argument, to other text", true, (*damage).headerText},
	{"lost-crlf", 4, "an end of line, or one of its two bytes, is missing", true, (*damage).lostCRLF},
	{"bare-lf", 2, "an end of line is LF alone", true, (*damage).bareLF},
	{"interleave", 3, "a command stands in the middle of another, as when two processes write", true, (*damage).interleave},
	{"nul-tail", 3, "zero bytes at the end, as a file system leaves after a loss of power", true, (*damage).nulTail},
	{"command-remove", 3, "a command is missing, an EXEC perhaps", true, (*damage).commandRemove},
	{"command-duplicate", 2, "a command stands twice, a MULTI perhaps", true, (*damage).commandDuplicate},
	{"command-insert", 3, "a command that servers do not log, or a line that is none", true, (*damage).commandInsert},
	{"cut-command", 4, "the end, from the middle of a command on, is missing", true, (*damage).cutCommand},
}

// listed are damages of a manifest.
var listed = []mutator{
	{"line-remove", 3, "a line is missing", true, (*damage).lineRemove},
	{"line-duplicate", 3, "a line stands twice", true, (*damage).lineDuplicate},
	{"line-swap", 2, "two lines in each other's place", true, (*damage).lineSwap},
	{"word-edit", 6, "a word of a line, to another", true, (*damage).wordEdit},
}

// AOFMutationKinds returns the kinds of damage that [MutateAOF] does.
func AOFMutationKinds() []string { return kinds(blind, logged) }

// SetMutationKinds returns the kinds of damage that [MutateSet] does.
func SetMutationKinds() []string {
	return append(kinds(blind, structured, logged, listed), fileMissing, fileEmpty)
}

// MutateAOF damages a file of commands. It is otherwise like [Mutate], but that there is no checksum to compute anew; of an RDB part at the beginning the
// one that stands there stays.
func MutateAOF(seed uint64, data []byte) ([]byte, Mutation) {
	return mutate(seed, data, unsealed(append(append([]mutator{}, blind...), logged...)))
}

// unsealed are rows that leave the last bytes alone, which are a checksum in an RDB only.
func unsealed(table []mutator) []mutator {
	for i := range table {
		table[i].sealed = true
	}
	return table
}

// Kinds of damage of whole files.
const (
	fileMissing = "file-missing"
	fileEmpty   = "file-empty"
)

// MutateSet damages one file of a log: the manifest, an RDB, or a file of commands, each in its own ways, or takes one away. The files given are
// not changed. Of no files nothing is made.
func MutateSet(seed uint64, files Files) (Files, Mutation) {
	if len(files) == 0 {
		return nil, Mutation{}
	}
	d := dice.New(seed, drawMutation<<8)
	i := d.N(len(files))
	if d.Coin() {
		i = len(files) - 1
	}
	out := slices.Clone(files)
	name, data := files[i].Name, files[i].Data
	m := Mutation{Length: len(data)}
	switch {
	case d.N(30) == 0 && len(files) > 1:
		m.Kind = fileMissing
		out = slices.Delete(out, i, i+1)
	case d.N(30) == 0:
		m.Kind = fileEmpty
		out[i].Data = nil
	case strings.HasSuffix(name, ".manifest"):
		out[i].Data, m = mutate(seed, data, append(unsealed(append([]mutator{}, blind...)), listed...))
	case strings.HasSuffix(name, ".rdb"):
		out[i].Data, m = Mutate(seed, data)
	default:
		out[i].Data, m = MutateAOF(seed, data)
	}
	m.File = name
	return out, m
}

// commandsOf returns where the commands of a file begin and end, behind its RDB part if it has one.
func commandsOf(b []byte) (recs []record) {
	r := aof.NewReaderOptions(bytes.NewReader(b), aof.ReaderOptions{Skim: true})
	for r.Next() {
		if c, ok := r.Record().(*aof.Command); ok {
			recs = append(recs, record{from: int(c.Offset), to: int(c.End())})
		}
	}
	return recs
}

// pickCommand draws a command.
func (m *damage) pickCommand() (r record, ok bool) {
	recs := commandsOf(m.b)
	if len(recs) == 0 {
		return r, false
	}
	r = dice.Pick(m.d, recs)
	m.Offset, m.Length = r.from, r.to-r.from
	return r, true
}

// pickHeader draws a line of a command that says how much follows: the number in it lies from..to.
func (m *damage) pickHeader() (from, to int, ok bool) {
	r, ok := m.pickCommand()
	if !ok {
		return 0, 0, false
	}
	var heads [][2]int
	for at := r.from; at < r.to; {
		end := bytes.Index(m.b[at:r.to], []byte("\r\n"))
		if end < 0 || at+1 > at+end {
			break
		}
		heads = append(heads, [2]int{at + 1, at + end})
		n, err := strconv.Atoi(string(m.b[at+1 : at+end]))
		if err != nil {
			break
		}
		at += end + 2
		if len(heads) > 1 { // an argument; the first line counts them
			at += n + 2
		}
	}
	if len(heads) == 0 {
		return 0, 0, false
	}
	h := dice.Pick(m.d, heads)
	return h[0], h[1], true
}

func (m *damage) headerEdit() bool {
	from, to, ok := m.pickHeader()
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(string(m.b[from:to]), 10, 64)
	if err != nil {
		return false
	}
	edits := []int64{n + 1, n - 1, n + 2, n * 10, n / 10, 0, -1, 1, 1<<31 - 1, 1 << 31, 1<<32 + n, 1<<63 - 1, -1 << 63, 1 << 40, 512<<20 + 1}
	with := edits[m.d.Weighted([]int{6, 6, 3, 3, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1})]
	m.Offset, m.Length, m.Detail = from, to-from, fmt.Sprintf("%d to %d", n, with)
	return with != n && m.replace(from, to, strconv.AppendInt(nil, with, 10))
}

func (m *damage) headerText() bool {
	from, to, ok := m.pickHeader()
	if !ok {
		return false
	}
	n := string(m.b[from:to])
	with := dice.Pick(m.d, []string{" " + n, n + " ", "+" + n, "0" + n, n + "x", "x", "", "-" + n, "0x1", n + "\t", "1e1", strings.Repeat("0", 130) + n, "99999999999999999999"})
	m.Offset, m.Length, m.Detail = from, to-from, fmt.Sprintf("%q to %.40q", n, with)
	if m.d.N(3) == 0 { // the mark before it
		from--
		with = dice.Pick(m.d, []string{"#", "$", "*", "+", ":", "\x00", "\r\n*"}) + n
		m.Detail = fmt.Sprintf("to %.40q", with)
	}
	return m.replace(from, to, []byte(with))
}

// pickEnd draws an end of line.
func (m *damage) pickEnd() (at int, ok bool) {
	r, ok := m.pickCommand()
	if !ok {
		return 0, false
	}
	var ends []int
	for i := r.from; i+1 < r.to; i++ {
		if m.b[i] == '\r' && m.b[i+1] == '\n' {
			ends = append(ends, i)
		}
	}
	if len(ends) == 0 {
		return 0, false
	}
	at = dice.Pick(m.d, ends)
	m.Offset, m.Length = at, 2
	return at, true
}

func (m *damage) lostCRLF() bool {
	at, ok := m.pickEnd()
	if !ok {
		return false
	}
	from, to := at+m.d.N(2), at+2
	if m.d.Coin() {
		from, to = at, at+m.d.Between(1, 2)
	}
	m.Offset, m.Length = from, to-from
	return m.replace(from, to, nil)
}

func (m *damage) bareLF() bool {
	at, ok := m.pickEnd()
	return ok && m.replace(at, at+2, []byte("\n"))
}

func (m *damage) interleave() bool {
	a, ok1 := m.pickCommand()
	c, ok2 := m.pickCommand()
	if !ok1 || !ok2 {
		return false
	}
	at := m.d.Between(c.from, c.to-1)
	from := a.from
	if m.d.Coin() {
		from = m.d.Between(a.from, a.to-1)
	}
	m.Offset, m.Length, m.Detail = at, a.to-from, fmt.Sprintf("of %d", from)
	return m.replace(at, at, m.b[from:a.to])
}

func (m *damage) nulTail() bool {
	at := len(m.b)
	if r, ok := m.pickCommand(); ok && m.d.Coin() {
		at = m.d.Between(r.from, r.to)
	}
	n := m.d.Between(1, 5000)
	m.Offset, m.Length = at, n
	m.b = append(m.b[:at:at], make([]byte, n)...)
	return true
}

func (m *damage) commandRemove() bool {
	r, ok := m.pickCommand()
	return ok && m.replace(r.from, r.to, nil)
}

func (m *damage) commandDuplicate() bool {
	r, ok := m.pickCommand()
	return ok && m.replace(r.to, r.to, m.b[r.from:r.to])
}

func (m *damage) commandInsert() bool {
	r, ok := m.pickCommand()
	if !ok {
		return false
	}
	line := dice.Pick(m.d, []string{
		"*1\r\n$5\r\nMULTI\r\n", "*1\r\n$4\r\nEXEC\r\n", "*1\r\n$4\r\nexec\r\n", "*0\r\n", "*-1\r\n", "*1\r\n$0\r\n\r\n", "*1\r\n$7\r\nNOTHING\r\n", "*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n",
		"#TS:1700000000\r\n", "#TS:abc\r\n", "#\n", "# " + strings.Repeat("x", 1030) + "\r\n", "\r\n", "SET k v\r\n", "+OK\r\n", "file x seq 1 type b\n", "REDIS0011\xff",
	})
	m.Length, m.Detail = len(line), fmt.Sprintf("%.40q", line)
	return m.replace(r.from, r.from, []byte(line))
}

func (m *damage) cutCommand() bool {
	r, ok := m.pickCommand()
	if !ok {
		return false
	}
	at := m.d.Between(r.from, r.to-1)
	m.Offset, m.Length = at, len(m.b)-at
	m.b = m.b[:at]
	return true
}

// lines are those of a manifest, with their ends.
func (m *damage) lines() [][]byte {
	return bytes.SplitAfter(bytes.TrimSuffix(m.b, []byte("\n")), []byte("\n"))
}

func (m *damage) lineRemove() bool {
	lines := m.lines()
	i := m.d.N(len(lines))
	return m.replaced(bytes.Join(slices.Delete(lines, i, i+1), nil))
}

func (m *damage) lineDuplicate() bool {
	lines := m.lines()
	last := len(lines) - 1
	lines[last] = append(bytes.Clone(lines[last]), '\n')
	i := m.d.N(len(lines))
	return m.replaced(bytes.Join(slices.Insert(lines, m.d.N(len(lines)+1), lines[i]), nil))
}

func (m *damage) lineSwap() bool {
	lines := bytes.SplitAfter(m.b, []byte("\n"))
	if len(lines) < 3 {
		return false
	}
	i := m.d.N(len(lines) - 2)
	lines[i], lines[i+1] = lines[i+1], lines[i]
	return m.replaced(bytes.Join(lines, nil))
}

func (m *damage) wordEdit() bool {
	words := strings.Split(string(m.b), " ")
	i := m.d.N(len(words))
	words[i] = dice.Pick(m.d, []string{"", "file", "seq", "type", "b", "i", "h", "x", "0", "-1", "1", "2", "99999999999999999999", "a/b", `"q`, `"a b"`, "startoffset 5", words[i] + "x", strings.ToUpper(words[i]), words[m.d.N(len(words))]})
	return m.replaced([]byte(strings.Join(words, " ")))
}
