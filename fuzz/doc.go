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
// A reader that is compared with a real program has to know where the real ones differ from each other. This is what the checkers and the servers of
// three releases (Redis 7.0.15 with glibc 2.36, Redis 8.6.3 and Valkey 9.1.2 with glibc 2.43) make of the smallest files that show it. The servers are
// configured by default, so that they look into packed encodings only where their release always does. TestDisagreements measures the table:
//
//	                                             redis 7.0         redis 8.6         valkey 9.1
//	                                             checker  server   checker  server   checker  server
//	key that stands twice                        accepts  crashes  accepts  crashes  accepts  crashes
//	set without members                          refuses  drops    refuses  drops    refuses  drops
//	database 99 of 16                            accepts  refuses  accepts  refuses  accepts  refuses
//	library that does not compile                accepts  refuses  accepts  refuses  accepts  refuses
//	module value without its module              accepts  refuses  accepts  refuses  accepts  refuses
//	file cut between two items of a module       hangs    hangs    hangs    hangs    hangs    hangs
//	set of 2^41 members, cut short               hangs    hangs    hangs    hangs    hangs    hangs
//	set of 2^44 members, cut short               refuses  refuses  refuses  refuses  refuses  refuses
//	string of 2^64-2 bytes                       refuses  refuses  refuses  refuses  crashes  crashes
//	hash whose listpack has a wrong backlen      refuses  accepts  refuses  accepts  refuses  refuses
//	field twice in a listpack                    refuses  accepts  refuses  accepts  refuses  refuses
//	NaN in a listpack                            accepts  accepts  accepts  accepts  refuses  refuses
//	stream of a wrong length                     accepts  accepts  accepts  accepts  refuses  refuses
//	pending entry with two owners                refuses  refuses  accepts  accepts  refuses  refuses
//	listpack entry of 16383 bytes, Redis's way   accepts  accepts  accepts  accepts  refuses  refuses
//	listpack entry of 16383 bytes, Valkey's way  refuses  accepts  refuses  accepts  accepts  accepts
//	magic VALKEY, version 80                     refuses  refuses  refuses  refuses  accepts  accepts
//	magic VALKEY, version 82                     refuses  refuses  refuses  refuses  accepts  refuses
//	unfinished import of slots, no cluster       refuses  refuses  refuses  refuses  accepts  crashes
//	magic REDIS, version 12                      refuses  refuses  accepts  accepts  accepts  refuses
//	score "1e" in text                           accepts  accepts  refuses  refuses  refuses  refuses
//	eight classes of key metadata                refuses  refuses  accepts  refuses  refuses  refuses
//
// To drop is to load the file without the key. The score is a matter of glibc, whose sscanf took "1e" for 1 and no longer does.
//
// # What real servers crash and hang on
//
// In the table above, and in runs of the program in the folder diff against generated and damaged files:
//
//   - A key that stands twice makes every server panic ("Duplicated key found in RDB file") instead of refusing the file.
//   - A file that ends where the next item of a module's data has its opcode, or the opcode's length, makes every checker run for ever, and every
//     server, as it runs the checker on a file that it cannot load. Smallest: magic, type 7, name, module id, and the end.
//   - A set, a hash or a sorted set that states 2^31 to 2^43 elements and has fewer makes them walk a hash table of that size before they
//     end, for seconds or for ever. From 2^43+1 to 2^60 they refuse it at once; beyond that they make no such table.
//   - A string that states nearly 2^64 bytes fails an assertion of Valkey ("initlen + hdrlen + 1 > initlen", sds.c). Redis refuses it.
//   - An unfinished import of slots fails one of Valkey's server if that is not in cluster mode ("didx >= 0", kvstore.c).
//
// A slow refusal is told from a hang by time alone: four seconds for a checker, ten for a server.
//
// What no verdict shows:
//
//   - A score of -0 in a small sorted set that is stored plain is 0 after loading.
//   - Ids of idempotent producers that are older than their stream's limit are forgotten soon after loading.
//
// Of logs, redis-check-aof and the servers differ in more points; see [github.com/kvfsck/kvfsck/aof.Differences].
//
// # Comparing with a real program
//
// The program in the folder diff gives generated and damaged files to this module and to a real checker or server, and keeps what they judge differently.
// "make fuzz-diff" runs it against what is installed, "make fuzz-diff-night" against the newest release for as long as a night allows.
package fuzz
