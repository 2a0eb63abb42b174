package crc64_test

import (
	"encoding/binary"
	"fmt"

	"github.com/kvfsck/kvfsck/crc64"
)

// The smallest RDB file: magic and version, the opcode that ends it, and the
// checksum of both.
func Example() {
	body := []byte("REDIS0011\xff")
	file := binary.LittleEndian.AppendUint64(body, crc64.Checksum(body))
	fmt.Printf("%q\n", file)
	// Output: "REDIS0011\xff\xc0\"\x8a\x8dt8\x97b"
}

// Two halves of a file, summed apart from each other.
func ExampleCombine() {
	a, b := []byte("12345"), []byte("6789")
	fmt.Printf("%#x\n", crc64.Combine(crc64.Checksum(a), crc64.Checksum(b), int64(len(b))))
	// Output: 0xe9c6d914c4b8d9ca
}

// Walking back from a checksum known to be right reveals a byte known to be
// wrong: what the registers on its two sides differ by is its content.
func ExampleUndo() {
	const stored = 0xe9c6d914c4b8d9ca // of "123456789"
	damaged := []byte("1234?6789")

	before := crc64.Checksum(damaged[:4])
	after := crc64.Undo(stored, damaged[5:])
	fmt.Printf("%q\n", byte(crc64.Unshift(after, 1)^before))
	// Output: '5'
}
