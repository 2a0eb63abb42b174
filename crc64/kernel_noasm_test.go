//go:build purego || !amd64

package crc64

func asmKernels() []kernel { return nil }
