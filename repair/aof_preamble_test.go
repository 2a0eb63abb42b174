package repair

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// withPreamble is a log that begins with an RDB of end bytes.
func withPreamble(t testing.TB, seed uint64, checksum bool) (b []byte, end int) {
	t.Helper()
	opt := fuzz.AOFOptions{Layout: fuzz.AOFPreamble, Base: fuzz.RDBOptions{Keys: 40, Databases: 1, NoChecksum: !checksum}}
	files, _ := fuzz.AOFSet(seed, opt)
	b = files[0].Data
	r := rdb.NewReader(bytes.NewReader(b))
	for r.Next() {
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return b, int(r.Offset())
}

// keysOf counts the keys of the RDB with which b begins.
func keysOf(t testing.TB, b []byte) (n int64) {
	t.Helper()
	r := rdb.NewReader(bytes.NewReader(b))
	for r.Next() {
		if _, ok := r.Record().(*rdb.Entry); ok {
			n++
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return n
}

// TestDamagedPreamble damages the RDB with which a log begins: what is behind it stays, and what is left of it too.
func TestDamagedPreamble(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b []byte, end int) []byte
		healed bool
		least  int64 // keys of 40 that must be left
	}{
		{"a bit", func(b []byte, end int) []byte { b[end/2] ^= 4; return b }, true, 40},
		{"a byte lost", func(b []byte, end int) []byte { return append(b[:end/2], b[end/2+1:]...) }, true, 40},
		{"the magic", func(b []byte, _ int) []byte { b[2] ^= 4; return b }, true, 40},
		{"sixteen zeros", func(b []byte, end int) []byte { clear(b[end/2 : end/2+16]); return b }, false, 30},
		{"the start", func(b []byte, _ int) []byte { clear(b[:12]); return b }, false, 30},
		{"the start replaced", func(b []byte, _ int) []byte { copy(b, "garbage garbage"); return b }, false, 30},
		{"the end", func(b []byte, end int) []byte { clear(b[end-9 : end]); return b }, false, 30},
		{"the end is missing", func(b []byte, end int) []byte { return append(b[:end-20], b[end:]...) }, false, 30},
		{"the end, and behind it", func(b []byte, end int) []byte { clear(b[end-9 : end]); clear(b[len(b)-60:]); return b }, false, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			seeds := uint64(4)
			if testing.Short() {
				seeds = 1
			}
			for seed := range seeds {
				sound, end := withPreamble(t, seed, true)
				d := c.damage(bytes.Clone(sound), end)
				s, out := salvageBytes(t, d, AOFOptions{})
				acceptAOF(t, s, out)
				if s.PreambleFault == nil || s.Sound || (s.RDBHealed != nil) != c.healed || (s.RDB != nil) == c.healed {
					t.Fatalf("seed %d: fault %v, healed %v, salvaged %v", seed, s.PreambleFault, s.RDBHealed, s.RDB)
				}
				if c.healed && !bytes.Equal(out, sound) {
					t.Errorf("seed %d: healed to another file", seed)
				}
				if n := keysOf(t, out); n < c.least {
					t.Errorf("seed %d: %d keys are left", seed, n)
				}
				if !c.healed && !bytes.HasSuffix(out, sound[end:]) && c.name != "the end, and behind it" {
					t.Errorf("seed %d: the commands are not what they were: preamble of %d bytes for %d", seed, s.Preamble, end)
				}
			}
		})
	}
}

// TestSeamOfPreamble damages what stands at the end of the RDB, or behind it: a database that was selected there is told to be lost, and one that is there counts.
func TestSeamOfPreamble(t *testing.T) {
	sound, end := withPreamble(t, 2, true)
	clear(sound[end/2 : end/2+16])
	selected, list := commands("SELECT 5"), commands("RPUSH list a b")
	broken := strings.Replace(list, "$4\r\n", "$4\r", 1) // without a byte, but with all that it states
	var many string
	for i := range 10 {
		many += commands(fmt.Sprint("SET k", i, " v"))
	}
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	for _, c := range []struct {
		name, in  string
		preamble  int
		want      string
		uncertain int64
	}{
		{"the end, and what is selected behind it", string(sound[:end-100]) + zeros(100+len(selected)) + many, end + len(selected), many, 10},
		{"what is selected", string(sound[:end]) + zeros(len(selected)) + many, end + len(selected), many, 10},
		{"the end", string(sound[:end-9]) + zeros(9) + selected + many, end, selected + many, 0},
		{"the end, and a command behind what is selected", string(sound[:end-9]) + zeros(9) + selected + broken + many, end, selected + many, 0},
		{"the same far behind", string(sound[:end-9]) + zeros(9) + selected + many + broken + commands("SELECT 6") + many, end, selected + many + commands("SELECT 6") + many, 0},
		{"a command behind what is selected", string(sound[:end]) + selected + broken + many, end, selected + many, 0},
		{"the end is missing, with what is selected", string(sound[:end-60]) + list + many, end - 60, list + many, 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, out := salvageBytes(t, []byte(c.in), AOFOptions{})
			acceptAOF(t, s, out)
			if s.Preamble != int64(c.preamble) || !strings.HasSuffix(string(out), c.want) || s.Uncertain != c.uncertain || s.Kept != int64(strings.Count(c.want, "*")) {
				t.Errorf("RDB of %d bytes for %d, %d commands, %d of them uncertain, map %v", s.Preamble, c.preamble, s.Kept, s.Uncertain, s.Regions)
			}
			if lost := int64(strings.Count(c.in, broken)); s.Lost != lost {
				t.Errorf("%d are lost, and not %d, map %v", s.Lost, lost, s.Regions)
			}
		})
	}
	torn := string(sound[:end-20]) + "\r\n" + list[:9] + "\x00\n" + list[:12] + many // what is left of two commands, one of which the RDB's last value takes
	if s, _ := salvageBytes(t, []byte(torn), AOFOptions{}); s.Lost == 0 || s.Uncertain != 10 || s.Regions[0].Commands != s.Lost {
		t.Errorf("%d are lost, %d of an uncertain database, map %v", s.Lost, s.Uncertain, s.Regions)
	}
}

// TestUncheckedPreamble damages values that no checksum speaks for.
func TestUncheckedPreamble(t *testing.T) {
	found := 0
	for seed := range uint64(20) {
		b, end := withPreamble(t, seed, false)
		for i := range 3 {
			b[end/4*(i+1)] ^= 0x80
		}
		s, out := salvageBytes(t, b, AOFOptions{})
		acceptAOF(t, s, out)
		if s.PreambleFault != nil {
			found++
			if s.RDB == nil || s.RDB.Keys != keysOf(t, out) {
				t.Errorf("seed %d: the account is not that of the file", seed)
			}
		}
	}
	if found == 0 {
		t.Error("no damage was seen")
	}
}

// TestPreambleSalvager has the caller take care of the RDB.
func TestPreambleSalvager(t *testing.T) {
	sound, end := withPreamble(t, 1, true)
	sound[end/2] ^= 4
	for _, told := range []int64{int64(end), -1} {
		var got error
		opt := AOFOptions{Preamble: func(_ context.Context, _ io.ReaderAt, _ int64, fault error) (io.WriterTo, int64, error) {
			got = fault
			return bytes.NewReader([]byte("REDIS0009\xff\x00\x00\x00\x00\x00\x00\x00\x00")), told, nil
		}}
		s, err := SalvageAOF(t.Context(), bytes.NewReader(sound), int64(len(sound)), opt)
		if err != nil || got == nil || got != s.PreambleFault || s.Preamble != int64(end) || s.RDB != nil || s.RDBHealed != nil {
			t.Fatalf("%v, fault %v, preamble of %d bytes for %d", err, got, s.Preamble, end)
		}
		var out bytes.Buffer
		if _, err := s.WriteTo(&out, bytes.NewReader(sound)); err != nil || !bytes.HasSuffix(out.Bytes(), sound[end:]) || out.Len() != 18+len(sound)-end {
			t.Errorf("%d bytes, %v", out.Len(), err)
		}
	}
	opt := AOFOptions{Preamble: func(context.Context, io.ReaderAt, int64, error) (io.WriterTo, int64, error) {
		return nil, 0, io.ErrNoProgress
	}}
	if _, err := SalvageAOF(t.Context(), bytes.NewReader(sound), int64(len(sound)), opt); err != io.ErrNoProgress {
		t.Errorf("the salvager's error became %v", err)
	}
}

// TestDamagedBase damages the RDB base of a set.
func TestDamagedBase(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b []byte)
		healed bool
	}{
		{"a bit", func(b []byte) { b[len(b)/2] ^= 1 }, true},
		{"a block", func(b []byte) { clear(b[len(b)/2 : len(b)/2+64]) }, false},
		{"the start", func(b []byte) { clear(b[:9]) }, false},
		{"the end", func(b []byte) { clear(b[len(b)-12:]) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, _ := fuzz.AOFSet(3, fuzz.AOFOptions{Base: fuzz.RDBOptions{Keys: 40, Databases: 1}, Increments: 2})
			fsys := fstest.MapFS{}
			for _, f := range files {
				fsys[f.Name] = &fstest.MapFile{Data: bytes.Clone(f.Data)}
			}
			c.damage(fsys[files[1].Name].Data)
			s, err := SalvageSet(t.Context(), fsys, AOFSetOptions{})
			if err != nil || s.Blocked != "" {
				t.Fatal(err, s.Blocked)
			}
			got := written(t, s)
			base := got[aof.DefaultFileName+".1.base.rdb"]
			if c.healed && base != string(files[1].Data) {
				t.Error("healed to another file")
			}
			if n := keysOf(t, []byte(base)); n < 25 || s.Files[0].PreambleFault == nil {
				t.Errorf("%d keys, fault %v", n, s.Files[0].PreambleFault)
			}
			for _, f := range files[2:] {
				if got[f.Name[len(fuzz.AOFDir)+1:]] != string(f.Data) {
					t.Errorf("%s has changed", f.Name)
				}
			}
		})
	}
}
