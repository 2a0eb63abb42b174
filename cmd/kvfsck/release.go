package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/rdb"
)

// release is a version of a server that commands are written for. The zero value is a server that knows every command.
type release struct {
	valkey       bool
	major, minor int
}

// parseRelease reads "7.0", "redis-7.0" or "valkey-8.1".
func parseRelease(s string) (r release, err error) {
	if s == "" {
		return r, nil
	}
	number, valkey := strings.CutPrefix(s, "valkey-")
	number = strings.TrimPrefix(number, "redis-")
	major, minor, _ := strings.Cut(number, ".")
	r.valkey = valkey
	var err1, err2 error
	r.major, err1 = strconv.Atoi(major)
	r.minor, err2 = strconv.Atoi(cmp.Or(minor, "0"))
	if err1 != nil || err2 != nil || r.major < 2 {
		return r, fmt.Errorf("no server %q: give one as 7.0, redis-7.0 or valkey-8.1", s)
	}
	return r, nil
}

func (r release) String() string {
	if r.valkey {
		return fmt.Sprintf("Valkey %d.%d", r.major, r.minor)
	}
	return fmt.Sprintf("Redis %d.%d", r.major, r.minor)
}

func (r release) any() bool { return r.major == 0 }

func (r release) atLeast(v [2]int) bool {
	return r.any() || v != never && (r.major > v[0] || r.major == v[0] && r.minor >= v[1])
}

// never is the version of a family that does not have something.
var never = [2]int{}

// ability is something that servers have from some version on.
type ability uint8

const (
	canStream ability = iota
	canCreateConsumer
	canStreamCounters
	canFunction
	canExpireField
	canStreamLimits
	canVectorSet
)

// abilities are the first versions of each family that have the commands.
var abilities = [...]struct {
	what          string
	redis, valkey [2]int
}{
	canStream:         {"streams (XADD)", [2]int{5, 0}, [2]int{7, 2}},
	canCreateConsumer: {"consumers with nothing pending (XGROUP CREATECONSUMER)", [2]int{6, 2}, [2]int{7, 2}},
	canStreamCounters: {"counters of streams (XSETID ENTRIESADDED MAXDELETEDID, XGROUP CREATE ENTRIESREAD)", [2]int{7, 0}, [2]int{7, 2}},
	canFunction:       {"function libraries (FUNCTION LOAD)", [2]int{7, 0}, [2]int{7, 2}},
	canExpireField:    {"fields that expire (HPEXPIREAT)", [2]int{7, 4}, [2]int{9, 0}},
	canStreamLimits:   {"limits for idempotent ids (XCFGSET)", [2]int{8, 6}, never},
	canVectorSet:      {"vector sets", [2]int{8, 0}, never},
}

func (r release) can(a ability) bool {
	if r.valkey {
		return r.atLeast(abilities[a].valkey)
	}
	return r.atLeast(abilities[a].redis)
}

// restores are the first versions of each family whose RESTORE takes a payload.
var restores = map[rdb.Target]struct{ redis, valkey [2]int }{
	rdb.Version8:  {[2]int{4, 0}, [2]int{7, 2}},
	rdb.Version9:  {[2]int{5, 0}, [2]int{7, 2}},
	rdb.Version10: {[2]int{7, 0}, [2]int{7, 2}},
	rdb.Version11: {[2]int{7, 2}, [2]int{7, 2}},
	rdb.Version13: {[2]int{8, 6}, never},
}

func (r release) canRestore(t rdb.Target) bool {
	if r.valkey {
		return r.atLeast(restores[t].valkey)
	}
	return r.atLeast(restores[t].redis)
}

// payloads are the oldest versions of payloads that hold a type that may have to be restored, so that as many servers as can be take
// them.
var payloads = map[rdb.Type]rdb.Target{
	rdb.TypeModule2: rdb.Version8,
	rdb.TypeStream:  rdb.Version9,
	rdb.TypeStream2: rdb.Version10,
	rdb.TypeStream3: rdb.Version11,
	rdb.TypeStream4: rdb.Version13,
}

// notHeldError says that the server chosen has no command for something.
type notHeldError struct {
	key  []byte
	what string
	r    release
	kept bool // the key was written without it; otherwise nothing was
}

func (e *notHeldError) Error() string {
	of := "there is no command"
	if !e.r.any() {
		of = e.r.String() + " has no command"
	}
	done := "left out"
	if e.kept {
		done = "written without"
	}
	return fmt.Sprintf("%s, key %q: %s for %s", done, e.key, of, e.what)
}
