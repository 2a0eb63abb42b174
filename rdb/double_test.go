package rdb_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// scores are texts of scores and what sscanf("%lg") of glibc 2.43 makes of them; NaN stands for what it refuses.
var scores = []struct {
	text string
	want float64
}{
	{"1.5", 1.5}, {"-2e3x", -2000}, {" \t\n\v\f\r7", 7}, {"3xy", 3}, {".5", .5}, {"5.", 5}, {"+4", 4}, {"1\x00e", 1}, {"1.2.3", 1.2}, {"00x1", 0}, {"0b1", 0}, {"1_0", 1},
	{"1e999", math.Inf(1)}, {"1e-999", 0}, {"1e5e", 1e5}, {"1e5-", 1e5}, {"1e5p1", 1e5}, {"1p1", 1},
	{"0x10", 16}, {"0x.8", .5}, {"0X1.P3z", 8}, {"0x1e5", 0x1e5}, {"0x1p1p", 2}, {"-0x1g", -1},
	{"inf", math.Inf(1)}, {"INFx", math.Inf(1)}, {"-Infinity!", math.Inf(-1)}, {"infinityi", math.Inf(1)},

	// These begin with a number and go on as a longer one would, without its end. strtod takes the number, and so did sscanf up to glibc 2.36 in
	// the first two rows.
	{"1e", math.NaN()}, {"1e+", math.NaN()}, {"7e+>", math.NaN()}, {"7E>:", math.NaN()}, {"1.e", math.NaN()}, {"1ee5", math.NaN()},
	{"0x1p", math.NaN()}, {"0x1P-", math.NaN()}, {"0x.", math.NaN()}, {"0x.p1", math.NaN()},
	{"0x", math.NaN()}, {"-0xg", math.NaN()}, {"0xp1", math.NaN()}, {"infi", math.NaN()}, {"-INFINIT", math.NaN()}, {"infinitx", math.NaN()},

	{"", math.NaN()}, {" ", math.NaN()}, {".", math.NaN()}, {"-", math.NaN()}, {"--4", math.NaN()}, {"- 4", math.NaN()}, {"e5", math.NaN()}, {".e5", math.NaN()}, {"abc", math.NaN()}, {"\x001", math.NaN()},
	{"in", math.NaN()}, {"na", math.NaN()}, {"n(1)", math.NaN()}, {"nan(", math.NaN()}, {"nan(1", math.NaN()}, {"-nan(+)", math.NaN()},
}

func TestScanfDouble(t *testing.T) {
	for _, c := range scores {
		v, ok := rdb.ScanfDouble([]byte(c.text))
		if assert.Equal(t, !math.IsNaN(c.want), ok, "%q", c.text) && ok {
			assert.Equal(t, c.want, v, "%q", c.text)
		}
	}
	for _, text := range []string{"nan", "-NaN", "nanx", "nan()", " nan(a_1)z"} {
		v, ok := rdb.ScanfDouble([]byte(text))
		assert.True(t, ok && math.IsNaN(v), "%q", text)
	}
}

// packedScores are texts of scores in a listpack and what the newest servers make of them.
var packedScores = []struct {
	text          string
	redis, valkey float64
}{
	{"1.5", 1.5, 1.5}, {"+5", 5, 5}, {"1e", 1, 1}, {"5.", 5, 5}, {".5", .5, .5}, {"-1e400", math.Inf(-1), math.Inf(-1)}, {"1e-400", 0, 0}, {"infin", math.Inf(1), math.Inf(1)}, {"-INFINITYx", math.Inf(-1), math.Inf(-1)},
	{"0x10", 0, 0}, {"-0X1p4", math.Copysign(0, -1), math.Copysign(0, -1)}, {" 5", 0, 0}, {"\t-5", 0, 0}, {"", 0, 0}, {"+", 0, 0}, {"abc", 0, 0}, {"1\x002", 1, 1},
	{strings.Repeat("1", 200), 1.1111111111111111e126, 1.1111111111111111e199}, {"0." + strings.Repeat("0", 130) + "1", 0, 1e-131},
}

func TestPackedDouble(t *testing.T) {
	for _, c := range packedScores {
		for family, want := range map[rdb.Family]float64{rdb.Redis: c.redis, rdb.Valkey: c.valkey} {
			got := rdb.PackedDouble([]byte(c.text), family)
			assert.Equal(t, math.Float64bits(want), math.Float64bits(got), "%q, %v: %v", c.text, family, got)
		}
	}
}

// TestPackedDoubleAgainstServers asks the newest servers for the scores.
func TestPackedDoubleAgainstServers(t *testing.T) {
	for release, want := range map[string]func(i int) float64{
		oracle.Redis86:  func(i int) float64 { return packedScores[i].redis },
		oracle.Valkey91: func(i int) float64 { return packedScores[i].valkey },
	} {
		var records []string
		for i, c := range packedScores {
			records = append(records, key(17, fmt.Sprint("z", i)), str(lp("m", c.text)))
		}
		got := oracle.LoadRDB(t, oracle.FindNewest(t, release, oracle.RedisServer), file("REDIS0011", records...), oracle.LoadOptions{Databases: 16})
		require.True(t, got.OK, got.Log)
		for i, c := range packedScores {
			text, err := oracle.Text(got.Server.Do("ZSCORE", fmt.Sprint("z", i), "m"))
			require.NoError(t, err)
			score, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			assert.Equal(t, math.Float64bits(want(i)), math.Float64bits(score), "%s, %q: %s", release, c.text, text)
		}
		got.Server.Kill()
	}
}

// zsetOfText is a file of version 7 with a sorted set of one member, whose score is a text.
func zsetOfText(score string) []byte {
	return fmt.Appendf(nil, "REDIS0007\xfe\x00\x03\x01z\x01\x01m%c%s\xff\x00\x00\x00\x00\x00\x00\x00\x00", len(score), score)
}

// TestScanfDoubleAgainstTheRealTool asks the newest checker of Redis, which runs with glibc 2.43.
func TestScanfDoubleAgainstTheRealTool(t *testing.T) {
	binary := oracle.FindNewest(t, oracle.Redis86, oracle.RedisCheckRDB)
	path := filepath.Join(t.TempDir(), "x.rdb")
	for _, c := range scores {
		require.NoError(t, os.WriteFile(path, zsetOfText(c.text), 0o600))
		exit, output, _ := oracle.CheckRDB(binary, path)
		assert.Equal(t, math.IsNaN(c.want), exit != 0, "%q: %s", c.text, output)
	}
}

// FuzzDouble reads any text as a number: what Go reads too is the same, and what sscanf takes strtod takes.
func FuzzDouble(f *testing.F) {
	for _, c := range scores {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		v, used := rdb.ScanDouble(p)
		if used < 0 || used > len(p) || used == 0 && v != 0 {
			t.Fatalf("%q: %v, %d bytes", p, v, used)
		}
		w, ok := rdb.ScanfDouble(p)
		if ok && (used == 0 || math.Float64bits(v) != math.Float64bits(w) && v == v) {
			t.Fatalf("%q: sscanf %v, strtod %v of %d bytes", p, w, v, used)
		}
		text := string(p)
		if g, err := strconv.ParseFloat(text, 64); err == nil && !strings.Contains(text, "_") {
			if !ok || used != len(p) || g != v && (g == g || v == v) {
				t.Fatalf("%q: Go %v, sscanf %v %v, strtod %v of %d bytes", p, g, w, ok, v, used)
			}
		}
	})
}
