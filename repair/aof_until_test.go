package repair

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUntilDamagedTime: what stands behind a damaged timestamp is kept if the next one is early enough, and left out if that is later or there is none.
func TestUntilDamagedTime(t *testing.T) {
	early, late, last := "#TS:1700000100\r\n"+commands("SET a 1", "SET b 2"), commands("FLUSHALL", "SET late 3"), "#TS:1700000300\r\n"+commands("SET last 4")
	for _, note := range []string{
		".TS:1700000200\r\n", "#US:1700000200\r\n", "#TS:17000x0200\r\n", "#TS:0700000200\r\n", "#TS:1700000200\r\r", strings.Repeat("\x00", 16), "#TS:1700000200",
	} {
		log := early + note + late
		for _, behind := range []string{last, ""} {
			s, got := salvageBytes(t, []byte(log+behind), AOFOptions{Until: 1700000150})
			assert.Equal(t, early, string(got), "%q, %q", note, behind)
			assert.EqualValues(t, len(early), s.Cut, "%q", note)
			assert.Contains(t, s.Regions[len(s.Regions)-1].String(), "nothing shows that it is from before the time asked for")
		}
		_, got := salvageBytes(t, []byte(log+last), AOFOptions{Until: 1700000300})
		assert.Contains(t, string(got), late+last, "%q", note)
	}
	torn := early + commands("SET c 3")[:9]
	s, got := salvageBytes(t, []byte(torn), AOFOptions{Until: 1700000150})
	assert.Equal(t, early, string(got), "a torn end")
	assert.EqualValues(t, -1, s.Cut)
	assert.EqualValues(t, 1, s.Lost)
	multi := early + commands("MULTI", "SET m 1") + "#US:1700000200\r\n" + commands("SET m 2", "EXEC") + last
	_, got = salvageBytes(t, []byte(multi), AOFOptions{Until: 1700000150})
	assert.Equal(t, early, string(got), "in a transaction")
}

// TestUntilAcrossFiles: the next sound timestamp may be in another file of the set, and what was changed last before the time asked for needs none.
func TestUntilAcrossFiles(t *testing.T) {
	damaged := "#TS:1700000100\r\n" + commands("SET a 1") + "#US:1700000200\r\n" + commands("SET b 2")
	for _, c := range []struct {
		second string
		until  int64
		want   []string // in the output, of the files
	}{
		{"#TS:1700000300\r\n" + commands("SET c 3"), 1700000150, []string{commands("SET a 1")}},
		{"#TS:1700000300\r\n" + commands("SET c 3"), 1700000350, []string{damaged, commands("SET c 3")}},
		{commands("SET c 3"), 1700000350, []string{commands("SET a 1")}},
		{commands("SET c 3"), time.Now().Unix() + 3600, []string{damaged, commands("SET c 3")}},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"appendonly.aof.manifest":   "file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n",
			"appendonly.aof.1.incr.aof": damaged, "appendonly.aof.2.incr.aof": c.second,
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		opt := LogPlanOptions{}
		opt.Until = c.until
		p, err := NewLogPlan(context.Background(), os.DirFS(dir), "", opt)
		require.NoError(t, err)
		require.Len(t, p.Salvaged.Files, len(c.want))
		require.Len(t, p.Salvaged.Later, 2-len(c.want))
		if len(c.want) == 1 {
			require.EqualValues(t, len(damaged)-len("#TS:1700000100\r\n"+commands("SET a 1"))+len(c.second), p.Chosen.Bytes)
		}
		for i, want := range c.want {
			var got strings.Builder
			require.NoError(t, p.Salvaged.writeTo(context.Background(), &p.Salvaged.Files[i], &got))
			assert.True(t, strings.HasSuffix(got.String(), want), "until %d: %q", c.until, got.String())
		}
	}
}

// TestUntilWithoutTimes is an error: a log that is left as it is would look as if it ended before that time.
func TestUntilWithoutTimes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one.aof"), []byte(commands("SET a 1")), 0o600))
	opt := LogPlanOptions{}
	opt.Until = 1700000150
	_, err := NewLogPlan(context.Background(), os.DirFS(dir), "one.aof", opt)
	require.ErrorIs(t, err, ErrNoTimes)
}
