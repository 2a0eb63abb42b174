package aof

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"

	"github.com/kvfsck/kvfsck/aof/internal/commands"
)

// Server is a server whose behaviour is foretold: the newest of its family, in its default configuration.
type Server uint8

const (
	Redis86  Server = iota // Redis 8.6
	Valkey91               // Valkey 9.1
)

// Servers are all of them.
var Servers = [...]Server{Redis86, Valkey91}

var servers = [...]struct {
	name    string
	release commands.Release
}{
	Redis86:  {"redis-8.6", commands.Redis86},
	Valkey91: {"valkey-9.1", commands.Valkey91},
}

// String returns "redis-8.6" or "valkey-9.1".
func (s Server) String() string { return servers[s].name }

// Plausibility is what a server's table of commands says of a command.
type Plausibility uint8

const (
	// Plausible: known, with a number of arguments that it takes.
	Plausible Plausibility = iota
	// UnknownCommand: a server ends at it when it loads, unless a module or a renamed command provides it.
	UnknownCommand
	// WrongArity: Valkey refuses the file. Redis does not look at the number of arguments before it executes a command, and may crash if there are too
	// few.
	WrongArity
)

// String returns "plausible", "unknown-command" or "wrong-arity".
func (p Plausibility) String() string {
	return [...]string{"plausible", "unknown-command", "wrong-arity"}[p]
}

// Plausibility looks the command up among those of the server, in its default configuration and without modules. It needs the first two arguments; a subcommand that is
// not among Args is unknown.
func (c *Command) Plausibility(s Server) Plausibility { return c.plausibility()[s] }

// shortCommand is a command that has a name of at most sixteen bytes and no subcommands.
type shortCommand struct {
	name    shortName // empty: none
	special Special
	arity   [len(Servers)]int8 // how many arguments each server takes, its name included; a negative number is a minimum; 0: unknown to it
}

// shortCommands are a hash table of them, each by its name in upper and in lower case. Most places are free; a name whose place is not goes to the next free one.
type shortCommands [1 << shortBits]shortCommand

const shortBits = 11

// lookShort makes the table when it is first wanted.
var lookShort = sync.OnceValue(func() *shortCommands {
	t := new(shortCommands)
	commands.Each(func(name string, c commands.Command) {
		if len(name) > 16 || c.Subcommands != [3]bool{} || strings.Contains(name, "|") {
			return
		}
		short := shortCommand{special: specialOf([]byte(name), false)}
		for i, s := range Servers {
			short.arity[i] = c.Arity[servers[s].release]
		}
		for _, n := range [][]byte{[]byte(name), bytes.ToUpper([]byte(name))} {
			short.name = shortNameAt(n, 0, len(n))
			*t.at(short.name) = short
		}
	})
	return t
})

// at returns the place of a name: its own, or the one where it would be put.
func (t *shortCommands) at(name shortName) *shortCommand {
	const mix = 0x9E3779B97F4A7C15 // odd
	for i := (name.first ^ name.second) * mix >> (64 - shortBits); ; i = (i + 1) % uint64(len(t)) {
		if p := &t[i]; p.name == name || p.name == (shortName{}) {
			return p
		}
	}
}

// plausible reports whether all servers know the command and take so many arguments.
func (s *shortCommand) plausible(argc int64) bool {
	for _, n := range s.arity {
		if n == 0 || n > 0 && argc != int64(n) || argc < -int64(n) {
			return false
		}
	}
	return true
}

// shortName is a name of at most sixteen bytes, with zeros behind it.
type shortName struct{ first, second uint64 }

// shortNameAt is the name of n bytes at b[i:], if it has at most sixteen of them and does not end with a zero; else an empty one.
func shortNameAt(b []byte, i, n int) (name shortName) {
	switch {
	case n > 16 || n == 0 || b[i+n-1] == 0:
	case i > len(b)-16:
		var word [16]byte
		copy(word[:], b[i:i+n])
		name.first, name.second = binary.LittleEndian.Uint64(word[:]), binary.LittleEndian.Uint64(word[8:])
	case n <= 8:
		name.first = binary.LittleEndian.Uint64(b[i:]) & (^uint64(0) >> (64 - 8*n))
	default:
		name.first, name.second = binary.LittleEndian.Uint64(b[i:]), binary.LittleEndian.Uint64(b[i+8:])&(^uint64(0)>>(128-8*n))
	}
	return name
}

func (c *Command) plausibility() (all [len(Servers)]Plausibility) {
	var buf [2 * skimKeep]byte
	var found, sub commands.Command
	if len(c.Args) > 0 {
		if name, ok := lower(buf[:0], c.Args[0]); ok {
			found = commands.Lookup(name)
			if len(c.Args) > 1 && found.Subcommands != [3]bool{} {
				if name, ok = lower(append(name, '|'), c.Args[1]); ok {
					sub = commands.Lookup(name)
				}
			}
		}
	}
	for i, s := range Servers {
		release := servers[s].release
		arity := int64(found.Arity[release])
		if c.Argc > 1 && found.Subcommands[release] {
			arity = int64(sub.Arity[release])
		}
		switch {
		case arity == 0:
			all[i] = UnknownCommand
		case arity > 0 && c.Argc != arity, c.Argc < -arity:
			all[i] = WrongArity
		}
	}
	return all
}

// lower appends name in lower case. ok is false if it is too long for any command's, or could be taken for a subcommand's.
func lower(to, name []byte) (_ []byte, ok bool) {
	if len(name) >= skimKeep/2 {
		return to, false
	}
	for _, b := range name {
		if b == '|' {
			return to, false
		}
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		to = append(to, b)
	}
	return to, true
}
