//go:build purego || !amd64

package lzf

func validateAll(b []byte, blocks []Block) bool { return validateEach(b, blocks) }
