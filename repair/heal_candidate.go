package repair

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
)

// Open returns the healed file as a view of the damaged one, src: nothing is copied but what the edits insert.
func (c *Candidate) Open(src io.ReaderAt) io.Reader {
	if c.transform != asIs {
		return c.transform.open(io.NewSectionReader(src, 0, c.End))
	}
	var parts []io.Reader
	at := int64(0)
	for _, e := range c.Edits {
		parts = append(parts, io.NewSectionReader(src, at, e.Offset-at), bytes.NewReader(e.Insert))
		at = e.Offset + e.Remove
	}
	return io.MultiReader(append(parts, io.NewSectionReader(src, at, c.End-at))...)
}

// Whole reports whether the change concerns all of the file up to End, so that Kind says what it is and there are no edits.
func (c *Candidate) Whole() bool { return c.transform != asIs }

// Removed returns by how many bytes more than it puts in the change takes out of the damaged file up to End, in all of its edits that do.
func (c *Candidate) Removed() (n int64) {
	if c.Whole() {
		return max(0, c.End-c.Size)
	}
	for _, e := range c.Edits {
		n += max(0, e.Remove-int64(len(e.Insert)))
	}
	return n
}

// beheads reports whether the change takes out bytes with which the file begins.
func (c *Candidate) beheads() bool {
	return len(c.Edits) > 0 && c.Edits[0].Offset == 0 && c.Edits[0].Remove > int64(len(c.Edits[0].Insert))
}

// sizeOf returns the size of a file of the size after the edits.
func sizeOf(size int64, edits []Edit) int64 {
	for _, e := range edits {
		size += int64(len(e.Insert)) - e.Remove
	}
	return size
}

// trim takes off what an edit does not change. old is what stands at the offset now.
func (e Edit) trim(old []byte) Edit {
	for len(old) > 0 && len(e.Insert) > 0 && old[len(old)-1] == e.Insert[len(e.Insert)-1] {
		old, e.Insert = old[:len(old)-1], e.Insert[:len(e.Insert)-1]
	}
	for len(old) > 0 && len(e.Insert) > 0 && old[0] == e.Insert[0] {
		old, e.Insert = old[1:], e.Insert[1:]
		e.Offset++
	}
	e.Remove = int64(len(old))
	return e
}

// overwrite returns the edits that make b of old at the offset, one for each run of bytes that differ. Both have the same length.
func overwrite(offset int64, old, b []byte) (edits []Edit) {
	for i := 0; i < len(b); i++ {
		if old[i] == b[i] {
			continue
		}
		j := i
		for j < len(b) && old[j] != b[j] {
			j++
		}
		edits = append(edits, Edit{offset + int64(i), int64(j - i), bytes.Clone(b[i:j])})
		i = j
	}
	return edits
}

// key identifies the edits, to find candidates that are the same.
func (c *Candidate) key() string {
	b := binary.AppendVarint([]byte{byte(c.transform)}, c.End)
	for _, e := range c.Edits {
		b = binary.AppendVarint(binary.AppendVarint(b, e.Offset), e.Remove)
		b = append(binary.AppendVarint(b, int64(len(e.Insert))), e.Insert...)
	}
	return string(b)
}

// classifyBytes says what kind of damage made old of b, which have the same length and differ at both ends.
func classifyBytes(old, b []byte) Damage {
	last := len(b) - 1
	switch {
	case last == 0 && bits.OnesCount8(old[0]^b[0]) == 1:
		return DamageFlippedBit
	case last > 0 && old[0] == b[last] && old[last] == b[0] && bytes.Equal(old[1:last], b[1:last]):
		return DamageSwappedBytes
	default:
		return DamageBurst
	}
}
