package repair

import (
	"bytes"
	"math/rand/v2"

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

// swap puts two pieces, [n0, n0+n1) and [n2, n2+n3), in each other's place.
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

// become replaces the bytes by those that somebody else has damaged. Where the size has changed, what is between the common beginning
// and the common end counts as touched.
func (t *tracked) become(b []byte) {
	if len(b) == len(t.b) {
		for i := range b {
			if b[i] != t.b[i] {
				t.from[i] = -1
			}
		}
		t.b = bytes.Clone(b)
		return
	}
	short := min(len(b), len(t.b))
	head := 0
	for head < short && b[head] == t.b[head] {
		head++
	}
	tail := 0
	for tail < short-head && b[len(b)-1-tail] == t.b[len(t.b)-1-tail] {
		tail++
	}
	from := make([]int32, len(b))
	for i := range from {
		switch {
		case i < head:
			from[i] = t.from[i]
		case i >= len(b)-tail:
			from[i] = t.from[i+len(t.b)-len(b)]
		default:
			from[i] = -1
		}
	}
	t.b, t.from = bytes.Clone(b), from
}

// recipe follows a recipe of the corpus.
func (t *tracked) recipe(r *corpus.Recipe) {
	for _, e := range r.Edits {
		switch e.Op {
		case "set":
			t.splice(e.N[0], len(e.Data), e.Data)
		case "ins":
			t.splice(e.N[0], 0, e.Data)
		case "del":
			t.splice(e.N[0], e.N[1], nil)
		case "zero":
			n := min(e.N[1], len(t.b)-e.N[0])
			t.splice(e.N[0], n, make([]byte, n))
		case "dup":
			end := min(e.N[0]+e.N[1], len(t.b))
			t.splice(end, 0, bytes.Clone(t.b[e.N[0]:end]))
		case "copy":
			t.splice(e.N[1], e.N[2], bytes.Clone(t.b[e.N[0]:min(e.N[0]+e.N[2], len(t.b))]))
		case "swap":
			t.swap(e.N)
		case "trunc":
			t.splice(e.N[0], len(t.b), nil)
		case "append":
			t.splice(len(t.b), 0, e.Data)
		}
	}
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
	{"block 512", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b))/512*512, 512, make([]byte, 512)) }},
	{"block 4096", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b))/4096*4096, 4096, make([]byte, 4096)) }},
	{"missing 512", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b))/512*512, 512, nil) }},
	{"missing 4096", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b))/4096*4096, 4096, nil) }},
	{"swapped 512", func(t *tracked, r *rand.Rand) {
		i, j := r.IntN(len(t.b)/512), r.IntN(len(t.b)/512)
		if i != j {
			t.swap([]int{512 * min(i, j), 512, 512 * max(i, j), 512})
		}
	}},
	{"delete", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 1+r.IntN(60), nil) }},
	{"delete few", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 1+r.IntN(2), nil) }},
	{"insert", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 0, noise(r, 1+r.IntN(20))) }},
	{"insert line", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 0, []byte("\r\n")) }},
	{"insert zeros", func(t *tracked, r *rand.Rand) { t.splice(r.IntN(len(t.b)), 0, make([]byte, 1+r.IntN(600))) }},
	{"digit", func(t *tracked, r *rand.Rand) {
		for range 1000 {
			if i := r.IntN(len(t.b)); t.b[i]-'0' <= 9 {
				t.splice(i, 1, []byte{'0' + byte(r.IntN(10))})
				return
			}
		}
	}},
	{"garbage", func(t *tracked, r *rand.Rand) { n := 100 + r.IntN(400); t.splice(r.IntN(len(t.b)), n, noise(r, n)) }},
	{"foreign block", func(t *tracked, r *rand.Rand) {
		b := foreignBlocks[r.IntN(len(foreignBlocks))]
		n := min(512, len(b))
		t.splice(r.IntN(len(t.b))/512*512, n, b[:n])
	}},
	{"repeated", func(t *tracked, r *rand.Rand) {
		i := r.IntN(len(t.b))
		j := min(i+1+r.IntN(600), len(t.b))
		t.splice(j, 0, bytes.Clone(t.b[i:j]))
	}},
	{"zero tail", func(t *tracked, r *rand.Rand) { t.splice(len(t.b), 0, make([]byte, 1+r.IntN(5000))) }},
	{"torn tail", func(t *tracked, r *rand.Rand) { n := 1 + r.IntN(300); t.splice(max(0, len(t.b)-n), n, nil) }},
	{"zeroed tail", func(t *tracked, r *rand.Rand) {
		n := min(len(t.b), 1+r.IntN(5000))
		t.splice(len(t.b)-n, n, make([]byte, n))
	}},
	{"any", nil}, // one after the other of all others: see anyDamage
}

func init() {
	last := len(aofDamages) - 1
	others := aofDamages[:last]
	aofDamages[last].do = func(t *tracked, r *rand.Rand) { others[r.IntN(len(others)-3)].do(t, r) }
}

// foreignBlocks are what a confused disk puts in the place of a block.
var foreignBlocks = [][]byte{
	bytes.Repeat([]byte("2024-01-01 12:00:00 host daemon[1]: a line of a log\n"), 10),
	append([]byte("REDIS0011\xfa\tredis-ver\x057.2.0\xfe\x00\xfb\x01\x00\x00\x03foo\x03bar\xff"), make([]byte, 480)...),
	bytes.Repeat([]byte{0xff}, 512),
	bytes.Repeat([]byte("{\"key\": [1, 2, 3]}, "), 30),
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
