//go:build purego || !amd64

// Package cpu tells what the processor can do, for the packages that have assembly.
package cpu
