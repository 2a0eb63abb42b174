package corpus

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvfsck/kvfsck/crc64"
)

// Recipe is one seeded mutation of a file of the corpus.
type Recipe struct {
	ID       string  `json:"id"`
	Base     string  `json:"base"`   // id of the file, or of the AOF set
	Target   string  `json:"target"` // the changed file of an AOF set; empty for an RDB
	Check    string  `json:"check"`  // the file of an AOF set that the checkers were given
	Kind     string  `json:"kind"`   // "lzf-edit", "trunc", ...
	Offset   int64   `json:"offset"` // where the mutation struck
	Len      int64   `json:"len"`
	CRCFixed bool    `json:"crc_fixed"` // the footer was computed anew after the edits
	Seed     string  `json:"seed"`
	Edits    []Edit  `json:"edits"`
	Size     *int64  `json:"size"`   // of the result; nil for a removed file
	SHA256   *string `json:"sha256"` // of the result, in hex; nil for a removed file
}

// Edit is one step of a recipe: an operation with numbers and bytes. What each
// operation does is written where Apply does it.
type Edit struct {
	Op   string
	N    []int
	Data []byte
}

// editShapes says of each operation how many numbers it takes and whether bytes follow.
var editShapes = map[string]struct {
	numbers int
	data    bool
}{
	"set":       {1, true},
	"ins":       {1, true},
	"del":       {2, false},
	"dup":       {2, false},
	"swap":      {4, false},
	"zero":      {2, false},
	"copy":      {3, false},
	"trunc":     {1, false},
	"append":    {0, true},
	"crc":       {0, false},
	"crcrange":  {1, false},
	"appendcrc": {0, false},
	"unlink":    {0, false},
}

// UnmarshalJSON reads [op, number..., hex].
func (e *Edit) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if len(raw) == 0 {
		return fmt.Errorf("empty edit")
	}
	*e = Edit{}
	if err := json.Unmarshal(raw[0], &e.Op); err != nil {
		return err
	}
	shape, known := editShapes[e.Op]
	if !known {
		return fmt.Errorf("unknown edit %q", e.Op)
	}
	e.N = make([]int, shape.numbers)
	var text string
	into := []any{&e.Op}
	for i := range e.N {
		into = append(into, &e.N[i])
	}
	if shape.data {
		into = append(into, &text)
	}
	if err := tuple(b, into...); err != nil {
		return fmt.Errorf("edit %s: %w", e.Op, err)
	}
	for _, n := range e.N {
		if n < 0 {
			return fmt.Errorf("edit %s: negative number %d", e.Op, n)
		}
	}
	var err error
	e.Data, err = hex.DecodeString(text)
	return err
}

// RDBRecipes yields the mutations of RDB files (ids r, nr and nv) in file order.
func RDBRecipes(t testing.TB) iter.Seq[Recipe] {
	t.Helper()
	return lines[Recipe](t, Path(t, "mutations/rdb-recipes.jsonl"))
}

// AOFRecipes yields the mutations of append-only sets (ids a, nar and nav) in file order.
func AOFRecipes(t testing.TB) iter.Seq[Recipe] {
	t.Helper()
	return lines[Recipe](t, Path(t, "mutations/aof-recipes.jsonl"))
}

// BasePath returns the absolute path of the file that the edits apply to.
func (r *Recipe) BasePath(t testing.TB) string {
	t.Helper()
	return filepath.Join(Path(t, r.Base), r.Target)
}

// Apply returns the mutated copy of base, which it leaves alone; removed says that the
// mutation is the removal of the file, and the result is then nil.
//
// Ranges that reach past the end are cut there, as the script that made the corpus does.
func (r *Recipe) Apply(base []byte) (out []byte, removed bool) {
	b := append([]byte(nil), base...)
	for _, e := range r.Edits {
		if e.Op == "unlink" {
			return nil, true
		}
		b = e.apply(b)
	}
	return b, false
}

// apply performs the edit on b, which it may change and reuse.
func (e *Edit) apply(b []byte) []byte {
	// span is [off, off+n) as far as b has it.
	span := func(off, n int) (int, int) {
		return min(off, len(b)), min(off+n, len(b))
	}
	switch e.Op {
	case "set": // overwrite at N0 with Data, growing past the end
		i, j := span(e.N[0], len(e.Data))
		return splice(b, i, j, e.Data)
	case "ins": // insert Data before N0
		i, _ := span(e.N[0], 0)
		return splice(b, i, i, e.Data)
	case "del": // remove [N0, N0+N1)
		i, j := span(e.N[0], e.N[1])
		return splice(b, i, j, nil)
	case "dup": // insert a copy of [N0, N0+N1) right after it
		i, j := span(e.N[0], e.N[1])
		return splice(b, j, j, b[i:j])
	case "swap": // exchange [N0, N0+N1) with [N2, N2+N3), which lies behind it
		i, j := span(e.N[0], e.N[1])
		k, l := span(e.N[2], e.N[3])
		swapped := append(append(append([]byte(nil), b[k:l]...), b[j:k]...), b[i:j]...)
		return splice(b, i, l, swapped)
	case "zero": // overwrite [N0, N0+N1) with NUL bytes
		i, j := span(e.N[0], e.N[1])
		clear(b[i:j])
		return b
	case "copy": // overwrite [N1, N1+N2) with a copy of [N0, N0+N2)
		i, j := span(e.N[0], e.N[2])
		k, l := span(e.N[1], e.N[2])
		return splice(b, k, l, b[i:j])
	case "trunc": // keep the first N0 bytes
		i, _ := span(e.N[0], 0)
		return b[:i]
	case "append": // add Data at the end
		return append(b, e.Data...)
	case "crc": // the checksum of everything before them over the last 8 bytes
		return putChecksum(b, max(0, len(b)-8), len(b))
	case "crcrange": // the same for the RDB preamble that ends at N0
		_, j := span(0, e.N[0])
		return putChecksum(b, max(0, j-8), j)
	case "appendcrc": // the checksum of everything so far, added at the end
		return putChecksum(b, len(b), len(b))
	}
	panic("corpus: unknown edit " + e.Op) // UnmarshalJSON lets none through
}

// splice returns b with [i, j) replaced by mid, which may alias b.
func splice(b []byte, i, j int, mid []byte) []byte {
	out := make([]byte, 0, i+len(mid)+len(b)-j)
	out = append(out, b[:i]...)
	out = append(out, mid...)
	return append(out, b[j:]...)
}

// putChecksum replaces [i, j) of b by the RDB checksum of everything before it.
func putChecksum(b []byte, i, j int) []byte {
	sum := binary.LittleEndian.AppendUint64(nil, crc64.Checksum(b[:i]))
	return splice(b, i, j, sum)
}

// Verify says whether out, as Apply returned it, is the recorded result.
func (r *Recipe) Verify(out []byte, removed bool) error {
	if removed || r.SHA256 == nil || r.Size == nil {
		if removed && r.SHA256 == nil && r.Size == nil {
			return nil
		}
		return fmt.Errorf("%s: removed is %v, and the record has sha256: %v", r.ID, removed, r.SHA256 != nil)
	}
	sum := sha256.Sum256(out)
	if got := hex.EncodeToString(sum[:]); int64(len(out)) != *r.Size || got != *r.SHA256 {
		return fmt.Errorf("%s: %d bytes with sha256 %s, recorded are %d with %s", r.ID, len(out), got, *r.Size, *r.SHA256)
	}
	return nil
}

// MustApply reads the base, applies the recipe, checks the result against the record and
// returns it: nil for a removed file. Any failure fails t.
func (r *Recipe) MustApply(t testing.TB) []byte {
	t.Helper()
	base, err := os.ReadFile(r.BasePath(t))
	if err != nil {
		t.Fatal(err)
	}
	out, removed := r.Apply(base)
	if err := r.Verify(out, removed); err != nil {
		t.Fatal(err)
	}
	return out
}

// Build writes the mutated file, and for an AOF recipe the whole set around it, into
// dir, an existing folder, and returns the path that the checkers were given.
func (r *Recipe) Build(t testing.TB, dir string) string {
	t.Helper()
	out := r.MustApply(t)
	if r.Target == "" {
		path := filepath.Join(dir, filepath.Base(r.BasePath(t)))
		write(t, path, out)
		return path
	}
	base := Path(t, r.Base)
	ents, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ents {
		if e.Name() == r.Target {
			continue
		}
		data, err := os.ReadFile(filepath.Join(base, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, e.Name()), data)
	}
	if out != nil {
		write(t, filepath.Join(dir, r.Target), out)
	}
	return filepath.Join(dir, r.Check)
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
