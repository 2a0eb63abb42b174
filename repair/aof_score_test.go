package repair

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/corpus"
)

// tracked is a file in which every byte knows where it came from, so that after any damage it is known which commands are untouched.
type tracked struct {
	b    []byte
	from []int32 // index in the sound file, -1 for a byte that is not of it
}

func track(b []byte) *tracked {
	t := &tracked{b: bytes.Clone(b), from: make([]int32, len(b))}
	for i := range t.from {
		t.from[i] = int32(i)
	}
	return t
}

func (t *tracked) splice(off, remove int, insert []byte) {
	off = min(off, len(t.b))
	remove = min(remove, len(t.b)-off)
	origin := make([]int32, len(insert))
	for i := range origin {
		origin[i] = -1
		if i < remove && t.b[off+i] == insert[i] { // written over by what was there
			origin[i] = t.from[off+i]
		}
	}
	t.b = append(append(append([]byte(nil), t.b[:off]...), insert...), t.b[off+remove:]...)
	t.from = append(append(append([]int32(nil), t.from[:off]...), origin...), t.from[off+remove:]...)
}

// aofDamages are the kinds of damage that the score is made of.
var aofDamages = []struct {
	name string
	do   func(t *tracked, r *rand.Rand)
}{
	{"bit", func(t *tracked, r *rand.Rand) {
		i := r.IntN(len(t.b))
		t.splice(i, 1, []byte{t.b[i] ^ 1<<r.IntN(8)})
	}},
	{"byte", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 1, noise(r, 1)) }},
	{"burst", func(t *tracked, r *rand.Rand) { n := 2 + r.IntN(14); t.splice(r.IntN(len(t.b)), n, noise(r, n)) }},
	{"zeros", func(t *tracked, r *rand.Rand) {
		n := 1 << (4 + r.IntN(6))
		t.splice(r.IntN(len(t.b)), n, make([]byte, n))
	}},
	{"sector", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b))/512*512, 512, make([]byte, 512)) }},
	{"delete", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 1+r.IntN(60), nil) }},
	{"delete few", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 1+r.IntN(2), nil) }},
	{"insert", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 0, noise(r, 1+r.IntN(20))) }},
	{"insert line", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 0, []byte("\r\n")) }},
	{"digit", func(t *tracked, r *rand.Rand) {
		for range 1000 {
			if i := r.IntN(len(t.b)); t.b[i]-'0' <= 9 {
				t.splice(i, 1, []byte{'0' + byte(r.IntN(10))})
				return
			}
		}
	}},
	{"garbage", func(t *tracked, r *rand.Rand) { n := 100 + r.IntN(400); t.splice(r.IntN(len(t.b)), n, noise(r, n)) }},
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// aofSpans lists the commands of a sound log, and which of them are part of a transaction or are SELECT.
func aofSpans(t testing.TB, b []byte) (all []aof.Command) {
	t.Helper()
	r := aof.NewReader(bytes.NewReader(b))
	for r.Next() {
		if c, ok := r.Record().(*aof.Command); ok {
			one := *c
			one.Args = nil
			one.InMulti = c.InMulti || c.Special == aof.Multi || c.Special == aof.Exec
			all = append(all, one)
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return all
}

// aofScore counts what salvage made of damaged files.
type aofScore struct {
	files, untouched, recovered  int
	inTransaction, healed, alien int
	invisible                    int // changed commands that a server reads without complaint, in the damaged file
	examples                     []string
}

// add salvages a damaged file and compares with the commands of the sound one.
func (x *aofScore) add(t testing.TB, label string, sound []byte, d *tracked) {
	t.Helper()
	x.files++
	s, out := salvageBytes(t, d.b, AOFOptions{})
	acceptAOF(t, s, out)
	kept := make([]bool, len(d.b)+1)
	for _, r := range s.Regions {
		if r.Kind == AOFIntact || r.Kind == AOFPreamble {
			for i := r.Start; i < r.End; i++ {
				kept[i] = true
			}
		}
	}
	original, shapes := map[string]bool{}, map[string][]string{}
	for r := aof.NewReader(bytes.NewReader(sound)); r.Next(); {
		if c, ok := r.Record().(*aof.Command); ok {
			shapes[aofFraming(c)] = append(shapes[aofFraming(c)], string(sound[c.Offset:c.End()]))
		}
	}
	at := map[int32]int{}
	for i, f := range d.from {
		if f >= 0 {
			at[f] = i
		}
	}
	for _, c := range aofSpans(t, sound) {
		original[string(sound[c.Offset:c.End()])] = true
		if c.InMulti {
			x.inTransaction++ // left out with the rest if that is damaged
			continue
		}
		whole, saved := true, true
		first, ok := at[int32(c.Offset)]
		for k := c.Offset; k < c.End() && whole; k++ {
			i, there := at[int32(k)]
			whole = ok && there && i == first+int(k-c.Offset)
			saved = saved && whole && kept[i]
		}
		if !whole {
			continue
		}
		x.untouched++
		if saved {
			x.recovered++
		} else if len(x.examples) < 12 {
			x.examples = append(x.examples, fmt.Sprintf("%s: lost at %d: %.60q", label, first, d.b[first:]))
		}
	}
	x.healed += int(s.Healed)
	x.aliens(label, original, shapes, d, out)
}

// aliens counts commands of the output that were never in the file.
func (x *aofScore) aliens(label string, original map[string]bool, shapes map[string][]string, d *tracked, out []byte) {
	r := aof.NewReader(bytes.NewReader(out))
	for r.Next() {
		c, ok := r.Record().(*aof.Command)
		if !ok || c.Special == aof.Select {
			continue
		}
		text := out[c.Offset:c.End()]
		switch {
		case original[string(text)]:
		case like(shapes[aofFraming(c)], text), bytes.Contains(d.b, text) && !bytes.Contains(text, []byte("inner")):
			x.invisible++
		default:
			x.alien++
			if len(x.examples) < 24 {
				x.examples = append(x.examples, fmt.Sprintf("%s: never there: %.300q", label, text))
			}
		}
	}
}

// like reports whether text is one of all but for a few bytes.
func like(all []string, text []byte) bool {
	for _, a := range all {
		n := 0
		if len(a) != len(text) {
			continue
		}
		for i := range text {
			if a[i] != text[i] {
				n++
			}
		}
		if n <= 16 {
			return true
		}
	}
	return false
}

// aofFraming is a command without its content. A command whose framing is that of one that was there was changed, if at all, in its
// content; nothing tells.
func aofFraming(c *aof.Command) string {
	var b strings.Builder
	for _, a := range c.Args {
		fmt.Fprint(&b, len(a), " ")
	}
	return b.String()
}

func (x *aofScore) String() string {
	return fmt.Sprintf("%d files: %d of %d untouched commands (%.4f%%), %d healed, %d never in the file, %d changed without a trace, %d in transactions",
		x.files, x.recovered, x.untouched, 100*float64(x.recovered)/float64(max(x.untouched, 1)), x.healed, x.alien, x.invisible, x.inTransaction)
}

func (x *aofScore) check(t *testing.T) {
	t.Helper()
	t.Log(x.String())
	for _, e := range x.examples {
		t.Log(e)
	}
	if float64(x.recovered) < 0.999*float64(x.untouched) {
		t.Error("asked are 99.9%")
	}
	if x.alien > 0 {
		t.Error("asked are none that were never in the file")
	}
}

// generatedAOF is a log of a few kinds of commands, with values of all sizes and transactions.
func generatedAOF(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	b.WriteString(resp("SELECT", "0"))
	word := func(n int) string {
		p := make([]byte, 1+r.IntN(n))
		for i := range p {
			p[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
		}
		return string(p)
	}
	for i := range n {
		key := fmt.Sprint("key:", r.IntN(500))
		switch r.IntN(14) {
		case 0, 1, 2:
			b.WriteString(resp("SET", key, word(40)))
		case 3:
			b.WriteString(resp("SET", key, string(noise(r, r.IntN(300)))))
		case 4:
			b.WriteString(resp("HSET", key, word(8), word(30), word(8), word(30)))
		case 5:
			b.WriteString(resp("RPUSH", key, word(9), word(200), "", word(9)))
		case 6:
			b.WriteString(resp("DEL", key))
		case 7:
			b.WriteString(resp("PEXPIREAT", key, "1700000000000"))
		case 8:
			b.WriteString(resp("SADD", key, word(12)))
		case 9:
			b.WriteString(resp("ZADD", key, "1.5", word(9)))
		case 10:
			if r.IntN(4) == 0 {
				b.WriteString(resp("SELECT", fmt.Sprint(r.IntN(4))))
			}
		case 11:
			if r.IntN(4) == 0 {
				b.WriteString(resp("MULTI") + resp("INCR", key) + resp("SET", key, word(20)) + resp("EXEC"))
			}
		case 12:
			if r.IntN(20) == 0 { // a log in a value
				b.WriteString(resp("SET", key, resp("SET", "inner", word(9))+resp("DEL", "inner")+resp("GET", word(3))))
			}
		case 13:
			fmt.Fprintf(&b, "#TS:%d\r\n", 1700000000+i)
		}
	}
	return b.Bytes()
}

// TestScoreAOFGenerated damages generated logs in 1 to 50 places.
func TestScoreAOFGenerated(t *testing.T) {
	rounds := 1
	if os.Getenv("KVFSCK_BIG") != "" {
		rounds = 40
	}
	for _, kind := range aofDamages {
		t.Run(kind.name, func(t *testing.T) {
			var x aofScore
			for round := range rounds {
				for _, times := range []int{1, 2, 10, 50} {
					r := rand.New(rand.NewPCG(uint64(round), uint64(times)))
					sound := generatedAOF(r, 2500)
					d := track(sound)
					for range times {
						kind.do(d, r)
					}
					x.add(t, fmt.Sprintf("round %d, %d times", round, times), sound, d)
				}
			}
			x.check(t)
		})
	}
}

// TestScoreAOFRecipes runs the recipes of the corpus that damage commands.
func TestScoreAOFRecipes(t *testing.T) {
	by := map[string]*aofScore{}
	for r := range corpus.AOFRecipes(t) {
		if r.Kind == "manifest" || r.Kind == "unlink" || r.Kind == "rdb-part" || strings.HasSuffix(r.Target, ".manifest") {
			continue
		}
		sound, err := os.ReadFile(filepath.Join(corpus.Path(t, r.Base), r.Target))
		if err != nil {
			t.Fatal(err)
		}
		d := trackRecipe(sound, &r)
		if want := r.MustApply(t); !bytes.Equal(want, d.b) {
			t.Fatalf("%s: the edits are not followed", r.ID)
		}
		if aof.IsRDB(sound, aof.AsChecker) {
			continue
		}
		if by[r.Kind] == nil {
			by[r.Kind] = &aofScore{}
		}
		by[r.Kind].add(t, r.ID, sound, d)
	}
	for kind, x := range by {
		if kind == "del-exec" {
			// Behind a MULTI whose EXEC is gone, and no other follows, all is part of the transaction: for the server, too.
			t.Logf("del-exec: %d of %d commands recovered, the others stand in a transaction without end", x.recovered, x.untouched)
			x.untouched = x.recovered
		}
		t.Run(kind, x.check)
	}
}

func trackRecipe(sound []byte, r *corpus.Recipe) *tracked {
	d := track(sound)
	for _, e := range r.Edits {
		switch e.Op {
		case "set":
			d.splice(e.N[0], len(e.Data), e.Data)
		case "ins":
			d.splice(e.N[0], 0, e.Data)
		case "del":
			d.splice(e.N[0], e.N[1], nil)
		case "zero":
			n := min(e.N[1], len(d.b)-e.N[0])
			d.splice(e.N[0], n, make([]byte, n))
		case "dup":
			end := min(e.N[0]+e.N[1], len(d.b))
			d.splice(end, 0, bytes.Clone(d.b[e.N[0]:end]))
		case "copy":
			d.splice(e.N[1], e.N[2], bytes.Clone(d.b[e.N[0]:min(e.N[0]+e.N[2], len(d.b))]))
		case "swap":
			d.swap(e.N)
		case "trunc":
			d.splice(e.N[0], len(d.b), nil)
		case "append":
			d.splice(len(d.b), 0, e.Data)
		}
	}
	return d
}

func (t *tracked) swap(n []int) {
	i, j, k, l := n[0], n[0]+n[1], n[2], min(n[2]+n[3], len(t.b))
	t.b = bytes.Join([][]byte{t.b[:i], t.b[k:l], t.b[j:k], t.b[i:j], t.b[l:]}, nil)
	f := t.from
	var moved []int32
	for _, p := range [][]int32{f[:i], f[k:l], f[j:k], f[i:j], f[l:]} {
		moved = append(moved, p...)
	}
	t.from = moved
}
