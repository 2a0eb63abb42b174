package repair_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

// ln is a length in its shortest form.
func ln(n int) []byte {
	switch {
	case n < 1<<6:
		return []byte{byte(n)}
	case n < 1<<14:
		return []byte{0x40 | byte(n>>8), byte(n)}
	default:
		return binary.BigEndian.AppendUint32([]byte{0x80}, uint32(n))
	}
}

func str(s string) []byte { return append(ln(len(s)), s...) }

// snapshot makes an RDB of about the size: strings of random bytes and of text, lists, hashes, sorted sets and intsets.
func snapshot(rng *rand.Rand, size int) []byte {
	b := []byte("REDIS0011\xfa")
	b = append(append(b, str("redis-ver")...), str("7.4.1")...)
	b = append(b, 0xfe, 0)
	for n := 0; len(b) < size-160; n++ {
		b = appendKey(b, rng, fmt.Sprintf("key:%07d", n), min(1+rng.IntN(1+size/8), 4000, size-len(b)))
	}
	b = append(b, 0xff)
	return binary.LittleEndian.AppendUint64(b, crc64.Checksum(b))
}

func appendKey(b []byte, rng *rand.Rand, name string, room int) []byte {
	types := []byte{0, 0, 1, 4, 5, 11}
	t := types[rng.IntN(len(types))]
	b = append(append(b, t), str(name)...)
	count := 1 + room/40
	switch t {
	case 0:
		value := make([]byte, room)
		for i := range value {
			if value[i] = byte(rng.Uint32()); room&1 == 0 {
				value[i] = 'a' + value[i]&15
			}
		}
		return append(b, str(string(value))...)
	case 11:
		b = append(b, ln(8+8*count)...)
		b = binary.LittleEndian.AppendUint32(b, 8)
		b = binary.LittleEndian.AppendUint32(b, uint32(count))
		for i := range count {
			b = binary.LittleEndian.AppendUint64(b, uint64(i)<<40|uint64(rng.Uint32()))
		}
		return b
	}
	b = append(b, ln(count)...)
	for i := range count {
		b = append(b, str(fmt.Sprintf("member %d %x", i, rng.Uint32()))...)
		switch t {
		case 4:
			b = append(b, str(fmt.Sprint(rng.Uint64()))...)
		case 5:
			b = binary.LittleEndian.AppendUint64(b, uint64(0x3ff0000000000000|rng.Uint64()>>12))
		}
	}
	return b
}

// heal runs Heal on bytes and returns what came out with the healed bytes of the best candidate, if there is one.
func heal(t testing.TB, damaged []byte, opt repair.HealOptions) (*repair.Healing, []byte) {
	t.Helper()
	h, err := repair.Heal(context.Background(), bytes.NewReader(damaged), int64(len(damaged)), opt)
	require.NoError(t, err)
	if h.Outcome == repair.HealSound {
		return h, damaged[:h.End]
	}
	return h, content(t, h.Best(), damaged)
}

func content(t testing.TB, c *repair.Candidate, damaged []byte) []byte {
	if c == nil {
		return nil
	}
	b, err := io.ReadAll(c.Open(bytes.NewReader(damaged)))
	require.NoError(t, err)
	require.Equal(t, c.Size, int64(len(b)))
	return b
}

// mutate is a way to damage a file. It returns nil where the file has no room for it.
type mutation struct {
	kind   repair.Damage
	name   string
	mutate func(rng *rand.Rand, b []byte) []byte
}

// somewhere is an index of n that is often one of those where things go wrong: the ends, the footer, the blocks of a walk.
func somewhere(rng *rand.Rand, n int) int {
	special := []int{0, 1, 2, 5, 8, n - 1, n - 2, n - 8, n - 9, n - 10, n / 2, 1 << 20, 1<<20 - 1, 1<<20 + 1, 1<<20 - 3, 1 << 12, 1<<12 - 1, 1<<12 - 2, 2048, 2047}
	if i := special[rng.IntN(len(special))]; rng.IntN(3) == 0 && i >= 0 && i < n {
		return i
	}
	return rng.IntN(n)
}

func burst(w int) func(rng *rand.Rand, b []byte) []byte {
	return func(rng *rand.Rand, b []byte) []byte {
		at := min(somewhere(rng, len(b)), len(b)-w)
		for i := range w {
			b[at+i] ^= byte(1 + rng.IntN(255))
		}
		return b
	}
}

func lose(w int) func(rng *rand.Rand, b []byte) []byte {
	return func(rng *rand.Rand, b []byte) []byte {
		at := min(somewhere(rng, len(b)), len(b)-w)
		return slices.Delete(b, at, at+w)
	}
}

func gain(w int) func(rng *rand.Rand, b []byte) []byte {
	return func(rng *rand.Rand, b []byte) []byte {
		extra := make([]byte, w)
		for i := range extra {
			extra[i] = byte(rng.Uint32())
		}
		return slices.Insert(b, somewhere(rng, len(b)), extra...)
	}
}

var mutations = []mutation{
	{repair.DamageFlippedBit, "bit", func(rng *rand.Rand, b []byte) []byte {
		b[somewhere(rng, len(b))] ^= 1 << rng.IntN(8)
		return b
	}},
	{repair.DamageBurst, "1 byte", burst(1)},
	{repair.DamageBurst, "2 bytes", burst(2)},
	{repair.DamageBurst, "3 bytes", burst(3)},
	{repair.DamageSwappedBytes, "transposed", func(rng *rand.Rand, b []byte) []byte {
		at := min(somewhere(rng, len(b)), len(b)-2)
		b[at], b[at+1] = b[at+1], b[at]
		return b
	}},
	{repair.DamageSwappedBytes, "swapped near", func(rng *rand.Rand, b []byte) []byte {
		apart := 2 + rng.IntN(63)
		at := min(somewhere(rng, len(b)), len(b)-apart-1)
		b[at], b[at+apart] = b[at+apart], b[at]
		return b
	}},
	{repair.DamageLostBytes, "lost 1", lose(1)},
	{repair.DamageLostBytes, "lost 2", lose(2)},
	{repair.DamageLostBytes, "lost 3", lose(3)},
	{repair.DamageExtraBytes, "extra 1", gain(1)},
	{repair.DamageExtraBytes, "extra 2", gain(2)},
	{repair.DamageExtraBytes, "extra 3", gain(3)},
	{repair.DamageReplaced, "1 byte to U+FFFD", func(rng *rand.Rand, b []byte) []byte {
		at := somewhere(rng, len(b))
		return slices.Replace(b, at, at+1, 0xEF, 0xBF, 0xBD)
	}},
	{repair.DamageInsertedBlock, "zero block", func(rng *rand.Rand, b []byte) []byte {
		return slices.Insert(b, somewhere(rng, len(b))&^511, make([]byte, 512<<rng.IntN(4))...)
	}},
	{repair.DamageInsertedBlock, "block twice", func(rng *rand.Rand, b []byte) []byte {
		at := somewhere(rng, len(b)) / 2
		w := min(512+rng.IntN(5000), len(b)-at)
		return slices.Insert(b, at, bytes.Clone(b[at:at+w])...)
	}},
	{repair.DamageSwappedBlocks, "sectors swapped", func(rng *rand.Rand, b []byte) []byte {
		m := len(b) / 512
		if m < 2 {
			return nil
		}
		i, j := 512*rng.IntN(m), 512*rng.IntN(m)
		keep := bytes.Clone(b[i : i+512])
		copy(b[i:i+512], b[j:j+512])
		copy(b[j:j+512], keep)
		return b
	}},
	{repair.DamageTwoBits, "two bits near", func(rng *rand.Rand, b []byte) []byte {
		apart := rng.IntN(512)
		at := max(0, min(somewhere(rng, len(b)), len(b)-apart-1))
		b[at] ^= 1 << rng.IntN(8)
		b[min(at+apart, len(b)-1)] ^= 1 << rng.IntN(8)
		return b
	}},
	{repair.DamageTwoBits, "two bits", func(rng *rand.Rand, b []byte) []byte {
		b[somewhere(rng, len(b))] ^= 1 << rng.IntN(8)
		b[somewhere(rng, len(b))] ^= 1 << rng.IntN(8)
		return b
	}},
	{repair.DamageCRLF, "LF to CRLF", func(rng *rand.Rand, b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}},
	{repair.DamageLatin1, "UTF-8", func(rng *rand.Rand, b []byte) (u []byte) {
		for _, v := range b {
			u = append(u, string(rune(v))...)
		}
		return u
	}},
}

// TestHealScore damages files of many sizes in every way and counts how many come back byte by byte. What heals to anything else is a
// failure; so is what a damage of few bytes leaves unhealed.
func TestHealScore(t *testing.T) {
	sizes := []struct{ size, rounds int }{{300, 15}, {1 << 10, 15}, {5000, 10}, {64 << 10, 4}, {1<<20 + 100, 1}}
	switch {
	case testing.Short():
		sizes = sizes[:2]
	case os.Getenv("KVFSCK_BIG") != "":
		sizes = append(sizes, struct{ size, rounds int }{3 << 20, 2})
		for i := range sizes {
			sizes[i].rounds *= 20
		}
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var total, same, ambiguous, none, wrong int
			for _, sz := range sizes {
				rng := rand.New(rand.NewPCG(uint64(sz.size), uint64(m.kind)))
				for range sz.rounds {
					sound := snapshot(rng, sz.size)
					damaged := m.mutate(rng, bytes.Clone(sound))
					if damaged == nil || bytes.Equal(sound, damaged) {
						continue
					}
					opt := repair.HealOptions{}
					if sz.size > 1<<18 { // the kinds that need the least time, as the others were tried above
						opt.Kinds = m.kind | repair.DamageBurst
					}
					h, healed := heal(t, damaged, opt)
					total++
					switch {
					case bytes.Equal(healed, sound):
						same++
					case h.Outcome == repair.HealAmbiguous:
						ambiguous++
						t.Errorf("size %d: ambiguous: %+v", len(sound), h.Candidates)
					case healed == nil:
						none++
						t.Errorf("size %d: %s, fault %v", len(sound), h.Outcome, h.Fault)
					default:
						wrong++
						t.Errorf("size %d: healed to something else: %v", len(sound), h.Best().Kind)
					}
				}
			}
			t.Logf("%-18s %3d damaged: healed %d, ambiguous %d, not %d, wrong %d", m.name, total, same, ambiguous, none, wrong)
		})
	}
}

// TestHealSnapshot makes sure that the files of these tests are sound.
func TestHealSnapshot(t *testing.T) {
	for _, size := range []int{300, 5000, 1 << 20} {
		b := snapshot(rand.New(rand.NewPCG(1, uint64(size))), size)
		_, err := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{})
		require.NoError(t, err)
		h, _ := heal(t, b, repair.HealOptions{})
		require.Equal(t, repair.HealSound, h.Outcome)
	}
}

// A bit of a file flips, and comes back.
func ExampleHeal() {
	b := append([]byte("REDIS0011"), 0, 3)
	b = append(append(b, "key\x05value"...), 0xff)
	b = binary.LittleEndian.AppendUint64(b, crc64.Checksum(b))
	b[17] ^= 0x20

	h, err := repair.Heal(context.Background(), bytes.NewReader(b), int64(len(b)), repair.HealOptions{})
	if err != nil {
		panic(err)
	}
	best := h.Best()
	fmt.Println(h.Outcome, best.Kind, "at", best.Offset())
	healed, _ := io.ReadAll(best.Open(bytes.NewReader(b)))
	fmt.Printf("%q -> %q\n", b[15:20], healed[15:20])
	// Output:
	// healed flipped-bit at 17
	// "vaLue" -> "value"
}
