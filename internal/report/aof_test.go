package report_test

import (
	"bytes"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/report"
)

// Pieces of logs.
const (
	ping = "*1\r\n$4\r\nPING\r\n"
	torn = "*2\r\n$3\r\nDEL\r\n$1"
	name = "appendonly.aof"
)

func checkLog(t *testing.T, content string) report.Target {
	t.Helper()
	set, err := aof.OpenFile(fstest.MapFS{name: {Data: []byte(content)}}, name)
	require.NoError(t, err)
	rep, err := set.Check(t.Context(), aof.CheckOptions{})
	require.NoError(t, err)
	return report.AOF(rep, 100)
}

// TestVerdictsOfLogs has a log for each way in which servers and checker agree and differ.
func TestVerdictsOfLogs(t *testing.T) {
	valkey := "VALKEY080\xfa\x0avalkey-ver\x059.1.2" + end
	for _, c := range []struct {
		name, file      string
		verdict         report.Verdict
		server, program string
		checker         string
		family          string
		warning         string // of Redis
	}{
		{"clean", ping, report.Clean, "accepts", "redis-server", "accepts", "", ""},
		{"empty", "", report.Clean, "accepts", "redis-server", "accepts", "", ""},
		{"with a snapshot", "REDIS0011" + end + ping, report.Clean, "accepts", "redis-server", "accepts", "Redis", ""},
		{"with Valkey's, which Redis refuses", valkey + ping, report.Clean, "accepts", "valkey-server", "refuses", "Valkey", ""},
		{"cut short", ping + torn, report.Damaged, "drops", "redis-server", "refuses", "", ""},
		{"cut short behind a snapshot", "REDIS0011" + end + torn, report.Damaged, "drops", "redis-server", "refuses", "Redis", "it cuts the file at 0, before"},
		{"cut short in a transaction", ping + "*1\r\n$5\r\nMULTI\r\n" + ping + torn, report.Damaged, "drops", "redis-server", "refuses", "", "it leaves the unfinished transaction that begins at 14"},
		{"garbage", ping + "garbage", report.Damaged, "refuses", "redis-server", "refuses", "", ""},
		{"an argument too many", ping + "*3\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb\r\n", report.Damaged, "accepts", "redis-server", "accepts", "", ""},
		{"a SELECT of no database", ping + "*2\r\n$6\r\nSELECT\r\n$1\r\nq\r\n", report.Damaged, "accepts", "redis-server", "accepts", "", ""},
		{"a snapshot that drops a key", "REDIS0011\x01\x01k\x00" + end, report.Damaged, "accepts", "redis-server", "refuses", "Redis", ""},
		{"a command of Redis only", "*4\r\n$7\r\nXCFGSET\r\n$1\r\nk\r\n$13\r\nIDMP-DURATION\r\n$1\r\n5\r\n", report.Clean, "accepts", "redis-server", "accepts", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := checkLog(t, c.file)
			require.Equal(t, c.verdict, got.Verdict)
			require.Equal(t, c.server, got.Server.Verdict)
			require.Equal(t, c.program, got.Server.Program)
			require.Equal(t, c.checker, got.Checker.Verdict)
			require.Equal(t, c.family, string(got.Set.Family))
			require.Contains(t, string(got.Set.Starts[0].Warning), c.warning)
			require.Equal(t, c.warning == "", got.Set.Starts[0].Warning == "")
		})
	}
}

// TestDocumentOfLog holds the fields of logs to their form.
func TestDocumentOfLog(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, (&report.Document{Targets: []report.Target{checkLog(t, ping+torn)}}).Write(&out))
	for _, want := range []string{
		`"kind":"aof","verdict":"damaged"`,
		`"server":{"program":"redis-server","verdict":"drops","code":"short","message":"last record is cut short`,
		`"findings":[{"code":"file-damaged","severity":"error","file":"appendonly.aof","offset":29,"record_offset":null,"message":"`,
		`"summary":null,"set":{"manifest":null,"family":null,"bytes":29,"commands":1,"annotations":0,"base_keys":0,`,
		`"files":[{"file":"appendonly.aof","role":"base","seq":1,"size":29,"rdb":false,"keys":0,"commands":1,"annotations":0,"valid_up_to":14}]`,
		`"starts":[{"server":"redis-8.6","aof_load_truncated":true,"outcome":"loads-cut","reason":"short","file":"appendonly.aof","offset":14,"lost_bytes":`,
		`{"server":"valkey-9.1","aof_load_truncated":false,"outcome":"refuses","reason":"short",`,
	} {
		require.Contains(t, out.String(), want)
	}
}
