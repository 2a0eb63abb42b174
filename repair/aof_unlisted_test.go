package repair

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
)

// TestLostLines takes each line out of a manifest, and asks whether the file is of the set.
func TestLostLines(t *testing.T) {
	text := map[string]string{setA: stamped(100, "SELECT 0", "SET a 1"), setB: stamped(110, "SELECT 0", "SET b 1"), setC: stamped(130, "SELECT 0", "SET c 1"),
		setD: stamped(140, "SELECT 0", "SET d 1")}
	lines := []string{setA, setB, setC, setD}
	list := "#kept\n"
	for i, name := range lines {
		list += fmt.Sprintf("file %s seq %d type %c startoffset %d\n", name[len("appendonlydir/"):], max(i, 1), "biii"[i], i)
	}
	for gone := range 1 << len(lines) {
		if gone == 0 || gone == 1<<len(lines)-1 {
			continue
		}
		manifest, lost := "", 0
		for i, line := range strings.SplitAfter(list, "\n") {
			if i > 0 && gone&(1<<(i-1)) != 0 {
				lost++
				continue
			}
			manifest += line
		}
		fsys := dataDir(200, setM, manifest)
		for name, b := range text {
			fsys[name] = &fstest.MapFile{Data: []byte(b), Mode: 0o644}
		}
		p, err := NewLogPlan(t.Context(), fsys, "", LogPlanOptions{})
		require.NoError(t, err)
		assert.False(t, p.Sound(), manifest)
		assert.Nil(t, p.Chosen, manifest)
		require.Len(t, p.Salvaged.Choices, 2, manifest)

		for choice, kept := range map[int]int{1: 4, 2: 4 - lost} {
			opt := LogPlanOptions{}
			opt.Choice = choice
			p, err := NewLogPlan(t.Context(), fsys, "", opt)
			require.NoError(t, err)
			require.NotNil(t, p.Chosen, manifest)
			assert.EqualValues(t, 2*kept, p.Chosen.Commands, manifest)
			assert.Equal(t, choice == 2, p.Chosen.Reason != "nothing is left out")
			assert.Len(t, p.Chosen.Result.Aside, 4-kept)
			got := written(t, p.Chosen.Result)
			assert.Len(t, got, kept+1)
			m, err := aof.ReadManifest(strings.NewReader(got["appendonly.aof.manifest"]))
			require.NoError(t, err)
			assert.Len(t, m.Entries, kept)
			assert.Equal(t, []string{"#kept"}, m.Comments)
			if choice == 2 {
				assert.Equal(t, manifest, got["appendonly.aof.manifest"])
			}
		}
		opt := LogPlanOptions{}
		opt.Choice = 3
		p, err = NewLogPlan(t.Context(), fsys, "", opt)
		require.NoError(t, err)
		assert.Contains(t, p.Salvaged.Blocked, "no answer 3")
	}
}

const setD = "appendonlydir/appendonly.aof.3.incr.aof"

// TestLostLinesInPlace leaves nothing beside the set that would be asked about again.
func TestLostLinesInPlace(t *testing.T) {
	for choice, want := range map[int]int64{1: 4, 2: 2} {
		dir := onDisk(t, setM, strings.Replace(setManifest, "file appendonly.aof.2.incr.aof seq 2 type i\n", "", 1),
			setA, "", setB, commands("SELECT 0", "SET b 1"), setC, commands("SELECT 0", "SET c 1"))
		opt := LogPlanOptions{}
		opt.Choice = choice
		p := logPlan(t, dir, "", opt)
		res, err := p.ApplyInPlace(t.Context(), dir, dir+"/kept")
		require.NoError(t, err)
		commands := int64(0)
		for _, f := range res.Report.Files {
			commands += f.Commands
		}
		assert.Equal(t, want, commands)
		set, err := aof.OpenSet(os.DirFS(dir), setM)
		require.NoError(t, err)
		for _, f := range set.Findings {
			assert.Equal(t, aof.FindEmpty, f.Code, "%v", f.String())
		}
	}
}

// TestOlderThanTheBase does not ask about an incr whose timestamps, or whose last change, are from before the base.
func TestOlderThanTheBase(t *testing.T) {
	fsys := dataDir(200, setM, "file appendonly.aof.1.base.aof seq 1 type b\n", setA, stamped(100, "SELECT 0", "SET a 1"), setB, stamped(90, "SELECT 0", "SET b 1"))
	p, err := NewLogPlan(t.Context(), fsys, "", LogPlanOptions{})
	require.NoError(t, err)
	assert.False(t, p.Sound()) // a server that starts would append to it
	require.NotNil(t, p.Chosen)
	assert.Equal(t, []string{"appendonly.aof.1.incr.aof"}, p.Chosen.Result.Aside)
	assert.Equal(t, "nothing is left out of what the manifest lists", p.Chosen.Reason)
}

// TestLeftByRepair has the files that a repair in place had written when it was killed: the first answer is to leave them out, as they would be executed once more. Where a line is lost it
// is to take them.
func TestLeftByRepair(t *testing.T) {
	torn := commands("SELECT 0", "INCR a") + "*3\r\n$3\r\nSE"
	two := commands("SELECT 0", "INCR b")
	three, four := "appendonlydir/appendonly.aof.3.incr.aof", "appendonlydir/appendonly.aof.4.incr.aof"
	for name, c := range map[string]struct {
		files []string // behind those listed
		out   bool
	}{
		"both":        {[]string{three, commands("SELECT 0", "INCR a"), four, two}, true},
		"the first":   {[]string{three, commands("SELECT 0", "INCR a")}, true},
		"a lost line": {[]string{three, commands("SELECT 0", "INCR c")}, false},
		"one of each": {[]string{three, two, four, commands("SELECT 0", "INCR d")}, false},
	} {
		files := append([]string{setA, commands("SELECT 0", "SET a 1"), setB, torn, setC, two, setM, setManifest}, c.files...)
		dir := onDisk(t, files...)
		for choice := 1; choice <= 2; choice++ {
			opt := LogPlanOptions{}
			p := logPlan(t, dir, "", opt)
			require.Len(t, p.Salvaged.Choices, 2, name)
			require.Nil(t, p.Chosen, name)
			opt.Choice = choice
			p = logPlan(t, dir, "", opt)
			require.NotNil(t, p.Chosen, name)
			with := 3
			if (choice == 1) != c.out {
				with += len(c.files) / 2
			}
			require.Len(t, p.Chosen.Result.Files, with, "%s, %d", name, choice)
		}
	}
}
