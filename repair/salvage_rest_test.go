package repair

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
)

// largeKey appends a collection of more than 1 MiB.
func largeKey(b []byte, typ rdb.Type, name string, rng *rand.Rand) []byte {
	const size = 1<<20 + 300<<10
	var elements []byte
	n := 0
	for ; len(elements) < size; n++ {
		switch member := fmt.Sprintf("%s:%d", name, n); typ {
		case rdb.TypeSet:
			elements = append(elements, str(member)...)
		case rdb.TypeHash:
			elements = append(append(elements, str(member)...), str(fmt.Sprintf("%x", rng.Uint64())[:rng.IntN(12)])...)
		case rdb.TypeZset2:
			elements = binary.LittleEndian.AppendUint64(append(elements, str(member)...), math.Float64bits(float64(rng.IntN(1e6))/4))
		case rdb.TypeListQuicklist2:
			node := []byte("\x00\x00\x00\x00\x00\x00")
			for range 100 {
				item := fmt.Sprintf("item %d", rng.IntN(1e6))
				node = append(append(append(node, 0x80|byte(len(item))), item...), byte(1+len(item)))
			}
			node = append(node, 0xFF)
			binary.LittleEndian.PutUint32(node, uint32(len(node)))
			binary.LittleEndian.PutUint16(node[4:], 100)
			elements = append(append(elements, 2), str(string(node))...)
		}
	}
	b = append(append(b, byte(typ)), str(name)...)
	return append(appendLength(b, uint64(n)), elements...)
}

// What stands behind a torn collection of very many elements is found, also where it was swallowed, and where nothing else is known of what keys look like. Most of its elements are not looked
// through for records.
func TestSalvageTornLarge(t *testing.T) {
	for _, typ := range []rdb.Type{rdb.TypeSet, rdb.TypeHash, rdb.TypeZset2, rdb.TypeListQuicklist2} {
		for _, small := range []int{0, 40} {
			rng := rand.New(rand.NewPCG(41, uint64(typ)))
			want := []string{"large:2"}
			b := []byte("REDIS0011\xfe\x00")
			strings := func(prefix string) {
				for i := range small {
					want = append(want, fmt.Sprintf("user:%d:%s", i, prefix))
					b = append(append(append(b, 0), str(fmt.Sprintf("user:%d:%s", i, prefix))...), str("value")...)
				}
			}
			strings("before")
			start := len(b)
			b = largeKey(b, typ, "large:1", rng)
			end := len(b)
			strings("between")
			b = largeKey(b, typ, "large:2", rng)
			strings("behind")
			b = append(b, 0xFF)
			b = binary.LittleEndian.AppendUint64(b, crc64.Checksum(b))
			slices.Sort(want)
			for name, damage := range map[string]func([]byte) []byte{
				"noise": func(b []byte) []byte {
					rng := rand.New(rand.NewPCG(43, uint64(len(want))))
					for i := range b {
						b[i] = byte(rng.Uint32())
					}
					return b
				},
				"zeros":   func(b []byte) []byte { clear(b); return b },
				"missing": func([]byte) []byte { return nil },
			} {
				for _, places := range [][]int{{30}, {2, 60, 96}} {
					if testing.Short() && (small > 0 || name != "missing") || len(places) > 1 && small == 0 {
						continue
					}
					bad := bytes.Clone(b)
					for _, place := range slices.Backward(places) {
						at := start + (end-start)*place/100
						bad = slices.Replace(bad, at, at+4096, damage(bytes.Clone(bad[at:at+4096]))...)
					}
					size := len(b)
					t.Run(fmt.Sprintf("%v, %d small, %s at %d", typ, small, name, places), func(t *testing.T) {
						t.Parallel()
						_, out := salvage(t, bad, SalvageOptions{})
						var kept []string
						r := rdb.NewReader(bytes.NewReader(out))
						for r.Next() {
							if e, ok := r.Record().(*rdb.Entry); ok {
								kept = append(kept, string(e.Key))
							}
						}
						require.NoError(t, r.Err())
						slices.Sort(kept)
						if !slices.Equal(want, kept) {
							lost := slices.DeleteFunc(slices.Clone(want), func(k string) bool { return slices.Contains(kept, k) })
							more := slices.DeleteFunc(kept, func(k string) bool { return slices.Contains(want, k) })
							t.Errorf("lost: %.300q, invented: %.300q", lost, more)
						}

						if len(places) > 1 {
							return
						}
						s := newSalvager(t.Context(), bytes.NewReader(bad), int64(len(bad)), SalvageOptions{})
						defer s.close()
						require.NoError(t, s.run())
						followed, shift := int64(0), len(bad)-size
						for _, e := range s.probe.rest(int64(start)) {
							require.True(t, e.start >= int64(start) && e.start < e.end && e.end <= int64(end+shift), "%v", e)
							followed += e.end - e.start
						}
						require.Greater(t, followed, int64(end-start)/5)
					})
				}
			}
		}
	}
}
