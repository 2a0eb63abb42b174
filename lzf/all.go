package lzf

// Block is a block within a larger slice, and the length that it is declared to have when decompressed.
type Block struct{ Start, End, Length int }

// ValidateAll reports whether all of the blocks in b are sound, each as [Validate] says. Where the processor allows it many are
// walked side by side, which is several times as fast as one after the other. The parts of b must be within it; they may overlap. No
// memory is allocated.
func ValidateAll(b []byte, blocks []Block) bool {
	for _, k := range blocks {
		if Validate(b[k.Start:k.End], int64(k.Length)) != nil {
			return false
		}
	}
	return true
}
