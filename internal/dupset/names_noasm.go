//go:build purego || !amd64

package dupset

func newNames(f *Few, b []byte, names []Name) bool { return newNamesGeneric(f, b, names) }
