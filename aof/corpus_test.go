package aof

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// corpusSet is the files of a set of the corpus, in a data directory as servers have it.
func corpusSet(t testing.TB, base string) (files fstest.MapFS, prefix string) {
	t.Helper()
	files = fstest.MapFS{}
	dir := os.DirFS(corpus.Path(t, base))
	ents, err := fs.ReadDir(dir, ".")
	if err != nil {
		t.Fatal(err)
	}
	prefix = ""
	for _, e := range ents {
		if strings.HasSuffix(e.Name(), ".manifest") {
			prefix = DefaultDirName + "/"
		}
	}
	for _, e := range ents {
		b, err := fs.ReadFile(dir, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[prefix+e.Name()] = &fstest.MapFile{Data: b, Mode: 0o644}
	}
	return files, prefix
}

// mutated is the set that a recipe makes.
func mutated(t testing.TB, r *corpus.Recipe) (files fstest.MapFS, prefix string) {
	files, prefix = corpusSet(t, r.Base)
	if out := r.MustApply(t); out == nil {
		delete(files, prefix+r.Target)
	} else {
		files[prefix+r.Target] = &fstest.MapFile{Data: out, Mode: 0o644}
	}
	return files, prefix
}

func check(t testing.TB, files fs.FS) *Report {
	t.Helper()
	s, err := Discover(files, DiscoverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.Check(context.Background(), CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// TestCorpusSets reads every set as its server wrote it.
func TestCorpusSets(t *testing.T) {
	for _, c := range corpus.AOFSets(t) {
		files, _ := corpusSet(t, c.ID)
		rep := check(t, files)
		for _, v := range rep.Verdicts {
			other := strings.HasPrefix(c.Server, "redis") != (v.Server == Redis86) && (v.Reason == ReasonForeign || v.Reason == ReasonUnknownCommand)
			if v.Outcome > LoadsEmpty && !other {
				t.Errorf("%s: %s", c.ID, v.String())
			}
		}
		for _, f := range rep.Findings {
			if f.Severity() == rdb.Error {
				t.Errorf("%s: %s", c.ID, f.String())
			}
		}
		replay(t, c.ID, rep.Set)
	}
}

// replay reads the set as one stream and counts keys of RDB parts and commands.
func replay(t *testing.T, id string, s *Set) {
	r := s.Replay(ReplayOptions{})
	defer r.Close()
	records := 0
	for r.Next() {
		if p, ok := r.Record().(*Preamble); ok {
			for p.RDB.Next() {
				records++
			}
		}
		records++
	}
	if err := r.Err(); err != nil || records == 0 {
		t.Errorf("%s: %d records, %v", id, records, err)
	}
}

// TestServerVerdicts compares the verdict on Redis 8.6 with what Redis 7.4 did with every damaged set of the corpus. They differ only
// where that server was given too little memory for a size that the file merely states.
func TestServerVerdicts(t *testing.T) {
	verdicts := corpus.AOFServerVerdicts(t)
	recipes := slices.Collect(corpus.AOFRecipes(t))
	n, same, memory := 0, 0, 0
	for i := range recipes {
		r := &recipes[i]
		want, ok := verdicts[r.ID]
		if !ok {
			continue
		}
		files, prefix := mutated(t, r)
		rep := check(t, files)
		for loadTruncated, load := range map[bool]corpus.ServerLoad{true: want.TruncatedYes, false: want.TruncatedNo} {
			got := rep.Verdict(Redis86, loadTruncated)
			n++
			d := difference(got, load, files, prefix)
			switch {
			case d == "":
				same++
			case strings.Contains(load.Message, "OUT OF MEMORY"):
				memory++
			default:
				t.Errorf("%s (%s, aof-load-truncated %v): %s\n\t%s, %v\n\trecorded %s", r.ID, r.Kind, loadTruncated, d, got, got.Err, load.Message)
			}
		}
	}
	t.Logf("%d of %d equal; %d for want of memory", same, n, memory)
}

// difference says how a verdict differs from what a server did.
func difference(v *Verdict, load corpus.ServerLoad, files fstest.MapFS, prefix string) string {
	loads := v.Outcome <= LoadsEmpty
	if loads != load.Loaded {
		return fmt.Sprintf("%s, and loaded is %v", v.Outcome, load.Loaded)
	}
	cuts := map[string]int64{}
	if v.CutsOnDisk {
		cuts[v.File] = v.Offset
	}
	for name, sum := range load.Changed {
		if strings.HasSuffix(name, ".manifest") {
			continue
		}
		p := prefix + name
		if at, ok := cuts[p]; !ok || at != sum.Size {
			return fmt.Sprintf("cut %v, recorded %s to %d", cuts, p, sum.Size)
		}
		delete(cuts, p)
	}
	if len(cuts) > 0 && len(load.Changed) == 0 {
		return fmt.Sprintf("cut %v, recorded none", cuts)
	}
	return ""
}
