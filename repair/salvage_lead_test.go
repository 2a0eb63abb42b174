package repair

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageBehindLead: what stands in front of the header costs nothing of what stands behind it, whatever else is damaged.
func TestSalvageBehindLead(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 300)
	rand.New(rand.NewSource(8)).Read(noise)
	var all score
	for i, target := range []rdb.Target{rdb.Version8, rdb.Version10, rdb.Version13, rdb.Version80} {
		for _, keys := range []int{10, 200} {
			o := generated(t, target, keys, uint64(i))
			for name, lead := range map[string]string{
				"a length": fmt.Sprintf("$%d\r\n", len(o.bytes)), "a mark": "$EOF:" + strings.Repeat("0f", 20) + "\r\n", "lines": "a log\nof a program\n",
				"zeros": strings.Repeat("\x00", 512), "noise": string(noise), "a byte": "R",
			} {
				for _, damage := range []string{"", "behind", "zeros"} {
					d := newDamaged(o, fmt.Sprintf("%d keys, %s, %s", keys, name, damage))
					switch damage {
					case "behind":
						d.splice(len(d.bytes), len(d.bytes), []byte(strings.Repeat("0f", 20)))
					case "zeros":
						at := len(d.bytes) / 2
						d.splice(at, at+64, make([]byte, 64))
					}
					d.splice(0, 0, []byte(lead))
					sc, s := rate(t, d)
					require.Empty(t, sc.bad)
					require.EqualValues(t, len(lead), s.lead, d.kind)
					everyByte(t, d, s)
					for _, k := range s.Lost {
						require.True(t, k.Offset > int64(len(lead)) && bytes.Contains(d.bytes[k.Offset:], k.Key), d.kind)
					}
					if damage == "" {
						require.Empty(t, sc.lost)
						require.Equal(t, s.ForeignBytes, int64(len(lead)))
					}
					all.add(&sc)
				}
			}
		}
	}
	require.GreaterOrEqual(t, float64(all.found), 0.999*float64(all.untouched))
}

// TestSalvageNoLead: a header behind records, or in a value, is not that of the file.
func TestSalvageNoLead(t *testing.T) {
	o, other := generated(t, rdb.Version10, 100, 1), generated(t, rdb.Version10, 100, 2)
	d := newDamaged(o, "a dump in a value")
	value := appendLength(nil, uint64(len(other.bytes)))
	record := slices.Concat([]byte{0, 4}, []byte("dump"), value, other.bytes)
	at := int(o.keys[3].start)
	d.splice(at, at, record)
	d.splice(0, 60, nil) // the header, and what follows
	_, s := rate(t, d)
	require.Zero(t, s.lead)

	b := slices.Concat(o.bytes[40:], other.bytes)
	s, _ = salvage(t, b, SalvageOptions{})
	require.Zero(t, s.lead)
}
