package aof

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof/internal/commands"
)

// TestShortNames holds the quick answer to the table, for every command, in several ways to write it and with all numbers of arguments that matter.
func TestShortNames(t *testing.T) {
	short := shortNames()
	names := [][]byte{{}, {0}, []byte("set\x00"), []byte("nosuch"), []byte("xgroup|create"), []byte("SeT"), []byte("averylongnameofacommandthatisnone")}
	commands.Each(func(name string, _ commands.Command) {
		names = append(names, []byte(name), bytes.ToUpper([]byte(name)), append(bytes.ToUpper([]byte(name[:1])), name[1:]...))
	})
	for _, name := range names {
		for argc := range int64(12) {
			c := Command{Args: [][]byte{name, []byte("create")}, Argc: argc + 1}
			require.Equal(t, c.plausibility() == [len(Servers)]Plausibility{}, c.plausible(short), "%q, %d", name, argc+1)
		}
	}
}
