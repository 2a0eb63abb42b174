//go:build purego || !amd64

package dupset

func newNames(f *Few, b []byte, names []Name) bool { return newNamesGeneric(f, b, names) }

func quickSums(sums []uint64, b []byte, names []Name) { quickSumsGeneric(sums, b, names) }
