package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kvfsck/kvfsck/internal/report"
)

// TestKindOf: a damaged snapshot may begin with any byte, also with the first one of a log.
func TestKindOf(t *testing.T) {
	for _, c := range []struct{ name, head, want string }{
		{"dump.rdb", "REDIS0012\xfa\x09redis-ver", report.KindRDB},
		{"dump.rdb", "*EDIS0012\xfa\x09redis-ver", report.KindRDB},
		{"dump.rdb", "#EDIS0012\xfa\x09redis-ver", report.KindRDB},
		{"dump.rdb", "#\x07user:15\x0bvalue\r\n-of-15", report.KindRDB},
		{"dump.rdb", "*\x07user:15\x0bvalue", report.KindRDB},
		{"dump.rdb", "*", report.KindAOF},
		{"dump.rdb", "*3\r\n$3\r\nSET\r\n", report.KindAOF},
		{"a.bak", "*x\r\n$3\r\nSET\r\n", report.KindAOF},
		{"a.bak", "#TS:1700000000\r\n", report.KindAOF},
		{"a.bak", "#TS:17000", report.KindAOF},
		{"a.bak", "# a comment\nfile a.1.base.rdb seq 1 type b\n", report.KindManifest},
		{"appendonly.aof", "*\x07user:15", report.KindAOF},
		{"appendonly.aof", "\x00\x00\x00\x00", report.KindAOF},
	} {
		assert.Equal(t, c.want, kindOf(c.name, []byte(c.head)).name, "%s, %q", c.name, c.head)
	}
}
