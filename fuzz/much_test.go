package fuzz_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// small is a file of the given keys, as servers with a limit on memory write them: idle times or counters, expiries, counts, few bytes a key; a third of the names are the same in each
// database.
func small(t testing.TB, seed int64, target rdb.Target) []byte {
	t.Helper()
	r := rand.New(rand.NewSource(seed))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, target, rdb.WriterOptions{})
	keys, expires, idle, freq := 10+r.Intn(60), r.Intn(3), r.Intn(3) == 0, r.Intn(3) == 0
	for db := range uint64(1 + r.Intn(4)) {
		var entries []*rdb.Entry
		expiring := 0
		for i := range keys {
			e := rdb.NewEntry(db, fmt.Appendf(nil, "p:%d", i+int(db)*keys*2/3))
			if expires > 0 && r.Intn(4) < expires*2 {
				e.ExpireAt = 1_700_000_000_000 + r.Int63n(1e11)
				expiring++
			}
			switch {
			case idle:
				e.Idle = r.Int63n(1000)
			case freq:
				e.Freq = r.Intn(256)
			}
			entries = append(entries, e)
		}
		require.NoError(t, w.SelectDB(db))
		require.NoError(t, w.ResizeDB(uint64(keys), uint64(expiring)))
		for _, e := range entries {
			require.NoError(t, w.WriteEntry(e, smallValue(r, target)))
		}
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func smallValue(r *rand.Rand, target rdb.Target) rdb.Value {
	word := func() []byte {
		return fmt.Append(nil, []string{"alpha", "beta", "cart", "info", ""}[r.Intn(5)], r.Intn(100))
	}
	switch r.Intn(12) {
	case 0:
		l := rdb.List{}
		for range 1 + r.Intn(30) {
			l = append(l, word())
		}
		return l
	case 1:
		h := rdb.Hash{}
		for i := range 1 + r.Intn(40) {
			f := rdb.HashField{Name: fmt.Append(nil, "f", i), Value: word(), ExpireAt: rdb.NoExpire}
			if (target == rdb.Version12 || target == rdb.Version80) && r.Intn(3) == 0 {
				f.ExpireAt = 1_900_000_000_000 + r.Int63n(1e6)
			}
			h = append(h, f)
		}
		return h
	case 2:
		z := rdb.SortedSet{}
		for i := range 1 + r.Intn(40) {
			z = append(z, rdb.ScoredMember{Member: fmt.Append(nil, "m", i), Score: float64(r.Intn(1000)) / 4})
		}
		return z
	case 3:
		s := rdb.Set{}
		for i := range 1 + r.Intn(200) {
			s = append(s, fmt.Append(nil, i*7))
		}
		return s
	case 4:
		b := make([]byte, r.Intn(700))
		r.Read(b)
		return rdb.String(b)
	case 5:
		return rdb.String(bytes.Repeat(word(), 1+r.Intn(60)))
	}
	return rdb.String(bytes.Join([][]byte{word(), word()}, []byte(" ")))
}

// damageMuch damages a file as disks, memory and people do, up to a dozen times; other is another file, of which parts get into it.
func damageMuch(r *rand.Rand, b, other []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.Intn(1+r.Intn(12)) {
		if len(b) < 20 {
			break
		}
		at, block := r.Intn(len(b)), 32<<r.Intn(5)
		if r.Intn(5) == 0 {
			at = r.Intn(min(len(b), 200))
		}
		begin := at / block * block
		end := min(len(b), begin+block)
		noise := func(n int) []byte {
			p := make([]byte, n)
			r.Read(p)
			return p
		}
		put := func(i, j int, p []byte) { b = append(append(b[:i:i], p...), b[min(j, len(b)):]...) }
		over := func(i int, p []byte) { copy(b[i:], p) }
		switch r.Intn(15) {
		case 0:
			b[at] ^= 1 << r.Intn(8)
		case 1:
			over(at, noise(1+r.Intn(3)))
		case 2:
			put(at, at+1, nil)
		case 3:
			put(at, at, noise(1))
		case 4:
			clear(b[begin:end])
		case 5:
			clear(b[at:min(len(b), at+4+r.Intn(500))])
		case 6:
			put(begin, end, nil)
		case 7:
			put(at, at+r.Intn(300), nil)
		case 8:
			if n := len(b) / block; n > 1 {
				i, j := r.Intn(n)*block, r.Intn(n)*block
				p := bytes.Clone(b[i : i+block])
				over(i, b[j:j+block])
				over(j, p)
			}
		case 9:
			over(at, noise(4+r.Intn(1000)))
		case 10:
			over(at, bytes.Repeat([]byte{0xFF}, 4+r.Intn(20)))
		case 11:
			put(begin, begin, bytes.Clone(b[begin:end]))
		case 12:
			put(at, at, noise(r.Intn(300)))
		case 13:
			if i := r.Intn(len(other)); r.Intn(2) == 0 {
				over(begin, other[i:min(len(other), i+block)])
			} else if r.Intn(3) == 0 {
				put(at, len(b), other[i:])
			}
		case 14:
			if r.Intn(4) == 0 {
				b = append(b, other...)
			} else if at+2 < len(b) {
				b[at], b[at+1] = b[at+1], b[at]
			}
		}
	}
	return b
}

// TestSalvageOfMuchDamage: whatever has happened to a file, what is written is what the account says, and sound.
func TestSalvageOfMuchDamage(t *testing.T) {
	n, targets := int64(300), rdb.Targets()
	switch {
	case os.Getenv("KVFSCK_BIG") == "1":
		n = 2000
	case testing.Short():
		n = 100
	}
	for seed := range n {
		r := rand.New(rand.NewSource(seed))
		target := targets[r.Intn(len(targets))]
		b := damageMuch(r, small(t, seed, target), small(t, seed+1, target))
		checkSalvage(t, b, fuzz.Mutation{Kind: fmt.Sprintf("much, of seed %d", seed)})
	}
}
