// Redis-check-rdb checks an RDB file and prints what the program of that name of Redis 8.6 prints, with its exit status: 0 if the
// file is good, 1 if it is not or if there is anything else to complain about. It reads every version that kvfsck reads. Installed or
// linked as valkey-check-rdb it goes by that name.
//
//	redis-check-rdb FILE
//	redis-check-rdb -v | --version
//
// Its verdict is the checker's. A server may refuse a file that this program accepts, or the other way round; kvfsck check gives
// the server's verdict.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvfsck/kvfsck/internal/rdbcheck"
	"github.com/kvfsck/kvfsck/internal/version"
)

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) != 2:
		fmt.Fprintf(stderr, "Usage: %s <rdb-file-name>\n", args[0])
		return 1
	case args[1] == "-v" || args[1] == "--version":
		fmt.Fprintln(stdout, version.Banner(programName(args[0])))
		return 0
	}
	f, err := os.Open(args[1])
	if err != nil { // of which the real tool says no more either
		rdbcheck.Begin(stdout, args[1])
		return 1
	}
	defer f.Close()
	if !rdbcheck.Check(stdout, args[1], f).OK {
		return 1
	}
	return 0
}

// programName is the name to go by: the servers' tools look for it anywhere in the last part of the path.
func programName(arg0 string) string {
	if strings.Contains(filepath.Base(arg0), "valkey-check-rdb") {
		return "valkey-check-rdb"
	}
	return "redis-check-rdb"
}
