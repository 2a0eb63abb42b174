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
	// WrongArity: loading servers do not look at the number of arguments before they execute a command, and may crash if there are
	// too few.
	WrongArity
)

// String returns "plausible", "unknown-command" or "wrong-arity".
func (p Plausibility) String() string {
	return [...]string{"plausible", "unknown-command", "wrong-arity"}[p]
}

// Plausibility looks the command up among those of the server, in its default configuration and without modules.
func (c *Command) Plausibility(s Server) Plausibility { return c.plausibility()[s] }

// shortNames are the commands without subcommands that have names of at most eight bytes, by these, in upper and in lower case, and how many arguments they take by
// each server.
var shortNames = sync.OnceValue(func() map[uint64][len(Servers)]int8 {
	short := map[uint64][len(Servers)]int8{}
	commands.Each(func(name string, c commands.Command) {
		if len(name) > 8 || c.Subcommands != [3]bool{} || strings.Contains(name, "|") {
			return
		}
		var arity [len(Servers)]int8
		for i, s := range Servers {
			arity[i] = c.Arity[servers[s].release]
		}
		short[shortName([]byte(name))], short[shortName(bytes.ToUpper([]byte(name)))] = arity, arity
	})
	return short
})

// shortName is a name of at most eight bytes, with zeros behind it.
func shortName(name []byte) uint64 {
	var b [8]byte
	copy(b[:], name)
	return binary.LittleEndian.Uint64(b[:])
}

// plausible reports whether the command is plausible to all servers.
func (c *Command) plausible(short map[uint64][len(Servers)]int8) bool {
	if name := c.Args[0]; len(name) <= 8 && len(name) > 0 && name[len(name)-1] != 0 {
		if arity, ok := short[shortName(name)]; ok {
			for _, n := range arity {
				if n == 0 || n > 0 && c.Argc != int64(n) || c.Argc < -int64(n) {
					return false
				}
			}
			return true
		}
	}
	return c.plausibility() == [len(Servers)]Plausibility{}
}

func (c *Command) plausibility() (all [len(Servers)]Plausibility) {
	var buf [2 * skimKeep]byte
	var found, sub commands.Command
	if len(c.Args) > 0 {
		if name, ok := lower(buf[:0], c.Args[0]); ok {
			found = commands.Lookup(name)
			if c.Argc > 1 && found.Subcommands != [3]bool{} {
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
