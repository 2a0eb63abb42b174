package rdb_test

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// oldDigests are the servers of the corpus that hash scores in the old way.
var oldDigests = map[string]bool{"redis-3.2": true, "redis-4.0": true, "redis-5.0": true, "redis-6.2": true, "redis-7.0": true}

// TestDigestCorpus compares the digest of every file with the one that its server gave. The corpus has none of redis-2.8, and none
// of vectors.rdb, for which see TestDigestVectorSets.
func TestDigestCorpus(t *testing.T) {
	n, unknown := 0, 0
	for _, f := range corpus.RDBs(t) {
		if f.Digest == "" {
			continue
		}
		b, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		d := rdb.Digest{}
		if oldDigests[f.Server] {
			d.Dialect = rdb.DigestOld
		}
		for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
			require.NoError(t, err)
			if e, ok := rec.(*rdb.Entry); ok {
				require.NoError(t, d.Add(e))
			}
		}
		require.Equal(t, f.Digest, d.String(), f.ID)
		unknown += min(1, len(d.Unknown()))
		n++
	}
	t.Logf("%d files, in %d of them values of a module without a digest of its own", n, unknown)
}

// TestDigestVectorSets compares each vector set's digest with what Redis 8.6 answers, which has the vectors.
func TestDigestVectorSets(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "rdb/redis-8.6/vectors.rdb"))
	require.NoError(t, err)
	got := oracle.LoadRDB(t, oracle.FindNewest(t, oracle.Redis86, oracle.RedisServer), b, oracle.LoadOptions{Databases: 16})
	require.True(t, got.OK, got.Log)
	for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
		require.NoError(t, err)
		e, ok := rec.(*rdb.Entry)
		if !ok {
			continue
		}
		sum, unknown, err := rdb.DigestValue(e, rdb.DigestAsFile)
		require.NoError(t, err)
		require.Empty(t, unknown)
		want, err := oracle.Texts(got.Server.Do("DEBUG", "DIGEST-VALUE", e.Key))
		require.NoError(t, err)
		require.Equal(t, want, []string{sum.String()}, "%s", e.Key)
	}
}

// TestScoreText compares the text of many scores, with exponents over the whole range, with that of a server.
func TestScoreText(t *testing.T) {
	c := oracle.StartServer(t, oracle.FindNewest(t, oracle.Redis86, oracle.RedisServer), "")
	rnd := rand.New(rand.NewPCG(1, 2))
	scores := []float64{0.1, 0.3, 1e21, 1e22, 1e23, 5e-324, math.MaxFloat64, math.SmallestNonzeroFloat64 * 3, 2.2250738585072014e-308, 1 << 53, 9007199254740993, 1e7, 1e8, 123456789012345680, 0.000001, 0.0000001, -1.5e-7, math.Inf(1), math.Inf(-1)}
	for range 5000 {
		scores = append(scores, math.Float64frombits(rnd.Uint64()), rnd.NormFloat64(), float64(rnd.IntN(1e6))/100, math.Round(rnd.ExpFloat64()*1e9)/1e4)
	}
	cmds := [][]any{}
	for i, v := range scores {
		if math.IsNaN(v) {
			scores[i] = 1
		}
		cmds = append(cmds, []any{"ZADD", "z", strconv.FormatFloat(scores[i], 'g', -1, 64), i})
	}
	_, err := c.Pipeline(cmds)
	require.NoError(t, err)
	want, err := oracle.Texts(c.Do("ZRANGE", "z", 0, -1, "WITHSCORES"))
	require.NoError(t, err)
	require.Len(t, want, 2*len(scores))
	for i := 0; i < len(want); i += 2 {
		n, err := strconv.Atoi(want[i])
		require.NoError(t, err)
		if scores[n] == math.Trunc(scores[n]) && math.Abs(scores[n]) < 1<<62 {
			continue // replies print integers another way
		}
		require.Equal(t, want[i+1], rdb.ScoreText(scores[n]))
	}
}

// TestScoreReadsBack demands of both texts of a score that they are the score's.
func TestScoreReadsBack(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 30000 {
		v := math.Float64frombits(rnd.Uint64())
		if math.IsNaN(v) {
			continue
		}
		for _, text := range []string{rdb.ScoreText(v), rdb.ScoreText17(v)} {
			back, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			require.Equal(t, math.Float64bits(v), math.Float64bits(back), text)
		}
	}
	require.Equal(t, "-0", rdb.ScoreText(math.Copysign(0, -1)))
	require.Equal(t, "-0", rdb.ScoreText17(math.Copysign(0, -1)))
}

// TestScore17 compares with C's "%.17g" as the corpus's truth has it.
func TestScore17(t *testing.T) {
	n := 0
	for _, f := range corpus.RDBs(t) {
		if f.File != "zsets.rdb" && f.File != "random1.rdb" {
			continue
		}
		for k := range corpus.Truth(t, f.TruthPath) {
			for _, m := range k.Value.ZSet {
				require.Equal(t, m.Text, rdb.ScoreText17(m.Score))
				n++
			}
		}
	}
	t.Logf("%d scores", n)
}

// digestOf adds all keys of a file, those whose value is faulty too, and returns the first error.
func digestOf(d *rdb.Digest, file []byte) (first error) {
	r := rdb.NewReader(bytes.NewReader(file))
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			if err := d.Add(e); first == nil {
				first = err
			}
		}
	}
	return first
}

func TestDigestEmpty(t *testing.T) {
	const zero = "0000000000000000000000000000000000000000"
	d := &rdb.Digest{}
	require.Equal(t, zero, d.String())
	require.NoError(t, digestOf(d, redisFile(key(1, "dropped")+ln(0))))
	require.Equal(t, zero, d.String())
	require.NoError(t, digestOf(d, redisFile(key(21, "kept")+ln(0)+streamTail(0, 0)+ln(0))))
	require.NotEqual(t, zero, d.String())
}

// TestDigestOrder changes the order of what has none, and of what has one.
func TestDigestOrder(t *testing.T) {
	sum := func(records ...string) string {
		d := &rdb.Digest{}
		require.NoError(t, digestOf(d, redisFile(records...)))
		return d.String()
	}
	a, b := key(0, "a")+str("1"), key(2, "b")+ln(2)+str("x")+str("y")
	require.Equal(t, sum(a, b), sum(b, a))
	require.Equal(t, sum(a, b), sum(a, key(2, "b")+ln(2)+str("y")+str("x")))
	require.Equal(t, sum("\xfe\x01"+a, "\xfe\x00"+b), sum("\xfe\x00"+b, "\xfe\x01"+a))
	require.NotEqual(t, sum(a), sum("\xfe\x01"+a))
	require.NotEqual(t, sum(key(1, "l")+ln(2)+str("x")+str("y")), sum(key(1, "l")+ln(2)+str("y")+str("x")))
	require.NotEqual(t, sum(a), sum("\xfc"+le64(1)+a))
}

func TestDigestFaulty(t *testing.T) {
	d := &rdb.Digest{}
	require.ErrorIs(t, digestOf(d, redisFile(key(2, "s")+ln(2)+str("x")+str("x"))), rdb.ErrContent)
	require.Equal(t, new(rdb.Digest).String(), d.String(), "not in the digest")
}

// TestDigestModules is about module values: unknown ones are told, and a vector set that is none is an error.
func TestDigestModules(t *testing.T) {
	vectors, _ := rdb.NewModuleID("vectorset", 0)
	other, _ := rdb.NewModuleID("ReJSON-RL", 3)
	d := &rdb.Digest{}
	require.NoError(t, digestOf(d, redisFile(key(7, "m")+ln(uint64(other))+"\x05"+str("{}")+ln(0))))
	require.Equal(t, []string{"ReJSON-RL"}, d.Unknown())
	for _, items := range []string{"", "\x02\x01", "\x05" + str("x"), "\x02\x01\x02\x00\x02\x00\x02\x00\x02\x00", "\x02\x01\x02\x01\x02\x00\x02\x00\x02\x07"} {
		err := digestOf(&rdb.Digest{}, redisFile(key(7, "m")+ln(uint64(vectors))+items+ln(0)))
		require.ErrorIs(t, err, rdb.ErrContent, "%q", items)
	}
	require.NoError(t, digestOf(d, redisFile(key(7, "v")+ln(uint64(vectors))+"\x02\x01\x02\x00\x02\x00\x02\x00"+ln(0))))
}

// TestGrisuPowers computes the table anew.
func TestGrisuPowers(t *testing.T) {
	n := 0
	rdb.GrisuPowers(func(power int, f uint64, e int) bool {
		v := new(big.Float).SetPrec(2000).SetInt64(1)
		ten := new(big.Float).SetPrec(2000).SetInt64(10)
		for range max(power, -power) {
			if power > 0 {
				v.Mul(v, ten)
			} else {
				v.Quo(v, ten)
			}
		}
		v.SetMantExp(v, -e)
		want, _ := v.Add(v, big.NewFloat(0.5)).Uint64()
		require.Equal(t, want, f, "10^%d", power)
		n++
		return true
	})
	require.Equal(t, 87, n)
}
