//go:build purego || !amd64

package dupset

func (s *Seeded) hashPlaces([]byte, []Place, []uint64, uint64) bool { return false }

func (s *Seeded) hashShort([]byte) uint64 { panic("no hash of its own") }

func canHashShort() bool { return false }
