package aof

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/kvfsck/kvfsck/rdb"
)

// FuzzReader reads any bytes in both strictnesses, whole and in pieces, keeping arguments and skimming, and demands the same of all.
func FuzzReader(f *testing.F) {
	for _, content := range loaderFiles() {
		f.Add([]byte(content), uint64(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		for _, s := range []Strictness{AsServer, AsChecker} {
			rng := rand.New(rand.NewPCG(seed, 0))
			opt := ReaderOptions{Strictness: s, Window: 4 << 10, RDB: rdb.ReaderOptions{Window: 4 << 10}}
			want := trace(bytes.NewReader(in), opt)
			opt.Window = 16 + rng.IntN(100)
			if got := trace(&smallChunks{in, rng}, opt); got != want {
				t.Fatalf("%s: in pieces: %s", s, firstDifference(got, want))
			}
			skim := opt
			skim.Skim = true
			whole, skimmed := outline(bytes.NewReader(in), opt), outline(&smallChunks{in, rng}, skim)
			if whole != skimmed {
				t.Fatalf("%s: skimming: %s", s, firstDifference(skimmed, whole))
			}
		}
		agreeWhereCanonical(t, in)
		rewriteTwice(t, in)
	})
}

// smallChunks returns from 1 to 9 bytes at a time.
type smallChunks struct {
	b   []byte
	rng *rand.Rand
}

func (r *smallChunks) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1+r.rng.IntN(9))], r.b)
	r.b = r.b[n:]
	return n, nil
}

// outline is trace without arguments.
func outline(src io.Reader, opt ReaderOptions) string {
	var b strings.Builder
	for line := range strings.Lines(trace(src, opt)) {
		if i := strings.Index(line, " argc "); i >= 0 {
			line = line[:i] + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// agreeWhereCanonical: what a reader calls canonical both strictnesses read the same.
func agreeWhereCanonical(t *testing.T, in []byte) {
	small := ReaderOptions{Window: 1 << 10, RDB: rdb.ReaderOptions{Window: 4 << 10}}
	r := NewReaderOptions(bytes.NewReader(in), small)
	for r.Next() {
	}
	if r.Err() != nil || !r.Canonical() {
		return
	}
	want := trace(bytes.NewReader(in), small)
	small.Strictness = AsChecker
	got := trace(bytes.NewReader(in), small)
	if got != want {
		t.Fatalf("canonical, but the checker differs: %s", firstDifference(got, want))
	}
}

// rewriteTwice: what a file means survives writing, and what was written comes out as it is.
func rewriteTwice(t *testing.T, in []byte) {
	once, ok := rewritten(in)
	if !ok {
		return
	}
	twice, ok := rewritten(once)
	if !ok || !bytes.Equal(once, twice) {
		t.Fatalf("written %q, then %q", once, twice)
	}
}

func rewritten(in []byte) (out []byte, ok bool) {
	var b bytes.Buffer
	w := NewWriter(&b)
	r := NewReaderOptions(bytes.NewReader(in), ReaderOptions{Window: 1 << 10})
	for r.Next() {
		if _, isRDB := r.Record().(*Preamble); isRDB || w.Record(r.Record()) != nil {
			return nil, false
		}
	}
	return b.Bytes(), r.Err() == nil && w.Flush() == nil
}

// FuzzManifest reads any bytes as a manifest; what can be read can be written and read again.
func FuzzManifest(f *testing.F) {
	for _, s := range []string{oneOfEach, "# x\n", `file "a \x00\"" seq 1 type b k 'v'` + "\n", "file a seq -1 type h startoffset 5 endoffset\n", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := ReadManifest(bytes.NewReader(in))
		if err != nil {
			var me *ManifestError
			if !errors.As(err, &me) || me.Message() == "" {
				t.Fatal(err)
			}
			return
		}
		text, err := m.AppendText(nil)
		if err != nil {
			return // a line can be too long once it is quoted, and a key can have a NUL
		}
		again, err := ReadManifest(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := again.AppendText(nil); err != nil || !bytes.Equal(back, text) {
			t.Fatalf("%q, then %q, %v", text, back, err)
		}
	})
}

// FuzzSet checks a whole directory, given as a txtar archive.
func FuzzSet(f *testing.F) {
	archive := func(pairs ...string) []byte {
		a := &txtar.Archive{}
		for i := 0; i < len(pairs); i += 2 {
			a.Files = append(a.Files, txtar.File{Name: pairs[i], Data: []byte(pairs[i+1])})
		}
		return txtar.Format(a)
	}
	f.Add(archive(dirManifest, oneOfEach, dirBase, pRDB("REDIS0011"), dirIncr, pSel+pSet("a")))
	f.Add(archive(dirManifest, oneOfEach, dirBase, pSel, "appendonlydir/appendonly.aof.2.base.rdb", "x", "dump.rdb", ""))
	f.Add(archive("appendonly.aof", pSel+pMulti+pSet("a")))
	f.Add(archive(dirManifest, "file appendonly.aof seq 1 type b\n", "appendonly.aof", pSel+"*1\r\n$5\r\nBOGUS\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		files := fstest.MapFS{}
		for _, x := range txtar.Parse(in).Files {
			files[x.Name] = &fstest.MapFile{Data: x.Data}
		}
		s, err := Discover(files, DiscoverOptions{})
		if s == nil {
			return
		}
		rep, cerr := s.Check(context.Background(), CheckOptions{})
		if cerr != nil {
			t.Fatal(cerr)
		}
		for i := range rep.Findings {
			_ = rep.Findings[i].String()
		}
		for _, v := range rep.Verdicts {
			if v.Lost < 0 || v.String() == "" {
				t.Fatalf("%+v", v)
			}
		}
		r := s.Replay(ReplayOptions{LoadTruncated: true})
		defer r.Close()
		for r.Next() {
		}
		if v := rep.Verdict(Redis86, true); err == nil && v.Outcome == Loads && r.Err() != nil && !foreignOrLax(rep) {
			t.Fatalf("%s, but the replay says %v", v, r.Err())
		}
	})
}

// foreignOrLax: package rdb refuses some RDB parts that a server of the other family, or a looser one, loads.
func foreignOrLax(rep *Report) bool {
	for i := range rep.Files {
		if rep.Files[i].RDB != nil {
			return true
		}
	}
	return false
}
