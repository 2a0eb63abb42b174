package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWithoutProducers takes out of logged commands what servers do not take from clients.
func TestWithoutProducers(t *testing.T) {
	for _, c := range []struct{ logged, left string }{
		{"XADD s IDMP p i 5-0 f v", "XADD s 5-0 f v"},
		{"xadd s NOMKSTREAM MAXLEN ~ 10 LIMIT 5 idmpauto p 5-0 f v", "xadd s NOMKSTREAM MAXLEN ~ 10 LIMIT 5 5-0 f v"},
		{"XADD s IDMP p i MAXLEN 10 5-0 f v", "XADD s MAXLEN 10 5-0 f v"},
		{"XADD s 5-0 IDMP p i v", "XADD s 5-0 IDMP p i v"},
		{"XADD s IDMP p i * f v", "XADD s IDMP p i * f v"},
		{"XADD s MAXLEN", "XADD s MAXLEN"},
		{"XIDMPRECORD s p i 5-0", ""},
		{"SET IDMP p", "SET IDMP p"},
	} {
		left, same := withoutProducers(bytes.Fields([]byte(c.logged)))
		require.Equal(t, c.left, string(bytes.Join(left, []byte(" "))))
		require.Equal(t, c.left == c.logged, same)
		require.Equal(t, len(strings.Fields(c.left)), len(left))
	}
}
