package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Env names the environment variable that overrides where the corpus is looked for; [None] says not to look.
const Env = "KVFSCK_CORPUS"

// None in Env makes the tests that need the corpus skip, as if there were none.
const None = "none"

// errAbsent says that there is no corpus at the default place.
var errAbsent = errors.New("the shared corpus is not here")

// Dir returns the absolute path of the corpus. It skips t where there is none, and
// fails t where KVFSCK_CORPUS names a folder that is not there.
func Dir(t testing.TB) string {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := find(os.Getenv(Env), wd)
	if errors.Is(err, errAbsent) {
		t.Skipf("skipped: %v (set %s to its folder)", err, Env)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// find returns the corpus that override names, or else the one beside the module that
// wd lies in. It returns errAbsent when there is no override and nothing beside the module.
func find(override, wd string) (string, error) {
	if override == None {
		return "", errAbsent
	}
	if override != "" {
		dir, err := filepath.Abs(override)
		if err != nil {
			return "", err
		}
		if !isCorpus(dir) {
			return "", fmt.Errorf("%s=%s is not a corpus: it has no mutations folder", Env, override)
		}
		return dir, nil
	}
	for dir := wd; ; {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			c := filepath.Join(filepath.Dir(dir), "shared", "corpus")
			if !isCorpus(c) {
				return "", errAbsent
			}
			return c, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errAbsent
		}
		dir = up
	}
}

func isCorpus(dir string) bool {
	st, err := os.Stat(filepath.Join(dir, "mutations"))
	return err == nil && st.IsDir()
}

// Path returns the absolute path of a file or folder given by its id.
func Path(t testing.TB, id string) string {
	t.Helper()
	return filepath.Join(Dir(t), filepath.FromSlash(id))
}

// lines yields the JSON values of a .jsonl file one at a time, and fails t on the first
// that does not decode or has a field that T does not know.
func lines[T any](t testing.TB, path string) iter.Seq[T] {
	return func(yield func(T) bool) {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		d := json.NewDecoder(f)
		d.DisallowUnknownFields()
		for {
			var v T
			err := d.Decode(&v)
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatalf("%s: near offset %d: %v", path, d.InputOffset(), err)
			}
			if !yield(v) {
				return
			}
		}
	}
}

// load reads a file that holds one JSON value.
func load[T any](t testing.TB, path string) T {
	t.Helper()
	var first T
	n := 0
	for v := range lines[T](t, path) {
		first = v
		n++
	}
	if n != 1 {
		t.Fatalf("%s: %d JSON values, want 1", path, n)
	}
	return first
}

// servers returns the server folders below kind ("rdb" or "aof") in name order.
func servers(t testing.TB, kind string) []string {
	t.Helper()
	ents, err := os.ReadDir(Path(t, kind))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range ents {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}
