package repair

import "strings"

// Damage is a kind of damage that a checksum can locate, or a set of kinds.
type Damage uint32

const (
	DamageFlippedBit Damage = 1 << iota
	DamageBurst
	DamageSwappedBytes
	DamageExtraBytes
	DamageLostBytes
	DamageReplaced
	DamageInsertedBlock
	DamageSwappedBlocks
	DamageChecksum
	DamageCRLF
	DamageLostCR
	DamageLatin1
	DamageTwoBits
)

// damageRow says what a kind of damage is.
type damageRow struct {
	kind          Damage
	name, meaning string
}

// damages is the table of kinds.
var damages = []damageRow{
	{DamageFlippedBit, "flipped-bit", "one bit is wrong"},
	{DamageBurst, "burst", "a few bytes beside each other are wrong"},
	{DamageSwappedBytes, "swapped-bytes", "two bytes stand in each other's place"},
	{DamageExtraBytes, "extra-bytes", "a few bytes are too many"},
	{DamageLostBytes, "lost-bytes", "a few bytes are missing"},
	{DamageReplaced, "replaced", "a few bytes were replaced by another number of bytes"},
	{DamageInsertedBlock, "inserted-block", "a block was inserted, or stands twice"},
	{DamageSwappedBlocks, "swapped-blocks", "two blocks of a disk stand in each other's place"},
	{DamageChecksum, "stored-checksum", "the data is right, the stored checksum is wrong"},
	{DamageCRLF, "crlf", "a transfer as text made CR LF of every LF"},
	{DamageLostCR, "lost-cr", "a transfer as text took CRs away"},
	{DamageLatin1, "utf-8", "a program took the bytes for Latin-1 text and wrote it in UTF-8"},
	{DamageTwoBits, "two-bits", "two bits are wrong, far from each other"},
}

// String returns the name of the kind, such as "flipped-bit"; of a set, the names with commas between.
func (d Damage) String() string {
	var names []string
	for _, row := range damages {
		if d&row.kind != 0 {
			names = append(names, row.name)
		}
	}
	return strings.Join(names, ",")
}

// Meaning says in a few words what the damage is.
func (d Damage) Meaning() string {
	for _, row := range damages {
		if d == row.kind {
			return row.meaning
		}
	}
	return ""
}
