package lzf_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kvfsck/kvfsck/lzf"
)

// A string as the servers would store it: only if it becomes at least four bytes
// shorter.
func ExampleCompress() {
	value := []byte(strings.Repeat("ha", 20))
	block := make([]byte, len(value)-4)
	n, ok := lzf.Compress(block, value)
	fmt.Printf("%t %q\n", ok, block[:n])

	out := make([]byte, len(value))
	n, err := lzf.Decompress(out, block[:n])
	fmt.Println(n, err, string(out[:8]))
	// Output:
	// true "\x01ha\xe0\x1d\x01"
	// 40 <nil> hahahaha
}

// The block is sound, but for the distance of its second operation.
func ExampleValidate() {
	err := lzf.Validate([]byte("\x02abc\x20\x07"), 6)
	var ce *lzf.CorruptError
	if errors.As(err, &ce) {
		fmt.Println(ce.Kind, "at", ce.Offset)
	}
	// Output: back-reference to before the start of the output at 4
}

func ExampleReader() {
	// A file in which a block of five bytes is followed by something else.
	file := strings.NewReader("\x00x\xe0\x03\x00" + "the next record")
	r := lzf.NewReader(io.LimitReader(file, 5), 13)
	out, err := io.ReadAll(r)
	fmt.Printf("%q %v\n", out, err)
	// Output: "xxxxxxxxxxxxx" <nil>
}
