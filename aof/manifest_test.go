package aof

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

func TestReadManifest(t *testing.T) {
	line := func(n int) string { // a line of n bytes with its end
		s := "file a seq 1 type b x "
		return s + strings.Repeat("y", n-len(s)-1) + "\n"
	}
	cases := []struct {
		name, in string
		code     ManifestCode
		line     int
		text     string // "-": none
	}{
		{"nothing", "", ManifestEmpty, 0, "-"},
		{"comments only", "# a\n#\n", "", 0, ""},
		{"comment without end", "file a seq 1 type b\n# a", "", 0, ""},
		{"no end", "file a seq 1 type b", ManifestLine, 1, "-"},
		{"longest line", line(1024), "", 0, ""},
		{"too long", line(1025), ManifestLine, 1, "-"},
		{"long comment", "#" + strings.Repeat("y", 1100) + "\n", ManifestFormat, 2, strings.Repeat("y", 77)},
		{"blank line", "file a seq 1 type b\n\n", ManifestFormat, 2, ""},
		{"NUL", "file a seq 1 type b\x00\n", ManifestLine, 1, "-"},
		{"three words", "file a seq\n", ManifestFormat, 1, "file a seq"},
		{"seven words", " file a seq 1 type b x \n", ManifestFormat, 1, "file a seq 1 type b x"},
		{"open quote", `file "a seq 1 type b` + "\n", ManifestFormat, 1, `file "a seq 1 type b`},
		{"no name", "x a seq 1 type b\n", ManifestFormat, 1, "x a seq 1 type b"},
		{"no number", "file a x 1 type b\n", ManifestFormat, 1, "file a x 1 type b"},
		{"number 0", "file a seq 0 type b\n", ManifestFormat, 1, "file a seq 0 type b"},
		{"no type", "file a seq 1 x b\n", ManifestFormat, 1, "file a seq 1 x b"},
		{"path", "file a/b seq 1 type b\n", ManifestPath, 1, "file a/b seq 1 type b"},
		{"type", "file a seq 1 type x\n", ManifestType, 1, "file a seq 1 type x"},
		{"bases", "file a seq 1 type b\nfile b seq 2 type b\n", ManifestDuplicateBase, 2, "file b seq 2 type b"},
		{"sequence", "file a seq 2 type i\nfile b seq 2 type i\n", ManifestSequence, 2, "file b seq 2 type i"},
		{"negative incr", "file a seq -2 type i\n", ManifestSequence, 1, "file a seq -2 type i"},
		{"negative base", "file a seq -2 type b\nfile b seq -3 type h\n", "", 0, ""},
		{"gaps", "file a seq 2 type i\nfile b seq 9 type i\n", "", 0, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadManifest(strings.NewReader(c.in))
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var me *ManifestError
			if !errors.As(err, &me) || !errors.Is(err, ErrManifest) || me.Code != c.code || me.Line != c.line && c.line > 0 {
				t.Fatalf("%v, want %s in line %d", err, c.code, c.line)
			}
			if c.text == "-" != (me.Text == nil) || me.Text != nil && *me.Text != c.text {
				t.Errorf("text %v, want %q", me.Text, c.text)
			}
		})
	}
}

func TestManifestEntry(t *testing.T) {
	none := ManifestEntry{Line: 1, Name: "a", Seq: 1, Type: Base, StartOffset: NoOffset, EndOffset: NoOffset}
	with := func(change func(*ManifestEntry)) ManifestEntry {
		e := none
		change(&e)
		return e
	}
	for in, want := range map[string]ManifestEntry{
		"file a seq 1 type b\n":                           none,
		"\t FILE a  Seq 1x tyPE base \r\n":                none,
		"type b seq +1 file a\n":                          none,
		"file x file a seq 9 seq 1 type h type b\n":       none,
		`file "a" seq '1' type "b"` + "\n":                none,
		`file "\x61" seq 1 type b` + "\n":                 none,
		`file "a b\n\r\t\b\a\"\q" seq 1 type b` + "\n":    with(func(e *ManifestEntry) { e.Name = "a b\n\r\t\b\a\"q" }),
		`file a seq 1 type b k "\\"` + "\n":               with(func(e *ManifestEntry) { e.Extra = [][2]string{{"k", `\`}} }),
		`file 'it\'s "x"' seq 1 type b k '\n'` + "\n":     with(func(e *ManifestEntry) { e.Name, e.Extra = `it's "x"`, [][2]string{{"k", `\n`}} }),
		`file a"b c" seq 1 type b` + "\n":                 with(func(e *ManifestEntry) { e.Name = "ab c" }),
		`file "" seq 1 type b` + "\n":                     with(func(e *ManifestEntry) { e.Name = "" }),
		"file a seq 99999999999999999999 type b\n":        with(func(e *ManifestEntry) { e.Seq = 1<<63 - 1 }),
		"file a seq 1 type b startoffset 5 endoffset 8\n": with(func(e *ManifestEntry) { e.StartOffset, e.EndOffset = 5, 8 }),
		"file a seq 1 type b endoffset x k v\n":           with(func(e *ManifestEntry) { e.EndOffset, e.Extra = 0, [][2]string{{"k", "v"}} }),
	} {
		m, err := ReadManifest(strings.NewReader(in))
		if err != nil || len(m.Entries) != 1 || !reflect.DeepEqual(m.Entries[0], want) {
			t.Errorf("%q: %+v, %v, want %+v", in, m.Entries, err, want)
		}
	}
	for _, in := range []string{`file `, `file "a`, `file 'a`, `file "a"b`, `file 'a'b`, `file "a\`, `file "a\x4`} {
		if words, ok := splitArgs(in + " seq"); ok && strings.Contains(in, "a") {
			t.Errorf("%q: %q", in, words)
		}
	}
}

// TestManifestOfServers writes every manifest of the corpus as its server did.
func TestManifestOfServers(t *testing.T) {
	n := 0
	err := filepath.WalkDir(corpus.Path(t, "aof"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".manifest") {
			return err
		}
		in, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		m, err := ReadManifest(bytes.NewReader(in))
		if err != nil {
			t.Errorf("%s: %v", p, err)
			return nil
		}
		if out, err := m.AppendText(nil); err != nil || !bytes.Equal(out, in) {
			t.Errorf("%s: written as %q, %v, was %q", p, out, err, in)
		}
		n++
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d manifests, %v", n, err)
	}
}

// TestManifestRoundTrip writes random manifests and reads them.
func TestManifestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	word := func() string {
		b := make([]byte, rng.IntN(12))
		for i := range b {
			b[i] = byte(1 + rng.IntN(255))
			if rng.IntN(2) == 0 {
				b[i] = "ab \"'\\\n\t\a"[rng.IntN(9)]
			}
		}
		return string(b)
	}
	name := func() string { return strings.NewReplacer("/", "", `\`, "").Replace(word()) }
	for range 2000 {
		m := &Manifest{Comments: []string{"# made up"}}
		e := ManifestEntry{Name: name(), Seq: 1 + rng.Int64N(9), Type: Base, StartOffset: NoOffset, EndOffset: NoOffset}
		m.Entries = append(m.Entries, e)
		seq := int64(0)
		for range rng.IntN(5) {
			seq += 1 + rng.Int64N(3)
			e := ManifestEntry{Name: name(), Seq: seq, Type: Incr, StartOffset: rng.Int64N(100) - 1, EndOffset: rng.Int64N(100) - 1}
			if rng.IntN(3) == 0 {
				e.Extra = [][2]string{{"x" + word(), word()}}
			}
			m.Entries = append(m.Entries, e)
		}
		text, err := m.AppendText(nil)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		back, err := ReadManifest(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for i := range back.Entries {
			back.Entries[i].Line = 0
		}
		if !reflect.DeepEqual(back, m) {
			t.Fatalf("%q: %+v, want %+v", text, back, m)
		}
	}
	bad := &Manifest{Entries: []ManifestEntry{{Name: "a\x00b", Seq: 1, Type: Base, StartOffset: NoOffset, EndOffset: NoOffset}}}
	if _, err := bad.AppendText(nil); err == nil {
		t.Error("a name with NUL was written")
	}
}
