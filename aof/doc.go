// Package aof reads, checks and writes append-only files: the logs of commands in which Redis and Valkey keep what happened since a
// snapshot.
//
// # A file
//
// A log is commands in the protocol of the servers (RESP), one behind the other, without header, checksum or end mark:
//
//	*3\r\n                     a command of 3 arguments
//	$3\r\n SET\r\n             an argument of 3 bytes, then CR LF
//	$1\r\n k\r\n
//	$5\r\n value\r\n
//	*2\r\n $6\r\n SELECT\r\n $1\r\n 5\r\n     the commands that follow belong to database 5; every file begins in 0
//	*1\r\n $5\r\n MULTI\r\n                   a transaction, up to
//	*1\r\n $4\r\n EXEC\r\n                    here: it is executed as a whole or not at all
//	#TS:1700000000\r\n         an annotation: when the commands behind it were executed (7.0 and later, if configured)
//
// It may begin with an RDB, the snapshot that the log goes on from (4.0 and later):
//
//	|<-- REDIS0011 ... EOF checksum -->|<-- *2\r\n$6\r\nSELECT ... -->|
//
// There is nothing to resynchronise by: a byte that is wrong in a length loses everything behind it, and a byte that is wrong inside
// an argument goes unnoticed.
//
// # A set
//
// Since 7.0 the log is several files in a directory of their own, and a manifest that lists them:
//
//	appendonlydir/appendonly.aof.manifest        file appendonly.aof.3.base.rdb seq 3 type b
//	                                             file appendonly.aof.2.incr.aof seq 2 type h
//	                                             file appendonly.aof.3.incr.aof seq 3 type i
//	              appendonly.aof.3.base.rdb      the snapshot, an RDB or commands
//	              appendonly.aof.2.incr.aof      history: superseded by the base, about to be deleted
//	              appendonly.aof.3.incr.aof      what happened since
//
// A server loads the base and then the incrs in the order of the manifest, and appends to the last. Only that one may be cut short,
// which a crash does to it; the server then cuts it where the last command ends, if aof-load-truncated is yes, as it is by default.
//
// # Reading
//
//   - [Reader] reads one file, record by record, from any io.Reader. One that only checks passes what is plainly sound by [Reader.Advance], on all
//     processors.
//   - [Set] is the files that a server would load; [Discover] finds them in a data directory, [Set.Replay] reads them as one stream,
//     [Set.Check] says what is wrong with them, and what the servers would do: see [Verdict].
//   - [ReadManifest] and [Manifest.AppendText] read and write manifests, [Writer] writes logs.
//
// # Two readings of the format
//
// A server that loads a file is laxer in some points than the program redis-check-aof, and stricter in others: see [Differences].
// [AsServer] and [AsChecker] choose. Facts about servers are those of the sources of Redis 7.0 to 8.6 and of Valkey 8.0 to 9.1 (aof.c,
// redis-check-aof.c), and were compared with what the programs do.
package aof
