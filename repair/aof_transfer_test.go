package repair

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
)

func toLF(b string) string     { return strings.ReplaceAll(b, "\r\n", "\n") }
func toCRLF(b string) string   { return strings.ReplaceAll(b, "\n", "\r\n") }
func loneToCR(b string) string { return toCRLF(toLF(b)) }

// TestTextTransfers: a log of which all ends of lines were changed is what it was, but for commands that may have been several.
func TestTextTransfers(t *testing.T) {
	a, z := commands("SELECT 3", "SET a 1", "MULTI", "INCR n", "EXEC"), "#TS:1700000000\r\n"+commands("SET z 2", "DEL y")
	windows := resp("SET", "w", "one\r\ntwo\r\n") + resp("HSET", "h", "\r\n", "\r\n\r\n") + resp("SET", "", "")
	unix := resp("SET", "u", "one\ntwo\n") + resp("SET", "\n", "{\n \"a\": 1\n}") + resp("SET", "v", "a\nb")
	mixed := resp("SET", "m", "one\r\ntwo\nthree")
	log := resp("SET", "l", "a log:\r\n"+a)
	binary := resp("SET", "b", "\x00\r\xff\r\r\n\n\r")
	for _, c := range []struct {
		name     string
		was      string
		transfer func(string) string
		want     string
		opt      AOFOptions
	}{
		{"LF", a + windows + unix + log + z, toLF, a + windows + unix + log + z, AOFOptions{}},
		{"LF, either", a + mixed + z, toLF, a + z, AOFOptions{}},
		{"LF, either, kept", a + mixed + z, toLF, a + resp("SET", "m", "one\r\ntwo\nthree") + z, AOFOptions{Doubtful: true}},
		{"LF, either in a transaction", a + commands("MULTI") + mixed + commands("EXEC") + z, toLF, a + z, AOFOptions{}},
		{"LF, a record of a value's in the middle of it", a + resp("SET", "k", "$3\r\nabc\r\n*1\r\n$4\r\nPING\r\n") + z, toLF, a + resp("SET", "k", "$3\r\nabc\r\n*1\r\n$4\r\nPING\r\n") + z, AOFOptions{}},
		{"CR before each LF", a + windows + unix + mixed + binary + log + z, toCRLF, a + windows + unix + mixed + binary + log + z, AOFOptions{}},
		{"CR where there was none", a + windows + unix + log + z, loneToCR, a + windows + unix + log + z, AOFOptions{}},
		{"CR where there was none, either", a + unix + mixed + z, loneToCR, a + unix + z, AOFOptions{}},
		{"CR where there was none, too few to tell", a + windows + resp("SET", "u", "one\ntwo\n") + z, loneToCR, a + windows + z, AOFOptions{}},
		{"a point in time", a + windows + z, toLF, a + windows, AOFOptions{Until: 1600000000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, got := salvageBytes(t, []byte(c.transfer(c.was)), c.opt)
			if string(got) != c.want {
				t.Errorf("got  %q\nwant %q\nmap %v", got, c.want, s.Regions)
			}
			acceptAOF(t, s, got)
			require.False(t, s.Sound)
		})
	}
}

// TestTextTransfersOfGenerated: of logs with all kinds of arguments nothing comes out that was not there, and without damage besides all but what may have been
// several; a transfer that added CR everywhere is undone as a whole.
func TestTextTransfersOfGenerated(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		layout := []fuzz.AOFLayout{fuzz.AOFPlain, fuzz.AOFPreamble}[seed%2]
		files, _ := fuzz.AOFSet(seed, fuzz.AOFOptions{Layout: layout, Commands: 4000, Timestamps: seed%3 == 0, Base: fuzz.RDBOptions{Keys: 30}})
		was := files[0].Data
		sound := soundLog(t, was)
		for name, transfer := range map[string]func(string) string{"LF": toLF, "CR before each LF": toCRLF, "CR where there was none": loneToCR} {
			for _, damaged := range []bool{false, true} {
				b := []byte(transfer(string(was)))
				if damaged {
					r := rand.New(rand.NewSource(int64(seed)))
					at := len(b)/2 + r.Intn(len(b)/3)
					clear(b[at:min(at+r.Intn(2000), len(b))])
				}
				label := fmt.Sprintf("%s, seed %d, damaged: %v", name, seed, damaged)
				s, out := salvageBytes(t, b, AOFOptions{})
				acceptAOF(t, s, out)
				if name == "CR before each LF" && !damaged {
					require.Equal(t, string(was), string(out), label)
				}
				if layout == fuzz.AOFPreamble { // of which text mode is undone by the checksum, or not
					continue
				}
				strange := 0
				for at := 0; at < len(out); {
					end := at + bytes.IndexByte(out[at:], '\n') + 1
					if out[at] != '#' {
						_, end = strictCommand(out, at)
						if !sound.texts[string(out[at:end])] && !bytes.HasPrefix(out[at:], []byte("*2\r\n$6\r\nSELECT")) {
							strange++
						}
					}
					at = end
				}
				if damaged { // in the content of one, perhaps
					require.LessOrEqual(t, strange, 1, label)
				} else {
					require.Zero(t, strange, label)
					t.Logf("%s: %d of %d kept, %d may be several, transactions left out %d", label, s.Kept, len(sound.order), s.Doubtful, s.Transactions)
					require.GreaterOrEqual(t, s.Kept, int64(len(sound.order))*9/10, label)
				}
			}
		}
	}
}

// TestTextLogReadsAnywhere: the view of the log as it was gives the same at every place, and its places and those of the file go together.
func TestTextLogReadsAnywhere(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	var was strings.Builder
	for was.Len() < 5*textBlockSize {
		lines := []string{"", "\n", "\r\n", "a\r\nb\r\n\r\n", "a\nb", strings.Repeat("x", r.Intn(90)), strings.Repeat("\r\n", r.Intn(200)), strings.Repeat("\n", r.Intn(200)), "\r\r"}
		was.WriteString(resp("SET", fmt.Sprint("k", r.Intn(1000)), lines[r.Intn(len(lines))]))
	}
	want := was.String()
	for name, transfer := range map[string]func(string) string{"LF": toLF, "CR before each LF": toCRLF, "CR where there was none": loneToCR} {
		b := transfer(want)
		x, err := findText(context.Background(), strings.NewReader(b), int64(len(b)))
		require.NoError(t, err)
		require.NotNil(t, x, name)
		require.Greater(t, len(x.blocks), 2)
		got, err := io.ReadAll(io.NewSectionReader(x, 0, x.restored))
		require.NoError(t, err)
		if want := want; name != "CR where there was none" { // there "\r\n" may have been either
			require.True(t, want == string(got), name)
		}
		for range 300 {
			off := r.Intn(len(got))
			p := make([]byte, min(1+r.Intn(300), len(got)-off))
			_, err := x.ReadAt(p, int64(off))
			require.NoError(t, err)
			require.Equal(t, string(got[off:off+len(p)]), string(p), name)

			place, err := x.place(int64(off))
			require.NoError(t, err)
			back, err := x.restoredAt(place)
			require.NoError(t, err)
			require.LessOrEqual(t, max(back-int64(off), int64(off)-back), int64(1), "%s: %d is at %d, and that is %d", name, off, place, back)
			if off > 0 && got[off-1] == '\n' {
				require.Equal(t, int64(off), back, name)
				require.Equal(t, byte('\n'), b[place-1], name)
			}
		}
		_, err = x.ReadAt(make([]byte, 10), int64(len(got)-3))
		require.ErrorIs(t, err, io.EOF)
	}
}

// TestTextTransferBounded: what looks as if it were such a log, and is not, takes no time that grows faster than it.
func TestTextTransferBounded(t *testing.T) {
	for name, b := range map[string]string{
		"arguments longer than what is left": strings.Repeat("*2\n$1\na\n$99999999\n", 40_000),
		"arguments that fail at their end":   strings.Repeat("*2\n$1\na\n$400000\n", 40_000),
		"ends of lines":                      "*1\n$4\nPING\n*1\n$4\nPING\n" + strings.Repeat("\n", 1<<20),
		"records begun":                      "*1\n$4\nPING\n*1\n$4\nPING\n" + strings.Repeat("\n*9999", 200_000),
	} {
		x, err := findText(context.Background(), strings.NewReader(b), int64(len(b)))
		require.NoError(t, err, name)
		require.NotNil(t, x, name)
		s, out := salvageBytes(t, []byte(b), AOFOptions{})
		acceptAOF(t, s, out)
	}
}
