package main

import (
	"bytes"
	"slices"
)

// xaddOptions are the options of XADD before the id, and how many arguments each has. MAXLEN and MINID may have "=" or "~" as well.
var xaddOptions = map[string]int{
	"NOMKSTREAM": 0, "KEEPREF": 0, "DELREF": 0, "ACKED": 0, "MAXLEN": 1, "MINID": 1, "LIMIT": 1, "IDMP": 2, "IDMPAUTO": 1,
}

// withoutProducers returns a command of a log of Redis 8.6 as a client may give it. Servers log an XADD of an idempotent producer with
// the id that the entry got, and what they remember of producers as XIDMPRECORD; from clients they take neither. What is left is the
// entry, or nothing. same reports whether the command is what it was.
func withoutProducers(args [][]byte) (left [][]byte, same bool) {
	switch {
	case len(args) == 0:
		return args, true
	case bytes.EqualFold(args[0], []byte("XIDMPRECORD")):
		return nil, false
	case !bytes.EqualFold(args[0], []byte("XADD")):
		return args, true
	}
	for i := 2; i < len(args); {
		option := string(bytes.ToUpper(args[i]))
		n, ok := xaddOptions[option]
		if !ok {
			break
		}
		if i+1 < len(args) && (option == "MAXLEN" || option == "MINID") && (string(args[i+1]) == "=" || string(args[i+1]) == "~") {
			n++
		}
		end := i + 1 + n
		if (option == "IDMP" || option == "IDMPAUTO") && end < len(args) && string(args[end]) != "*" {
			return slices.Concat(args[:i], args[end:]), false
		}
		i = end
	}
	return args, true
}
