package aof_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing/fstest"

	"github.com/kvfsck/kvfsck/aof"
)

func ExampleReader() {
	log := "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n" + "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n" + "*2\r\n$3\r\nDEL\r\n$1"
	r := aof.NewReader(strings.NewReader(log))
	for r.Next() {
		if c, ok := r.Record().(*aof.Command); ok {
			fmt.Printf("%d bytes at %d, database %d: %q\n", c.Size, c.Offset, c.DB, c.Args)
		}
	}
	fmt.Println(r.Err())
	fmt.Println("valid up to", r.Position().Valid)
	// Output:
	// 23 bytes at 0, database 0: ["SELECT" "3"]
	// 31 bytes at 23, database 3: ["SET" "k" "value"]
	// offset 69: last record is cut short (command 3): the file ends inside an argument; expected 3 bytes, found 0
	// valid up to 54
}

func ExampleWriter() {
	var log strings.Builder
	w := aof.NewWriter(&log)
	w.Command(0, "SET", "k", "v")
	w.Command(0, "DEL", "x")
	if err := w.Flush(); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%q\n", log.String())
	// Output:
	// "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nDEL\r\n$1\r\nx\r\n"
}

func ExampleSet_Check() {
	data := fstest.MapFS{ // os.DirFS("/var/lib/redis") in real life
		"appendonlydir/appendonly.aof.manifest":   {Data: []byte("file appendonly.aof.1.incr.aof seq 1 type i\n")},
		"appendonlydir/appendonly.aof.1.incr.aof": {Data: []byte("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nDEL")},
	}
	set, err := aof.Discover(data, aof.DiscoverOptions{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	rep, _ := set.Check(context.Background(), aof.CheckOptions{})
	for _, v := range rep.Verdicts[:2] {
		fmt.Println(v.String())
	}
	for _, f := range rep.Findings {
		fmt.Println(f.String())
	}
	// Output:
	// redis-8.6 loads-cut: cuts appendonlydir/appendonly.aof.1.incr.aof at 14, 11 bytes
	// redis-8.6 refuses: short appendonlydir/appendonly.aof.1.incr.aof at 22
	// appendonlydir/appendonly.aof.manifest: the set has no base
	// appendonlydir/appendonly.aof.1.incr.aof at 22: the file is damaged: offset 22: last record is cut short (command 2): the file ends inside an argument; expected 5 bytes, found 3
}
