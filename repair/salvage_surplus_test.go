package repair

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// sessions writes two kinds of keys in turn: sessions that expire, if they are to, and users that do not.
func sessions(t testing.TB, pairs int, expire bool) *original {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	expires := 0
	if expire {
		expires = pairs
	}
	require.NoError(t, w.ResizeDB(uint64(2*pairs), uint64(expires)))
	for i := range pairs {
		e := rdb.NewEntry(0, fmt.Appendf(nil, "session:%d", i*17))
		if expire {
			e.ExpireAt = 1900000000123 + int64(i)*77777
		}
		require.NoError(t, w.WriteEntry(e, rdb.String(fmt.Sprintf("logged in, page %d", i))))
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "user:%d:name", i)), rdb.String(fmt.Sprintf("somebody %d", i))))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "sessions", b.Bytes())
	require.NotNil(t, o)
	return o
}

// TestSalvageSurplus puts before a key what a server reads as its expiry, idle time or counter. Where it cannot be the key's own the key is kept
// without it; where nothing tells that it is not, but the counts do, the key is left out.
func TestSalvageSurplus(t *testing.T) {
	const expiry = "fc00d8c32cbb030000" // in the year 2100
	for _, c := range []struct {
		name   string
		expire bool // sessions do
		put    string
		key    int // before this key; -1: before the counts
		lost   int
	}{
		{"counter, which no key has", true, "f907", 20, 0},
		{"idle time, which no key has", true, "f805", 0, 0},
		{"second expiry", true, expiry, 20, 0},
		{"counter before an expiry", true, "f907", 20, 0},
		{"expiry where none is", false, expiry, 20, 1},
		{"expiry of a key of a form that has none", true, expiry, 21, 1},
		{"expiry before the counts", false, expiry, -1, 0},
		{"counter before the counts", true, "f907", -1, 0},
	} {
		o := sessions(t, 20, c.expire)
		at := int(o.keys[0].start) - 3
		if c.key >= 0 {
			at = int(o.keys[c.key].start)
		}
		b, err := hex.DecodeString(c.put)
		require.NoError(t, err)
		d := newDamaged(o, c.name)
		d.splice(at, at, b)
		sc, s := rate(t, d)
		assert.Empty(t, sc.bad, c.name)
		assert.Len(t, sc.lost, c.lost, "%s: %v", c.name, s.Lost)
		assert.EqualValues(t, c.lost, s.DoubtfulKeys, c.name)
	}
}

// TestSalvageSurplusAll: a file of whose counts one is damaged keeps its keys.
func TestSalvageSurplusAll(t *testing.T) {
	o := sessions(t, 20, true)
	d := newDamaged(o, "no key expires, the counts say")
	at := int(o.keys[0].start)
	d.splice(at-1, at, []byte{0})
	sc, _ := rate(t, d)
	require.Empty(t, sc.bad)
	require.Empty(t, sc.lost)
}

// TestSalvageExpiryOfForm loses the expiry of a key together with the end of the value before it, so that nothing is left of it. Sessions expire, so this
// one is left out; where none does it is kept.
func TestSalvageExpiryOfForm(t *testing.T) {
	for _, expire := range []bool{true, false} {
		o := sessions(t, 20, expire)
		d := newDamaged(o, fmt.Sprint("expiry ", expire))
		at := int(o.keys[20].start)
		to := at
		if expire {
			to += 9
		}
		d.splice(at-3, to, nil)
		sc, s := rate(t, d)
		assert.Empty(t, sc.bad)
		assert.Empty(t, sc.lost)
		if expire {
			require.NotEmpty(t, s.Lost)
			assert.Equal(t, DoubtExpiry, s.Lost[len(s.Lost)-1].Doubt)
		}
	}
}

// TestSalvageLostExpiryOfSeveral loses the expiry of a key in a file of two databases: each has its keys, so that it is known where those behind the damage belong, and that
// one of them must have expired.
func TestSalvageLostExpiryOfSeveral(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	for _, db := range []uint64{0, 9} {
		require.NoError(t, w.SelectDB(db))
		require.NoError(t, w.ResizeDB(40, 40))
		for i := range 40 {
			e := rdb.NewEntry(db, fmt.Appendf(nil, "session:%d:%d", db, i))
			e.ExpireAt = 1900000000000 + int64(i)
			require.NoError(t, w.WriteEntry(e, rdb.String("a session's value")))
		}
	}
	require.NoError(t, w.Close())
	for _, key := range []string{"session:0:20", "session:9:20"} {
		bad := bytes.Clone(b.Bytes())
		at := bytes.Index(bad, []byte(key)) - 2 - 9
		require.EqualValues(t, opExpireTimeMS, bad[at])
		copy(bad[at:], bytes.Repeat([]byte{0xFF}, 9))
		s, out := salvage(t, bad, SalvageOptions{})
		require.EqualValues(t, 79, s.Keys, key)
		require.NotContains(t, string(out), key)
		require.Len(t, s.Lost, 1)
		require.Equal(t, DoubtExpiry, s.Lost[0].Doubt)
	}
}
