package repair

import (
	"bytes"
	"context"
	"fmt"

	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageFamilyOfRecords: where the header and all fields are lost the records tell the family, as hashes whose fields expire are of a type that only it knows.
func TestSalvageFamilyOfRecords(t *testing.T) {
	for _, c := range []struct {
		target rdb.Target
		family rdb.Family
	}{{rdb.Version80, rdb.Valkey}, {rdb.Version13, rdb.Redis}, {rdb.Version12, rdb.Redis}} {
		for _, sparse := range []int{3, 40} {
			var b bytes.Buffer
			w := rdb.NewWriter(&b, c.target, rdb.WriterOptions{})
			require.NoError(t, w.SelectDB(0))
			for i := range 120 {
				var v rdb.Value = rdb.String(fmt.Sprintf("a value that has number %d", i))
				if i%sparse == sparse-1 {
					v = rdb.Hash{{Name: []byte("field"), Value: []byte("of one"), ExpireAt: 4102444800000}, {Name: []byte("another"), Value: []byte("one"), ExpireAt: rdb.NoExpire}}
				}
				require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "session:%d", i)), v))
			}
			require.NoError(t, w.Close())
			o := newOriginal(t, "fields that expire", b.Bytes())
			for name, first := range map[string][]byte{"zeros": make([]byte, 512), "missing": nil} {
				d := newDamaged(o, name)
				d.splice(0, 512, first)
				sc, s := rate(t, d)
				require.Equal(t, c.family, s.Family, "%v %s", c.target, name)
				assert.True(t, s.HeaderDamaged)
				assert.Empty(t, sc.lost, "%v %s", c.target, name)
				assert.Empty(t, sc.bad, "%v %s", c.target, name)
			}
		}
	}
}

// TestSalvageFamilyOfField: a field that stands where none does any more tells the version, too.
func TestSalvageFamilyOfField(t *testing.T) {
	for _, target := range []rdb.Target{rdb.Version9, rdb.Version12, rdb.Version80} {
		o := generated(t, target, 200, 4)
		d := newDamaged(o, "")
		d.splice(0, headerSize, bytes.Repeat([]byte{0xF2}, 1000))
		_, s := rate(t, d)
		assert.Equal(t, int(target), s.Version)
	}
}

// TestSalvageFamilyOfOneRecord: in a large file one such hash is enough, wherever it stands.
func TestSalvageFamilyOfOneRecord(t *testing.T) {
	const keys, hashes = 12_000, 7
	for n := range hashes {
		if testing.Short() && n%4 != 1 {
			continue
		}
		var b bytes.Buffer
		w := rdb.NewWriter(&b, rdb.Version80, rdb.WriterOptions{NoCompression: true})
		require.NoError(t, w.SelectDB(0))
		for i := range keys {
			var v rdb.Value = rdb.String(fmt.Sprintf("%0200d", i))
			if i == (n+1)*keys/(hashes+1) {
				v = rdb.Hash{{Name: []byte("field"), Value: []byte("of one"), ExpireAt: 4102444800000}}
			}
			require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "session:%d", i)), v))
		}
		require.NoError(t, w.Close())
		in := b.Bytes()[1000:]
		s, out := salvage(t, in, SalvageOptions{})
		assert.Equal(t, rdb.Valkey, s.Family, n)
		assert.True(t, bytes.Contains(out, []byte("of one")), n)
		assert.Less(t, s.LostBytes, int64(1000))
	}
}

// TestSalvageFamilyOldTypes: where the header and all fields are lost, and nearly all keys are of types that the newest servers do not write, these are no less certain.
func TestSalvageFamilyOldTypes(t *testing.T) {
	for _, target := range []rdb.Target{rdb.Version9, rdb.Version10, rdb.Version11, rdb.Version12} {
		var b bytes.Buffer
		w := rdb.NewWriter(&b, target, rdb.WriterOptions{})
		require.NoError(t, w.SelectDB(0))
		for i := range 6 {
			values := large(4 + i)
			events, scores := values["stream"], values["sorted set"]
			require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "ev:%d", i)), events))
			require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "m:%d", i)), scores))
		}
		require.NoError(t, w.Close())
		o := newOriginal(t, "old types", b.Bytes())
		first := int(o.keys[0].start)
		d := newDamaged(o, target.String())
		d.splice(0, first, make([]byte, first))
		sc, s := rate(t, d)
		assert.Empty(t, sc.lost, target)
		assert.Empty(t, sc.bad, target)
		assert.LessOrEqual(t, s.Version, int(target))
	}
}

// TestSalvageFamilyOfShortRows: no less are they where zeros have taken the place of each third one, so that there are but two in a row.
func TestSalvageFamilyOfShortRows(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version13, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	for i := range 18 {
		values := large(130 + i)
		v, name := values["sorted set"], "m:cpu"
		if i%3 == 1 {
			v, name = values["stream"], "ev"
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "%s:%d", name, i)), v))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "short rows", b.Bytes())
	d := newDamaged(o, "")
	d.splice(0, 512, make([]byte, 512))
	for i := 2; i < len(o.keys); i += 3 {
		middle := int(o.keys[i].start+o.keys[i].end) / 2
		d.splice(middle, middle+512, make([]byte, 512))
	}
	sc, _ := rate(t, d)
	assert.LessOrEqual(t, len(sc.lost), 3, "%v", sc.lost)
	assert.Empty(t, sc.bad)
}

// TestSalvageFamilyBounded: of a large file little is read for that.
func TestSalvageFamilyBounded(t *testing.T) {
	const size = 1 << 30
	for _, fill := range []string{"\x00", "REDIS0011\xFA", "\x00\x04name\x05value", "\xC3\x41"} {
		src := &endless{fill: []byte(fill)}
		s := newSalvager(context.Background(), src, size, SalvageOptions{})
		f, _ := s.likeliest()
		s.close()
		assert.Equal(t, rdb.Redis, f)
		assert.Less(t, src.read, int64(128<<20), "%q", fill)
	}
}

// endless is a large file of the same bytes, and how many of it were read.
type endless struct {
	fill []byte
	read int64
}

func (e *endless) ReadAt(p []byte, at int64) (int, error) {
	for i := range p {
		p[i] = e.fill[(at+int64(i))%int64(len(e.fill))]
	}
	e.read += int64(len(p))
	return len(p), nil
}
