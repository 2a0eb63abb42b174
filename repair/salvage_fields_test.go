package repair

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// withFields is strings and hashes, of which every third field expires, at most so many milliseconds behind the first of its hash.
func withFields(t *testing.T, keys, hashes, fields int, within int64) *original {
	t.Helper()
	r := rand.New(rand.NewSource(within))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version12, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(uint64(keys+hashes), 0))
	for i := range keys {
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "user:%d", i)), rdb.String(fmt.Sprintf("value of user number %d, whatever it be", i))))
		if hashes == 0 || i%(keys/hashes) != keys/hashes-1 {
			continue
		}
		h := rdb.Hash{}
		for k := range fields {
			f := rdb.HashField{Name: fmt.Appendf(nil, "token-%d", k), Value: fmt.Appendf(nil, "session data of token %d, abcdefghij klmnop qrstuv %x", k, r.Int63()), ExpireAt: rdb.NoExpire}
			if r.Intn(3) == 0 {
				f.ExpireAt = 4_000_000_000_000
				if within > 0 {
					f.ExpireAt += r.Int63n(within)
				}
			}
			h = append(h, f)
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "hash:%d", i)), h))
	}
	require.NoError(t, w.Close())
	return newOriginal(t, "fields", b.Bytes())
}

// TestSalvageFieldsThatExpireTogether: fields of a hash whose beginning is lost are no keys, however near to each other they expire.
func TestSalvageFieldsThatExpireTogether(t *testing.T) {
	t.Parallel()
	step := int64(400) // for each hash
	switch {
	case big():
		step = 140
	case testing.Short():
		step = 2000
	}
	for _, c := range []struct {
		keys, hashes int
		within       int64
	}{{200, 1, 0}, {200, 1, 40}, {200, 1, 9000}, {200, 1, 86_400_000}, {150, 20, 0}, {150, 20, 40}, {150, 20, 9000}, {150, 20, 86_400_000}} {
		if testing.Short() && c.within > 40 {
			continue
		}
		o := withFields(t, c.keys, c.hashes, 150, c.within)
		var all score
		for _, k := range o.keys {
			if !bytes.HasPrefix([]byte(k.key), []byte("hash")) {
				continue
			}
			for at := k.start + 600; at < k.end; at += step * int64(4+c.hashes) {
				d := newDamaged(o, fmt.Sprintf("zeros at %d", at))
				d.splice(int(at), min(int(at+512), len(o.bytes)-9), make([]byte, min(512, len(o.bytes)-9-int(at))))
				sc, _ := rate(t, d)
				all.add(&sc)
				all.lost, all.bad = append(all.lost, sc.lost...), append(all.bad, sc.bad...)
			}
		}
		t.Logf("%+v: %s", c, all.String())
		require.Empty(t, all.bad, "%+v", c)
		require.GreaterOrEqual(t, float64(all.found), 0.985*float64(all.untouched), "%+v: %v", c, all.lost)
	}
}

// TestSalvageTimesNoTypes: the time of a field that reads as a type of old servers, with a value that reads as so many elements, is none, and takes nothing with it.
func TestSalvageTimesNoTypes(t *testing.T) {
	words := strings.Fields("order session user alpha beta gamma delta product email price cart zeta theta lambda")
	r := rand.New(rand.NewSource(5))
	text := func(most int) []byte {
		var v []string
		for range 1 + r.Intn(most) {
			v = append(v, words[r.Intn(len(words))])
		}
		return []byte(strings.Join(v, " "))
	}
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version12, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(170, 0))
	for i, k := range r.Perm(170) {
		if i > 2 && k < 150 {
			require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "user:%d", k)), rdb.String(text(20))))
			continue
		}
		h := rdb.Hash{}
		for _, n := range r.Perm(150) {
			f := rdb.HashField{Name: fmt.Appendf(nil, "f%d", n), Value: text(12), ExpireAt: rdb.NoExpire}
			if r.Intn(10) < 3 {
				f.ExpireAt = 4_000_000_000_000
			}
			h = append(h, f)
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "hash:%d", k)), h))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "words", b.Bytes())
	var all score
	step := 4096
	if testing.Short() {
		step *= 3
	}
	for at := 1024; at < len(o.bytes)-600; at += step {
		d := newDamaged(o, fmt.Sprintf("zeros at %d", at))
		d.splice(at, at+512, make([]byte, 512))
		sc, _ := rate(t, d)
		all.add(&sc)
		all.bad = append(all.bad, sc.bad...)
	}
	t.Log(all.String())
	require.GreaterOrEqual(t, float64(all.found), 0.99*float64(all.untouched))
	require.LessOrEqual(t, len(all.bad), 30, "%v", all.bad) // the last fields behind the last time, of a hash whose head and other times are lost; there were 6281
}

// TestSalvageHashBehindElements: a small hash whose fields expire is told by the first of their times, though its name is a number, and its last field is none however near the others expire.
func TestSalvageHashBehindElements(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version12, rdb.WriterOptions{Limits: &rdb.Limits{}})
	require.NoError(t, w.SelectDB(0))
	for i := range 160 {
		name := fmt.Appendf(nil, "%c%d", "xqs"[i%3], i)
		if i%4 == 0 {
			r.Read(name)
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, name), rdb.String(fmt.Sprint("a value of some user ", i))))
		if i%20 != 19 {
			continue
		}
		var z rdb.SortedSet
		for k := range 30 {
			z = append(z, rdb.ScoredMember{Member: fmt.Append(nil, "m", k), Score: float64(40*i - k)})
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "queue:%d", i)), z))
		h := rdb.Hash{}
		for k, after := range []int64{900_000, 0, 8_000_000, -1} { // the last is behind a late one, and that behind the first to expire
			f := rdb.HashField{Name: fmt.Appendf(nil, "f%d", k), Value: fmt.Append(nil, "value of a field ", k), ExpireAt: rdb.NoExpire}
			if k >= 2 {
				f.Value = fmt.Append(nil, k)
			}
			if after >= 0 {
				f.ExpireAt = 1_900_000_000_000 + int64(i)*1000 + after
			}
			h = append(h, f)
		}
		name = fmt.Append(nil, "hash", i)
		if i > 100 {
			name = fmt.Append(nil, i*i*i*10_000)
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, name), h))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "hashes", b.Bytes())
	var all score
	for i, k := range o.keys {
		if !strings.HasPrefix(k.key, "queue") {
			continue
		}
		d := newDamaged(o, fmt.Sprint("zeros before ", i+1))
		d.splice(int(k.start), int(k.end)-60, make([]byte, k.end-60-k.start))
		sc, _ := rate(t, d)
		all.add(&sc)
		all.lost, all.bad = append(all.lost, sc.lost...), append(all.bad, sc.bad...)
	}
	require.Empty(t, all.bad)
	require.LessOrEqual(t, len(all.lost), 1, "%v", all.lost)
}

// TestSalvageStringNoField: bytes with which a value ends, and the type of the next key, read as the time of a field, and what follows as fields. But a record ends there.
func TestSalvageStringNoField(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version13, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	for i := range 80 {
		v := fmt.Append(nil, "some text of the value ", i)
		if i%7 == 3 {
			v = append(v, 0x80, 0x5A, 0xDC, 0x56)
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "s:text:%d", i)), rdb.String(v)))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "strings", b.Bytes())
	var all score
	for i := range 6 {
		d := newDamaged(o, "a byte put in")
		at := int(o.keys[i].start)
		d.splice(at, at, []byte{0xF3})
		sc, _ := rate(t, d)
		all.add(&sc)
		all.lost = append(all.lost, sc.lost...)
	}
	require.LessOrEqual(t, len(all.lost), 6, "%v", all.lost) // the key before it, which may be torn
}

// TestFieldsLeadBounded: a file made of what may be fields, and types, does not have them read over and over.
func TestFieldsLeadBounded(t *testing.T) {
	good := strings.Repeat("\x00\x06user01\x05value", 50)
	b := []byte("REDIS0012\xfe\x00" + good + "\xf2\xf2\xf2\xf2" + strings.Repeat("\x00\x01a\x01b\x02\x01a\x01b\x02\x01c\x01d", 20_000) + "\xf2\xf2" + good)
	s := newSalvager(context.Background(), bytes.NewReader(b), int64(len(b)), SalvageOptions{})
	defer s.close()
	require.NoError(t, s.run())
	require.Positive(t, s.probe.asked)
	require.Less(t, s.probe.asked, int64(100_000))
}
