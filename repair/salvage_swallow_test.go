package repair

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageSwallowedBeforeDamage: a string that grew so much that it ends where a later record does has others inside that are damaged as well, and rows of sound ones before these.
func TestSalvageSwallowedBeforeDamage(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(800, 0))
	for i := range 800 {
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "%c%d", "akx"[i%3], i)), rdb.String(fmt.Sprint([]any{i * i, "region", "", i}[i%4]))))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "small strings", b.Bytes())
	for _, damages := range [][]int{nil, {300}, {150, 151, 300}, {120, 200, 201, 399, 700}} {
		d := newDamaged(o, fmt.Sprint(damages))
		const first, last = 103, 400
		value := o.keys[first].start + 2 + int64(len(o.keys[first].key)) // the length of the last one's that is swallowed
		n := o.keys[last].end - value - 2
		require.Less(t, n, int64(1<<14))
		d.splice(int(value), int(value)+2, []byte{0x40 | byte(n>>8), byte(n)})
		for _, k := range damages {
			d.splice(int(o.keys[k].start), int(o.keys[k].start)+1, []byte{'g'})
		}
		sc, _ := rate(t, d)
		assert.LessOrEqual(t, len(sc.lost), 1+len(damages), "%v", sc.lost)
		assert.Empty(t, sc.bad)
	}
}
