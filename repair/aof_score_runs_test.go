package repair

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/corpus"
)

// aofRounds says how many files of each kind are damaged.
func aofRounds(few, many int) int {
	switch {
	case os.Getenv("KVFSCK_BIG") != "":
		return many
	case testing.Short():
		return max(few/6, 3)
	}
	return few
}

// TestScoreAOFGenerated damages generated logs in 1 to 50 places.
func TestScoreAOFGenerated(t *testing.T) {
	t.Parallel()
	by := map[string]*aofScore{}
	for _, kind := range aofDamages {
		x := &aofScore{}
		by[kind.name] = x
		for round := range aofRounds(1, 8) {
			for _, times := range []int{1, 2, 10, 50} {
				r := rand.New(rand.NewPCG(uint64(round), uint64(times)))
				b := generatedAOF(r, aofRounds(1000, 2500), []int{1, 0, 3, 1}[round%4])
				d := track(b)
				for range times {
					if len(d.b) > 1<<14 { // and else little is left to score
						kind.do(d, r)
					}
				}
				x.add(t, fmt.Sprintf("round %d, %d times", round, times), soundLog(t, b), d)
			}
		}
	}
	reportAOF(t, by)
}

// TestScoreAOFMutated damages logs of package fuzz by its own mutators.
func TestScoreAOFMutated(t *testing.T) {
	t.Parallel()
	by := map[string]*aofScore{}
	for seed := range uint64(aofRounds(30, 300)) {
		files, _ := fuzz.AOFSet(seed, fuzz.AOFOptions{Layout: fuzz.AOFPlain, Commands: 300, Timestamps: seed%2 == 0})
		sound := soundLog(t, files[0].Data)
		for _, times := range []int{1, 1, 1, 4, 20} {
			d := track(sound.b)
			kind := fmt.Sprint(times, " mutations")
			for i := range times {
				b, m := fuzz.MutateAOF(seed*1000+uint64(100*times+i), d.b)
				if strings.HasPrefix(m.Kind, "text-") || m.Kind == "truncate" && times > 1 {
					continue
				}
				if d.become(b); times == 1 {
					kind = "mutation " + m.Kind
				}
			}
			if by[kind] == nil {
				by[kind] = &aofScore{}
			}
			by[kind].add(t, fmt.Sprintf("seed %d, %d times", seed, times), sound, d)
		}
	}
	reportAOF(t, by)
}

// TestScoreAOFSets damages whole sets.
func TestScoreAOFSets(t *testing.T) {
	t.Parallel()
	by := map[string]*aofScore{}
	for seed := range uint64(aofRounds(150, 1500)) {
		files, _ := fuzz.AOFSet(seed, fuzz.AOFOptions{Layout: fuzz.AOFSetText, Commands: 200, Increments: 3, Base: fuzz.RDBOptions{Keys: 20}})
		broken, m := fuzz.MutateSet(seed, files)
		kind := "set " + m.Kind
		if by[kind] == nil {
			by[kind] = &aofScore{}
		}
		by[kind].addSet(t, fmt.Sprintf("seed %d: %s", seed, m), files, broken)
	}
	reportAOF(t, by)
}

func (x *aofScore) addSet(t *testing.T, label string, files, broken fuzz.Files) {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, f := range broken {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	s, err := SalvageSet(t.Context(), fsys, AOFSetOptions{SkipMissing: true})
	if err != nil {
		t.Fatalf("%s: %v", label, err)
	}
	if s.Blocked != "" {
		x.files++
		x.blocked++
		return
	}
	if again, err := SalvageSet(t.Context(), memFS(written(t, s)), AOFSetOptions{}); err != nil || again.Rebuilt || again.Blocked != "" {
		t.Errorf("%s: the result is no set: %v", label, err)
	}
	for _, f := range s.Files {
		for _, whole := range files {
			if path := whole.Name; path == f.Path && !aof.IsRDB(whole.Data, aof.AsChecker) {
				sound := soundLog(t, whole.Data)
				d := track(whole.Data)
				d.become(fsys[path].Data)
				x.compare(label+" "+f.Name, sound, d, f.SalvagedAOF)
			}
		}
	}
}

// memFS is a directory of a set.
func memFS(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m["appendonlydir/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// TestScoreAOFRecipes runs the recipes of the corpus that damage commands.
func TestScoreAOFRecipes(t *testing.T) {
	by := map[string]*aofScore{}
	for r := range corpus.AOFRecipes(t) {
		if r.Kind == "manifest" || r.Kind == "unlink" || r.Kind == "rdb-part" || strings.HasSuffix(r.Target, ".manifest") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(corpus.Path(t, r.Base), r.Target))
		if err != nil {
			t.Fatal(err)
		}
		d := track(b)
		d.recipe(&r)
		if want := r.MustApply(t); !bytes.Equal(want, d.b) {
			t.Fatalf("%s: the edits are not followed", r.ID)
		}
		if aof.IsRDB(b, aof.AsChecker) {
			continue
		}
		kind := "recipe " + r.Kind
		if by[kind] == nil {
			by[kind] = &aofScore{}
		}
		by[kind].add(t, r.ID, soundLog(t, b), d)
	}
	if x := by["recipe del-exec"]; x != nil {
		// Behind a MULTI whose EXEC is gone, and no other follows, all is part of the transaction: for the server, too.
		t.Logf("del-exec: %d of %d commands recovered, the others stand in a transaction without end", x.recovered, x.untouched)
		x.untouched = x.recovered
	}
	reportAOF(t, by)
}
