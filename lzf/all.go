package lzf

// Block is a block within a larger slice, and the length that it is declared to have when decompressed.
type Block struct{ Start, End, Length int }

// ValidateAll reports whether all of the blocks in b are sound, each as [Validate] says. Where the processor allows it many are
// walked side by side, which is several times as fast as one after the other. They may overlap. No memory is kept.
func ValidateAll(b []byte, blocks []Block) bool { return validateAll(b, blocks) }

func validateEach(b []byte, blocks []Block) bool {
	for i := range blocks {
		if Validate(b[blocks[i].Start:blocks[i].End], int64(blocks[i].Length)) != nil {
			return false
		}
	}
	return true
}
