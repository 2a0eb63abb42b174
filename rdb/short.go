package rdb

import "strings"

// short reports whether the checkers take the fault for an input that ends.
func (c Code) short() bool { return c == CodeTruncated || c == CodeLengthRange || c == CodeLZFSize }

// shortMessages is what the checkers say where the input ends while something of a stream, a module or a library is read, or where it seems to:
// at a count of 2^64-1 and at a string too large for memory. Of all else they say "Unexpected EOF reading RDB file". (Redis 8.6 rdb.c)
var shortMessages = map[string]string{
	"stream node count":             "Stream listpacks len loading failed.",
	"stream node key":               "Stream master ID loading failed: invalid encoding or I/O error.",
	"stream listpack":               "Stream listpacks loading failed.",
	"stream metadata":               "Stream object metadata loading failed.",
	"stream group count":            "Stream cgroup count loading failed.",
	"stream group name":             "Error reading the consumer group name from Stream",
	"stream group id":               "Stream cgroup ID loading failed.",
	"stream group entries read":     "Stream cgroup offset loading failed.",
	"stream pending count":          "Stream PEL size loading failed.",
	"stream pending id":             "Stream PEL ID loading failed.",
	"stream pending entry":          "Stream PEL NACK loading failed.",
	"stream consumer count":         "Stream consumers num loading failed.",
	"stream consumer name":          "Error reading the consumer name from Stream group.",
	"stream consumer seen time":     "Stream short read reading seen time.",
	"stream consumer active time":   "Stream short read reading active time.",
	"stream consumer pending count": "Stream consumer PEL num loading failed.",
	"stream consumer pending id":    "Stream short read reading PEL streamID.",
	"stream idmp duration":          "Stream IDMP duration loading failed.",
	"stream idmp max entries":       "Stream IDMP max entries loading failed.",
	"stream idmp producers":         "Stream IDMP entries loading failed.",
	"stream iids added":             "Stream iids_added loading failed.",
	"stream iids duplicates":        "Stream iids_duplicates loading failed.",
	"module id":                     "Short read module id",
	"module integer":                "Error reading integer from module %s value",
	"module float":                  "Error reading float from module %s value",
	"module double":                 "Error reading double from module %s value",
	"module string":                 "Error reading string from module %s value",
	"earliest field expiry":         "Hash failed loading minExpire",
	"function library":              "Failed loading library, Failed loading library payload",
}

// shortMessage is what the checkers say where the input ends in what is being read.
func (d *decoder) shortMessage() string {
	switch d.item {
	case "earliest field expiry":
		if d.typ == TypeHashListpackTTL {
			return "Short read of listpackex min expiration time."
		}
	case "module opcode":
		return "" // they never return
	}
	return strings.ReplaceAll(shortMessages[d.item], "%s", d.moduleName)
}
