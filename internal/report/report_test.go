package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
)

const end = "\xff\x00\x00\x00\x00\x00\x00\x00\x00"

func verify(t *testing.T, file string) report.Target {
	t.Helper()
	rep, err := rdb.Verify(context.Background(), strings.NewReader(file), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true})
	return report.RDB(rep, err, true)
}

// TestVerdicts has a file for each way in which server and checker agree and differ.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name, file      string
		verdict         report.Verdict
		server, checker string
		code            string // of the finding that decides
	}{
		{"clean", "REDIS0011\xfe\x00\x00\x01k\x01v" + end, report.Clean, "accepts", "accepts", ""},
		{"bytes behind the end", "REDIS0011" + end + "abc", report.Clean, "accepts", "accepts", ""},
		{"nothing", "", report.Damaged, "refuses", "refuses", "truncated"},
		{"no snapshot", "*2\r\n$6\r\nSELECT", report.Damaged, "refuses", "refuses", "signature"},
		{"cut off", "REDIS0011\xfe\x00\x00\x01k\x05v", report.Damaged, "refuses", "refuses", "truncated"},
		{"a wrong checksum", "REDIS0011\xff12345678", report.Damaged, "refuses", "refuses", "checksum"},
		{"a key twice", "REDIS0011\x00\x01k\x01v\x00\x01k\x01w" + end, report.Damaged, "refuses", "accepts", "duplicate-key"},
		{"an empty list", "REDIS0011\x01\x01k\x00" + end, report.Damaged, "drops", "refuses", "empty-collection"},
		{"an empty list and a key twice", "REDIS0011\x01\x01k\x00\x00\x01k\x01v\x00\x01l\x01v\x00\x01l\x01w" + end, report.Damaged, "refuses", "refuses", "duplicate-key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := verify(t, c.file)
			require.Equal(t, c.verdict, got.Verdict)
			require.Equal(t, c.server, got.Server.Verdict)
			require.Equal(t, c.checker, got.Checker.Verdict)
			require.Equal(t, c.code, string(got.Server.Code))
			if c.verdict == report.Clean {
				for _, f := range got.Findings {
					require.NotEqual(t, "error", f.Severity, "%v", f)
				}
			}
		})
	}
}

// TestUnreadable says that an error of the input is neither clean nor damage, and that one of the compression is damage.
func TestUnreadable(t *testing.T) {
	got := report.RDB(&rdb.Report{}, errors.New("disk on fire"), true)
	require.Equal(t, report.Unreadable, got.Verdict)
	require.Equal(t, "disk on fire", got.Error)
	require.Nil(t, got.Server)

	got = report.RDB(&rdb.Report{}, &input.CorruptError{Layer: "gzip", Consumed: 7, Err: errors.New("bad")}, true)
	require.Equal(t, report.Damaged, got.Verdict)
	require.Equal(t, report.CodeCompression, got.Findings[0].Code)
	require.Equal(t, report.Int(1), got.Total)
}

// TestDocument holds the document to its form: every field there, null where it does not apply.
func TestDocument(t *testing.T) {
	target := verify(t, "REDIS0011\xfa\x09redis-ver\x05<8.6>\xfa\x05ctime\x0a1700000000\xfe\x81\xff\xff\xff\xff\xff\xff\xff\xfe\x02\x01\xff\x02\x01m\x01m"+end)
	target.Path = report.Bytes("a&b")
	var out bytes.Buffer
	require.NoError(t, (&report.Document{Targets: []report.Target{target}}).Write(&out))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	for _, want := range []string{
		`{"schema":"kvfsck.report/1","targets":[{"path":"a&b","kind":"rdb","verdict":"damaged","size":null,"compression":null,`,
		`"code":"set-duplicate","severity":"error","offset":`, `"db":"18446744073709551614","key":{"b64":"/w=="},"type":"set","encoding":"hashtable"}`,
		`"family":"Redis","rdb_version":11,"writer":"Redis <8.6>","created":1700000000,`,
		`"checksum":{"state":"disabled",`, `"duplicate_keys":0,"databases":[{"db":"18446744073709551614","keys":1,"expires":0}]`,
		`"types":[{"type":"set","encoding":"hashtable","rdb_type":2,"keys":1,"bytes":`, `"function_libraries":[],"modules":[]`,
	} {
		require.Contains(t, out.String(), want)
	}
	var any map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &any))

	out.Reset()
	require.NoError(t, (&report.Document{}).Write(&out))
	require.Equal(t, `{"schema":"kvfsck.report/1","targets":[]}`+"\n", out.String())
}

// TestWriter prefers what Valkey says of itself to the version of Redis that it is compatible with.
func TestWriter(t *testing.T) {
	got := verify(t, "REDIS0011\xfa\x09redis-ver\x057.2.4\xfa\x0avalkey-ver\x058.0.1"+end)
	require.Equal(t, "Valkey 8.0.1", string(got.Summary.Writer))
}
