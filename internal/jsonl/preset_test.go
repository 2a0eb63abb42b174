package jsonl

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestPresets says that what stands between key and value has room, whatever the type.
func TestPresets(t *testing.T) {
	all := append([]*between{}, ofStrings[:]...)
	for _, family := range []rdb.Family{rdb.Redis, rdb.Valkey} {
		for typ := range 256 {
			e := rdb.Entry{Family: family, Type: rdb.Type(typ)}
			if kind := e.Kind(); kind != rdb.KindUnknown && kind != rdb.KindString {
				all = append(all, newBetween(kind, e.Encoding()))
			}
		}
	}
	require.Greater(t, len(all), 30)
	for _, b := range all {
		text := string(b.text[:b.n])
		require.Contains(t, text, valueField)
		require.Less(t, b.n, len(b.text), text)
		require.True(t, strings.HasSuffix(text[:b.at], expiryField), text)
	}
}
