package dupset

// Name is where a name lies, in bytes.
type Name struct{ At, Len int }

// MaxNames is how many names [Few.NewNames] takes at most.
const MaxNames = fewMost - 1

// NewNames is [Few.New] for the names at these places of b, in this order, one behind the other: it adds them and reports whether all are surely new.
// What is behind a name, up to the capacity of b, may be looked at and does not count.
func (f *Few) NewNames(b []byte, names []Name) bool {
	if f.n+len(names) > MaxNames {
		return false
	}
	f.n += len(names)
	return newNames(f, b, names)
}

func newNamesGeneric(f *Few, b []byte, names []Name) bool {
	for _, n := range names {
		if !f.New(QuickSum(b, n.At, n.Len)) {
			return false
		}
	}
	return true
}
