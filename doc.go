// Package kvfsck is fsck for the persistence files of Redis and Valkey: it reads, checks, explains, repairs and converts RDB
// snapshots and append-only files without a server. This package holds no code; it is the map.
//
//	rdb      RDB snapshots: Reader, values, Verify, Writer, DUMP payloads, digests
//	aof      append-only files: Reader, Manifest, Set (a directory in replay order), Writer
//	repair   check, plan and apply over files and directories: healing by checksum, salvage, truncation
//	crc64    the CRC-64 of RDB files, with what healing by it needs
//	lzf      the compression of strings in RDB files
//	fuzz     generators of valid files with their known contents, mutators, and a differential runner
//	cmd      kvfsck; redis-check-rdb and redis-check-aof, twins of the servers' own checkers
//	internal plumbing: opening what a person names, atomic replacement, running real servers in tests
//
// Imports point one way:
//
//	cmd -> repair -> aof -> rdb -> crc64, lzf
//
// # How a byte of a file is reached
//
// A reader is looked at through a window (package rdb, source.go). [github.com/kvfsck/kvfsck/rdb.Reader] yields the records of an
// RDB, [github.com/kvfsck/kvfsck/aof.Reader] the commands of an append-only file; values are walked by one decoder whether they are
// skipped, checked or yielded, and each packed encoding inside them by one parser (rdb/internal). Checking, conversion, statistics
// and salvage are consumers of the same records.
//
// # What is right
//
// A file is right if the newest server of its family loads it whole, checking everything. What that means rule by rule stands in
// package rdb, rule.go; tests hold it against real servers.
package kvfsck
