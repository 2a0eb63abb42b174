package lzf

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNearReferences repeats patterns of all small sizes, with and without room behind the output.
func TestNearReferences(t *testing.T) {
	before := []byte("what is repeated: abcdefghijklmnopqrs")
	for distance := 1; distance <= 20; distance++ {
		for length := 3; length <= 264; length++ {
			src := append([]byte{31}, before[:32]...)
			src = append(append(src, byte(len(before)-33)), before[32:]...)
			if d := distance - 1; length < 9 {
				src = append(src, byte(length-2)<<5, byte(d))
			} else {
				src = append(src, 7<<5, byte(length-9), byte(d))
			}
			src = append(src, 2, 'e', 'n', 'd')
			want := bytes.Clone(before)
			for range length {
				want = append(want, want[len(want)-distance])
			}
			want = append(want, "end"...)
			for _, slack := range []int{0, 8, 16, Slack} {
				dst := make([]byte, len(want), len(want)+slack)
				n, err := DecompressLent(dst, append(src, make([]byte, slack)...)[:len(src)])
				require.NoError(t, err)
				require.Equal(t, string(want), string(dst[:n]), fmt.Sprintf("%d bytes from %d back, %d lent", length, distance, slack))
			}
		}
	}
}
