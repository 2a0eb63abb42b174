package repair_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

// seal closes a file with the end mark and a checksum.
func seal(b []byte, sum func([]byte) uint64) []byte {
	b = append(bytes.Clone(b), 0xff)
	return binary.LittleEndian.AppendUint64(b, sum(b))
}

func noSum([]byte) uint64 { return 0 }

// TestHealOutcome has a file for every outcome.
func TestHealOutcome(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	sound := snapshot(rng, 3000)
	body := sound[:len(sound)-9]
	flip := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] ^= v
		return b
	}
	old := append(append([]byte("REDIS0003\xfe\x00\x00"), str("key")...), str("value")...)
	for _, c := range []struct {
		name string
		file []byte
		want repair.HealOutcome
	}{
		{"sound", sound, repair.HealSound},
		{"flipped bit", flip(sound, 100, 4), repair.Healed},
		{"damage below a checksum made later", seal(flip(body, 2, 1), crc64.Checksum), repair.HealRightSum},
		{"checksum 0", seal(body, noSum), repair.HealDisabled},
		{"checksum 0, damaged", seal(flip(body, 9, 1), noSum), repair.HealDisabled},
		{"version 3", append(old, 0xff), repair.HealOldVersion},
		{"version 3, damaged", flip(append(old, 0xff), 12, 0x80), repair.HealOldVersion},
		{"cut in the middle", sound[:1500], repair.HealCutShort},
		{"cut before the end mark", body, repair.HealCutShort},
		{"cut behind the end mark", sound[:len(sound)-8], repair.HealUnproven},
		{"cut in the checksum, a byte is left", sound[:len(sound)-7], repair.HealUnproven},
		{"cut in the checksum, two are left", sound[:len(sound)-6], repair.Healed},
		{"cut in the checksum, seven are left", sound[:len(sound)-1], repair.Healed},
		{"another checksum", append(bytes.Clone(sound[:len(sound)-8]), "anything"...), repair.HealUnproven},
		{"two bytes of the checksum", flip(flip(sound, len(sound)-1, 9), len(sound)-7, 7), repair.Healed},
		{"not an RDB", bytes.Repeat([]byte("no snapshot "), 90), repair.HealNotRDB},
		{"empty", nil, repair.HealNotRDB},
		{"a byte", []byte("R"), repair.HealNotRDB},
		{"zeros", make([]byte, 4096), repair.HealDisabled},
		{"the magic", []byte("REDIS0011"), repair.HealCutShort},
		{"a zeroed sector", append(append(bytes.Clone(sound[:512]), make([]byte, 512)...), sound[1024:]...), repair.HealNothingFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, healed := heal(t, c.file, repair.HealOptions{})
			if c.name == "a zeroed sector" && h.Outcome == repair.HealCutShort {
				return // a length ran over the end
			}
			require.Equal(t, c.want, h.Outcome, "%+v", h.Candidates)
			if h.Outcome == repair.Healed {
				require.True(t, bytes.Equal(sound, healed))
			}
			if h.Outcome == repair.HealUnproven {
				require.True(t, h.Candidates[0].Verified)
				require.Greater(t, h.Candidates[0].Odds, 1.0/1024)
				require.Nil(t, h.Best())
			}
		})
	}
}

// TestHealTail heals files to which something was appended, with and without damage inside.
func TestHealTail(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	for name, tail := range map[string]string{
		"LF":         "\n",
		"CR LF":      "\r\n",
		"zeros":      string(make([]byte, 4096)),
		"commands":   "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$8\r\nFLUSHALL\r\n",
		"other file": string(snapshot(rng, 700)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, at := range []int{0, 20, 500, 1000} {
				sound := snapshot(rng, 2000)
				damaged := append(bytes.Clone(sound), tail...)
				h, healed := heal(t, damaged, repair.HealOptions{})
				require.Equal(t, repair.HealSound, h.Outcome)
				require.Equal(t, sound, healed)
				damaged[at] ^= 2
				h, healed = heal(t, damaged, repair.HealOptions{})
				if name == "other file" && healed == nil {
					continue // only if structure reaches the end mark is it known where the first file ends
				}
				require.Equal(t, repair.Healed, h.Outcome)
				require.Equal(t, sound, healed)
				require.Equal(t, int64(len(sound)), h.End)
			}
		})
	}
}

// TestHealPrefix heals files before which something stands that is no RDB, and leaves alone what is two files.
func TestHealPrefix(t *testing.T) {
	sound := snapshot(rand.New(rand.NewPCG(15, 15)), 2000)
	for _, prefix := range []string{"\n", "\xef\xbb\xbf", "$2008\r\n", "+FULLRESYNC 0123456789012345678901234567890123456789 1\r\n$2008\r\n", "\x00", string(make([]byte, 5000))} {
		_, healed := heal(t, append([]byte(prefix), sound...), repair.HealOptions{})
		require.True(t, bytes.Equal(sound, healed), "%q", prefix)
	}
	first := bytes.Clone(sound[:1500])
	first[3] ^= 1
	h, healed := heal(t, append(first, sound...), repair.HealOptions{})
	require.Nil(t, healed, "%+v", h.Candidates)
	_, healed = heal(t, append(bytes.Clone(sound[:600]), sound...), repair.HealOptions{})
	require.Equal(t, sound, healed)
}

// lines is a file whose values are lines of text that end in CR LF, so many of them, and some that end in LF.
func lines(crlf, lf int) []byte {
	b := []byte("REDIS0011")
	for i := range crlf + lf {
		end := "\r\n"
		if i*lf/(crlf+lf) != (i+1)*lf/(crlf+lf) {
			end = "\n"
		}
		b = append(append(append(b, 0), str(string(rune('A'+i%26))+string(rune('0'+i/26)))...), str("some line of text"+end)...)
	}
	return seal(b, crc64.Checksum)
}

// TestHealLostCR heals files whose CR LF became LF.
func TestHealLostCR(t *testing.T) {
	for _, c := range []struct{ crlf, lf int }{{1, 0}, {1, 500}, {2, 0}, {2, 1}, {2, 700}, {3, 300}, {20, 0}, {14, 15}, {0, 0}} {
		sound := lines(c.crlf, c.lf)
		damaged := bytes.ReplaceAll(sound, []byte("\r\n"), []byte("\n"))
		h, healed := heal(t, damaged, repair.HealOptions{})
		require.True(t, bytes.Equal(sound, healed), "%+v: %s %+v", c, h.Outcome, h.Tried)
	}
	rng := rand.New(rand.NewPCG(11, 11))
	found := 0
	for range 60 {
		sound := snapshot(rng, 900)
		damaged := bytes.ReplaceAll(sound, []byte("\r"), nil)
		if lost := len(sound) - len(damaged); lost == 0 || lost > 2 {
			continue
		}
		h, healed := heal(t, damaged, repair.HealOptions{})
		require.True(t, bytes.Equal(sound, healed), "%s", h.Outcome)
		found++
	}
	require.Greater(t, found, 10)
}

// TestHealNever gives Heal damage that no kind describes. Nothing may come out.
func TestHealNever(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 12))
	outcomes := map[repair.HealOutcome]int{}
	for range 400 {
		sound := snapshot(rng, 300+rng.IntN(3000))
		damaged := bytes.Clone(sound)
		w := 12 + rng.IntN(100)
		at := rng.IntN(len(damaged) - w)
		switch rng.IntN(3) {
		case 0:
			damaged = slices.Delete(damaged, at, at+w)
		case 1:
			for i := range w {
				damaged[at+i] = byte(rng.Uint32())
			}
		case 2:
			for range 12 {
				damaged[rng.IntN(len(damaged))] ^= byte(1 + rng.IntN(255))
			}
		}
		h, healed := heal(t, damaged, repair.HealOptions{})
		require.Nil(t, healed, "%+v", h.Candidates)
		outcomes[h.Outcome]++
	}
	t.Log(outcomes)
}

// TestHealDump flips, drops and inserts at every byte of a payload.
func TestHealDump(t *testing.T) {
	value := str("a value of some length, not compressed")
	sound := rdb.AppendDump(nil, 0, value, rdb.Version11)
	list := rdb.AppendDump(nil, 1, slices.Concat([]byte{3}, str("one"), str("two"), str("three")), rdb.Version11)
	check := func(sound, damaged []byte) {
		t.Helper()
		h, err := repair.HealDump(context.Background(), damaged, repair.HealOptions{})
		require.NoError(t, err)
		got := content(t, h.Best(), damaged)
		if h.Outcome == repair.HealUnproven {
			require.Zero(t, damaged[0]|sound[0], "only zeros at the start prove nothing")
			got = content(t, &h.Candidates[0], damaged)
		}
		require.Equal(t, sound, got, "%s %+v", h.Outcome, h.Candidates)
	}
	for _, sound := range [][]byte{sound, list} {
		h, err := repair.HealDump(context.Background(), sound, repair.HealOptions{})
		require.NoError(t, err)
		require.Equal(t, repair.HealSound, h.Outcome)
		for at := range sound {
			for bit := range 8 {
				damaged := bytes.Clone(sound)
				damaged[at] ^= 1 << bit
				check(sound, damaged)
			}
			if at > 0 || sound[0] != 0 {
				check(sound, slices.Delete(bytes.Clone(sound), at, at+1))
				check(sound, slices.Insert(bytes.Clone(sound), at, 'x', 'y'))
			}
			if at+3 <= len(sound) {
				damaged := bytes.Clone(sound)
				damaged[at], damaged[at+1], damaged[at+2] = ^damaged[at], damaged[at+1]+1, ^damaged[at+2]
				check(sound, damaged)
			}
		}
	}
}

// TestHealCorpus damages files of real servers.
func TestHealCorpus(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 13))
	var total, same int
	for i, f := range corpus.RDBs(t) {
		if i%5 != 0 || f.Size > 1<<20 || f.RDBVersion < 5 {
			continue
		}
		sound, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		if binary.LittleEndian.Uint64(sound[len(sound)-8:]) == 0 {
			continue
		}
		for _, m := range mutations[:13] {
			damaged := m.mutate(rng, bytes.Clone(sound))
			if damaged == nil || bytes.Equal(damaged, sound) {
				continue
			}
			h, healed := heal(t, damaged, repair.HealOptions{Kinds: repair.DamageBurst | m.kind})
			total++
			if bytes.Equal(healed, sound) {
				same++
				continue
			}
			t.Errorf("%s, %s: %s %+v", f.ID, m.name, h.Outcome, h.Candidates)
		}
	}
	t.Logf("%d damaged, %d healed", total, same)
}

type brokenReader struct{ io.ReaderAt }

var errDisk = errors.New("disk")

func (r brokenReader) ReadAt(p []byte, at int64) (int, error) {
	if at >= 2<<20 {
		return 0, errDisk
	}
	return r.ReaderAt.ReadAt(p, at)
}

// TestHealError has inputs that cannot be read, and a search that is called off.
func TestHealError(t *testing.T) {
	b := snapshot(rand.New(rand.NewPCG(14, 14)), 4<<20)
	b[1000] ^= 1
	_, err := repair.Heal(context.Background(), brokenReader{bytes.NewReader(b)}, int64(len(b)), repair.HealOptions{})
	require.ErrorIs(t, err, errDisk)
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	_, err = repair.Heal(ctx, bytes.NewReader(b), int64(len(b)), repair.HealOptions{Progress: func(done, total int64) {
		require.LessOrEqual(t, done, total)
		if calls++; calls == 8 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
}

// TestDamage makes sure that every kind has a name.
func TestDamage(t *testing.T) {
	for d := repair.DamageFlippedBit; d <= repair.DamageTwoBits; d <<= 1 {
		require.NotEmpty(t, d.String())
		require.NotEmpty(t, d.Meaning())
	}
}
