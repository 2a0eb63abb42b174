// Package input opens what a person names: a file, "-" for the standard input, and what lies in a compressed one.
//
// Compression is told by the first bytes, never by the name, and layers are peeled off until none is left:
//
//	gzip          1F 8B            .gz backups
//	zstd          28 B5 2F FD      .zst backups; skippable frames begin 5x 2A 4D 18
//	lz4 frame     04 22 4D 18      .lz4 backups
//	VCS envelope  "VCS" 01 ...     Valkey 9.2 with rdbcompression lz4 or zstd
//	VKCS envelope "VKCS" 01 ...    the same in development snapshots of 2026
//
// Offsets that readers count are then those of the content. A stream that does not decompress gives a [*CorruptError], which is
// damage; any other error is of the file system.
package input
