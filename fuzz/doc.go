// Package fuzz makes files to test with: valid RDB files and append-only logs of which it is known what they hold, and damaged ones of which it is
// known what was done to them. It serves whoever reads the persistence files of Redis and Valkey, and is how this module tests itself.
//
// # Valid files
//
// [RDB] returns a file and its [Contents], from a seed and options: which version, how many keys of which kinds, how large, in the encodings that a
// server chooses or in others that it loads just as well. [WriteRDB] writes one of any size as a stream. [AOFSet] does the same for logs: plain
// ones, ones with an RDB part, and sets with a manifest. [AnyOptions] and [AnyAOFOptions] draw the options too, which is what a fuzz target wants:
//
//	for seed := range uint64(10000) {
//		file, contents := fuzz.RDB(seed, fuzz.AnyOptions(seed))
//		... load file, compare with contents ...
//	}
//
// The same seed and options give the same bytes on every platform. Expiries lie in the year 2100 or later, so that no key vanishes under a test.
// One value in ten, by default, lies on a boundary of some encoding or looks like what it is not:
//
//	lengths    0, 63/64, 253/254, 4095/4096, 16383/16384, 65535/65536; 2^32 with [WriteHuge]
//	integers   the bounds of 7, 8, 13, 16, 24, 32 and 64 bits, and text that only looks like an integer: -0, 007, +1, 9223372036854775808
//	scores     infinities, -0, subnormal numbers, the largest, 2^53 and 2^63 and their neighbours
//	vectors    every quantisation, a projection, attributes, no elements at all; of Redis 8 only
//	streams    ids up to 18446744073709551615-18446744073709551615, deleted entries, pending entries that are gone, no entries at all
//	strings    not UTF-8; opcodes, records, DUMP payloads, commands and whole files, as names and as values
//	packed     chains of entries of about 254 bytes, each of which decides the size of the next one's head
//
// # Damaged files
//
// [Mutate] damages an RDB, [MutateAOF] a log of commands and [MutateSet] one file of a set. A [Mutation] says what was done. Some kinds know nothing of the
// format (bits, bursts, blocks, a transfer as text), the others find records, lengths, types and packed encodings first. About two of
// three damaged RDBs get a new checksum, so that the damage is not noticed by that alone.
//
// # Where real servers disagree
//
// A reader that is compared with a real program has to know where the real ones differ from each other. Those below are differences between a server and
// its own checker, or between releases, that were seen to be so on generated files or are in their sources:
//
//	what                                     redis-check-rdb 8.6   redis-server 8.6     valkey 9.1, both
//	key that stands twice                    accepts               aborts               as Redis, each
//	collection without elements              refuses, as cut short passes over the key  as Redis, each
//	database beyond the configured ones      accepts               refuses              as Redis, each
//	library that does not compile            accepts               refuses              as Redis, each
//	module value without its module          accepts               refuses              as Redis, each
//	file cut between two items of a module   never ends            never ends (runs     never ends
//	                                                               the checker on it)
//	more than 7 classes of key metadata      accepts               refuses              has no metadata
//	damage inside a packed encoding          refuses               accepts by default   refuses
//	NaN in a packed sorted set               accepts               accepts              refuses
//	stream whose length is wrong             accepts               accepts              refuses
//	pending entry with two owners            accepts               accepts              refuses
//	listpack entry of 16382 bytes and so on  as Redis writes it    as Redis writes it   only as Valkey writes it: it cannot
//	                                                                                    read such a file of Redis, nor Redis its
//	zipmap length in the long form           refuses; up to 7.4    as its checker       accepts
//	                                         it accepts
//	magic VALKEY                             refuses               refuses              accepts from version 80 on
//	versions 12 to 79                        accepts up to its own accepts up to its own the server refuses, the checker accepts
//	score of -0, small set, stored plain     accepts               accepts; it is 0 afterwards
//	score "1e", in text (to version 7)       glibc decides: 2.36 takes it for 1, 2.43 refuses it
//	unfinished import of slots, no cluster   has none              has none              the checker accepts, the server fails an
//	                                                                                    assertion
//	idempotent ids older than their limit    accepts               forgets them soon after loading
//
// Of logs, redis-check-aof and the servers differ in more points; see [github.com/kvfsck/kvfsck/aof.Differences].
//
// # Comparing with a real program
//
// The program in the folder diff gives generated and damaged files to this module and to a real checker or server, and keeps what they judge differently.
// "make fuzz-diff" runs it against what is installed, "make fuzz-diff-night" against the newest release for as long as a night allows.
package fuzz
