package aof

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof/internal/commands"
)

// TestShortCommands holds the quick answer to the table, for every command, in several ways to write it and with all numbers of arguments that matter.
func TestShortCommands(t *testing.T) {
	short := lookShort()
	names := [][]byte{{}, {0}, []byte("set\x00"), []byte("nosuch"), []byte("exec\x00x"), []byte("pexpireax"), []byte("zremrangebyscore"), []byte("zremrangebyscorex"), []byte("SeT"), []byte("averylongnameofacommandthatisnone")}
	commands.Each(func(name string, _ commands.Command) {
		names = append(names, []byte(name), bytes.ToUpper([]byte(name)), append(bytes.ToUpper([]byte(name[:1])), name[1:]...))
	})
	found := 0
	for _, name := range names {
		for _, behind := range []string{"", "\r\n", "\r\n$1\r\nx\r\n"} {
			b := append(append([]byte("$1\r\n"), name...), behind...)
			known := short.at(shortNameAt(b, 4, len(name)))
			if known.name == (shortName{}) {
				continue
			}
			found++
			require.Equal(t, specialOf(name, true), known.special, "%q", name)
			for argc := range int64(12) {
				c := Command{Args: [][]byte{name, []byte("create")}, Argc: argc + 1}
				require.Equal(t, c.plausibility() == [len(Servers)]Plausibility{}, known.plausible(argc+1), "%q, %d", name, argc+1)
			}
		}
	}
	require.Greater(t, found, 600)
	taken := 0
	for _, p := range short {
		if p.name != (shortName{}) {
			taken++
		}
	}
	require.Less(t, taken, len(short)/2)
	t.Logf("%d of %d places", taken, len(short))
}
