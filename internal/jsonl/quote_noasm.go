//go:build purego || !amd64

package jsonl

// put is AppendBytes for a slice of which o bytes are written: it returns the slice, which may have grown, and how many are then. So much
// room is left that up to sixteen bytes can be written behind the string without asking.
func put(out []byte, o int, b []byte) ([]byte, int) { return putGeneric(out, o, b) }
