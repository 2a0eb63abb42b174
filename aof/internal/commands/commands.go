// Package commands knows the names and arities of the commands of Redis 8.6, Redis 7.0 and Valkey 9.1, from their public metadata.
package commands

//go:generate go run ./gen ../../../../shared/data/commands.json table.go

// Release is a column of the table.
type Release uint8

const (
	Redis86 Release = iota
	Redis70
	Valkey91
)

// Command is what the releases say of a command.
type Command struct {
	Arity       [3]int8 // how many arguments it takes, its name included; a negative number is a minimum; 0: not known
	Subcommands [3]bool // it has some
}

// Each shows all commands, in any order. Names are as in Lookup.
func Each(show func(name string, c Command)) {
	for name, c := range table {
		show(name, c)
	}
}

// Lookup finds a command. The name is in lower case; a subcommand is "xgroup|create". The result is the zero Command if no release
// knows it.
func Lookup(name []byte) Command { return table[string(name)] }
