// Package rdb reads, checks and writes RDB files, the snapshots of Redis and Valkey.
//
// A file is a header, records, and an end with a checksum:
//
//	"REDIS" "0012"                                   9 bytes; or "VALKEY" "080"
//	FA  str name  str value                          AUX: what wrote the file, when, …
//	F5  str code                                     FUNCTION2: a function library
//	FE  len db                                       SELECTDB
//	FB  len keys  len expiring keys                  RESIZEDB
//	[FC i64le expiry] [F8 len idle | F9 u8 freq] [F3 metadata]  type  str key  value
//	…
//	FF  u64le crc64                                  EOF
//
// Records come in any order; servers read one byte and act on it, and so does [Reader]. A value is laid out as its type says: a
// string, so many strings, or a string in which a whole collection is packed (a listpack, ziplist, intset or zipmap). The lengths
// and strings that all is made of are drawn where they are read, in source.go and decoder.go; types stand in the table of type.go,
// opcodes in opcode.go, and everything that can be wrong with a file in the table of rule.go.
//
// # Reading
//
// [Reader] yields records as [archive/tar] does. An [Entry]'s value is taken whole ([Entry.Value]), element by element
// ([Entry.Elements], or [Entry.Visit], which allocates nothing), as it stands ([Entry.Raw]), or not at all, which is cheap.
//
// # Checking
//
// [Verify] applies every rule that the newest servers have (Redis 8.6 and Valkey 9.1 with sanitize-dump-payload yes). A file is judged
// by the rules of its own [Family]; what only the other one refuses is a warning. Two verdicts come out: that of the servers' checker,
// which stops at the first fault and does not mind some things, and that of the server itself. Give it the file rather than a reader around
// it: a regular file is read through a memory map, by all processors.
//
// # Writing
//
// [Writer] writes any record that a Reader yields, for any target from version 6 to 13 and Valkey 80, in the encodings that a server
// of that version would choose; values whose type the target has are copied byte for byte. What a target cannot hold is an
// [*UnsupportedError]; the table of features in encode_target.go has all of it. [AppendDump] and [ParseDump] make and read the payloads
// of DUMP and RESTORE, [Digest] computes what DEBUG DIGEST answers.
//
// # Hostile input
//
// Any bytes give a [*FormatError] with its place, or none. No length is believed before the bytes are there: buffers grow with the
// data that arrives. Values too large for a buffer are checked as they stream through it, compressed ones too.
package rdb
