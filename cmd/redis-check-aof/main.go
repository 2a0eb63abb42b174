// Command redis-check-aof checks append-only files, and cuts what a crash left at their end. It is a drop-in for the program of that
// name that comes with Redis 8.6 (and, called valkey-check-aof, with Valkey 9.1): the same arguments, output, prompts, exit codes and
// resulting bytes.
//
//	redis-check-aof FILE                                  check
//	redis-check-aof --fix FILE                            check; ask, and cut the last file where it stops being valid
//	redis-check-aof --fix --yes FILE                      the same without asking
//	redis-check-aof --truncate-to-timestamp SECONDS FILE  cut the last file before the first annotation of a later time
//
// FILE is a manifest, an increment or base on its own, or an old-style append-only file. The exit status is 0 if every file is
// valid, empty or was cut, and 1 for everything else.
//
// # Where it differs from the original
//
//	--yes                    is new.
//	base with VALKEY magic   is read as an RDB; the originals take it for commands and call a healthy set invalid.
//	size beyond memory       gives the original's message ("Expected to read N bytes, got M bytes") without an attempt to allocate it;
//	                         the original may end with "OUT OF MEMORY" and a signal, depending on the machine and its limits.
//	"got: 000d"              the original prints a byte of an earlier line behind the end of a line; here it is always 00.
//	cutting                  the kept part is written to a temporary file, read back and renamed over the original, so that a hard
//	                         link that serves as a backup keeps its bytes. It needs room for what is kept; where no temporary file
//	                         can be written (a full disk, a directory without permission) the file is cut in place, as by the
//	                         original. A file that changed between check and cut is left alone.
//	valkey-check-aof         prints about an RDB part what redis-check-aof prints; Valkey's own has lines of its own there.
//	RDB part                 what differs in it is listed with package rdbcheck.
package main

import "os"

func main() {
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
