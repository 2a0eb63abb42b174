//go:build purego || !amd64

package cpu

// Fetch does nothing here.
func Fetch(*byte) {}
