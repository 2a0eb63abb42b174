// Package version tells which build of kvfsck is running.
package version

import (
	"fmt"
	"runtime/debug"
	"strconv"
)

// String returns the module's version, such as "v0.1.0", or "devel" where the build does not know one.
func String() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// Banner returns the line that the program name prints when asked for its version, in the form of the servers' tools:
//
//	redis-check-rdb v=devel sha=00000000:0 malloc=go bits=64 build=0000000000000000
//
// sha is the start of the commit built, followed by 1 if the tree had changes.
func Banner(name string) string {
	commit, dirty := "0000000000000000", 0
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && len(s.Value) >= len(commit):
				commit = s.Value[:len(commit)]
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = 1
			}
		}
	}
	return fmt.Sprintf("%s v=%s sha=%s:%d malloc=go bits=%d build=%s", name, String(), commit[:8], dirty, strconv.IntSize, commit)
}
