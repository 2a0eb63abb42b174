package aof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kvfsck/kvfsck/rdb"
)

// FindingCode names what can be found in a set; it is stable and machine-readable.
type FindingCode string

const (
	FindManifest        FindingCode = "manifest-bad"
	FindNoManifest      FindingCode = "manifest-missing"
	FindManyManifests   FindingCode = "manifest-several"
	FindMissing         FindingCode = "file-missing"
	FindUnreadable      FindingCode = "file-unreadable"
	FindEmpty           FindingCode = "file-empty"
	FindListedTwice     FindingCode = "file-listed-twice"
	FindUnlisted        FindingCode = "file-unlisted"
	FindAdoptable       FindingCode = "incr-adoptable"
	FindLineLost        FindingCode = "manifest-line-lost"
	FindTemporary       FindingCode = "file-temporary"
	FindTempIncr        FindingCode = "incr-temporary"
	FindHistory         FindingCode = "file-history"
	FindHistoryGone     FindingCode = "history-gone"
	FindHistoryNewest   FindingCode = "history-newest"
	FindOldStyle        FindingCode = "old-style-ignored"
	FindDump            FindingCode = "dump-ignored"
	FindNothing         FindingCode = "nothing-to-load"
	FindGap             FindingCode = "sequence-gap"
	FindName            FindingCode = "name-disagrees"
	FindBaseKind        FindingCode = "base-kind"
	FindIncrRDB         FindingCode = "incr-is-rdb"
	FindNoBase          FindingCode = "base-absent"
	FindOffsets         FindingCode = "offsets-disagree"
	FindTornCopy        FindingCode = "set-torn-by-copying"
	FindUpgrade         FindingCode = "upgrade-pending"
	FindUpgradeHalf     FindingCode = "upgrade-interrupted"
	FindDamaged         FindingCode = "file-damaged"
	FindMiddleShort     FindingCode = "middle-file-short"
	FindCheckerOnly     FindingCode = "checker-refuses"
	FindRDBFault        FindingCode = "rdb-fault"
	FindUnknownCommand  FindingCode = "command-unknown"
	FindArity           FindingCode = "command-arity"
	FindSelect          FindingCode = "select-refused"
	FindSelectRange     FindingCode = "select-range"
	FindAllEmpty        FindingCode = "set-empty"
	FindRedisCutsTooFar FindingCode = "server-would-lose-more"
)

// findings has one row for each code: how grave it is, what it means, what to do.
var findings = map[FindingCode]struct {
	severity rdb.Severity
	meaning  string
	advice   string
}{
	FindManifest:        {rdb.Error, "the manifest breaks a rule", "servers refuse to start; rebuild it from the files that are there"},
	FindNoManifest:      {rdb.Error, "there are files of a set and no manifest", "do not start a server here: it would begin empty, overwrite base 1 and append to incr 1; write a manifest first"},
	FindManyManifests:   {rdb.Warning, "there are several manifests", "name the one that is meant; this is the one that a default configuration uses, or else the first"},
	FindMissing:         {rdb.Error, "a file that the manifest lists is not there", "servers refuse to start; restore it, or take it from the directory that the copy was made of"},
	FindUnreadable:      {rdb.Error, "a file cannot be read", "see to its permissions and its disk"},
	FindEmpty:           {rdb.Note, "a listed file has no bytes", "servers pass over it; a base that is empty means that the set begins with nothing"},
	FindListedTwice:     {rdb.Warning, "the manifest lists a file twice", "servers load it twice"},
	FindUnlisted:        {rdb.Warning, "a file of the set's naming is not in the manifest", "servers ignore it, and overwrite it when its number comes up; keep it if a listed file is damaged"},
	FindAdoptable:       {rdb.Error, "an unlisted incr has the name that a server starting here would append to", "its old commands would come back at the start after; move it away"},
	FindLineLost:        {rdb.Error, "a file that continues the set is not in the manifest, which may have lost its line", "servers ignore it, and overwrite it when its number comes up; keep it, and decide whether it belongs to the set: repair asks"},
	FindTemporary:       {rdb.Note, "a temporary file was left by a rewrite or a change of the manifest", "it can be deleted"},
	FindTempIncr:        {rdb.Warning, "commands since the log was turned on are in a temporary incr that no manifest lists", "servers ignore it: what it has is lost unless it is added to a set"},
	FindHistory:         {rdb.Note, "a superseded file is still there", "servers delete it at the next clean-up"},
	FindHistoryGone:     {rdb.Note, "a superseded file is listed and gone already", "no matter"},
	FindHistoryNewest:   {rdb.Warning, "an incr newer than all that are loaded is listed as superseded", "no server writes that; servers do not load it and delete it: copy the set first, and see to its type in the manifest"},
	FindOldStyle:        {rdb.Warning, "an old-style file lies beside the set", "servers ignore it while the set is there"},
	FindDump:            {rdb.Note, "a snapshot lies beside", "with appendonly yes servers ignore it, even if the log is empty"},
	FindNothing:         {rdb.Note, "there is no append-only file", "with appendonly yes servers start empty, whatever snapshots there are"},
	FindGap:             {rdb.Warning, "a number is missing among the incrs", "servers do not mind; if the missing one is not simply of a failed rewrite, its commands are lost"},
	FindName:            {rdb.Warning, "a file's name and its entry in the manifest disagree about kind or number", "servers go by the entry"},
	FindBaseKind:        {rdb.Note, "a base's suffix does not tell what it is", "servers go by the content"},
	FindIncrRDB:         {rdb.Warning, "an incr begins with an RDB", "servers load it, checkers do not accept it"},
	FindNoBase:          {rdb.Note, "the set has no base", "it begins with nothing"},
	FindOffsets:         {rdb.Warning, "the replication offsets of the entries do not meet", "files of different runs may have been mixed"},
	FindTornCopy:        {rdb.Error, "the manifest is older or newer than the files", "the directory was copied during a rewrite; copy it again with rewrites switched off"},
	FindUpgrade:         {rdb.Note, "an old-style file", "a server from 7.0 on moves it into a set when it starts"},
	FindUpgradeHalf:     {rdb.Warning, "an upgrade from an old-style file was interrupted", "a server finishes it when it starts"},
	FindDamaged:         {rdb.Error, "the file is damaged", "see the verdicts"},
	FindMiddleShort:     {rdb.Error, "a file that is not the last is cut short", "a server cuts it on disk, refuses to start, and starts the next time without what is missing; restore it first"},
	FindCheckerOnly:     {rdb.Warning, "servers load the file and redis-check-aof does not accept it", "have the log rewritten"},
	FindRDBFault:        {rdb.Warning, "the RDB part breaks a rule", "see package rdb"},
	FindUnknownCommand:  {rdb.Warning, "a command that the server does not know", "it ends at it when it loads, unless a module provides it"},
	FindArity:           {rdb.Error, "a command with a number of arguments that no server takes", "no server writes that, so bytes were changed; Valkey refuses the file, and Redis can crash on it"},
	FindSelect:          {rdb.Error, "a SELECT of what is no database", "no server writes that, so bytes were changed; servers log an error, go on, and put all that follows into the database before"},
	FindSelectRange:     {rdb.Error, "a SELECT of a database that the server does not have", "start the server with as many databases as the file uses (setting: databases), or it logs an error, goes on, and puts all that follows into the database before; tell the check if it has more (--databases); if it never had so many, bytes were changed"},
	FindAllEmpty:        {rdb.Note, "no file has a byte", "servers start empty"},
	FindRedisCutsTooFar: {rdb.Error, "Redis would cut the file at the wrong place when it starts", "run redis-check-aof --fix before any start"},
}

// Finding is something about a set that its keeper should know.
type Finding struct {
	Code   FindingCode
	File   string // path in the file system of the set, empty if it is about the set
	Offset int64  // in the file, -1 if it is about all of it
	Detail string // particulars
	Err    error  // the fault, if it is one of a file's content
}

// findingCodes is the order of the table.
var findingCodes = []FindingCode{
	FindManifest, FindNoManifest, FindManyManifests, FindMissing, FindUnreadable,
	FindEmpty, FindListedTwice, FindUnlisted, FindAdoptable, FindLineLost, FindTemporary,
	FindTempIncr, FindHistory, FindHistoryGone, FindHistoryNewest, FindOldStyle, FindDump,
	FindNothing, FindGap, FindName, FindBaseKind, FindIncrRDB,
	FindNoBase, FindOffsets, FindTornCopy, FindUpgrade, FindUpgradeHalf,
	FindDamaged, FindMiddleShort, FindCheckerOnly, FindRDBFault, FindUnknownCommand,
	FindArity, FindSelect, FindSelectRange, FindAllEmpty, FindRedisCutsTooFar,
}

// FindingCodes returns all codes there are, in the order of the documentation.
func FindingCodes() []FindingCode { return slices.Clone(findingCodes) }

// Severity returns how grave it is.
func (f *Finding) Severity() rdb.Severity { return findings[f.Code].severity }

// Meaning says what the code means.
func (f *Finding) Meaning() string { return findings[f.Code].meaning }

// Advice says what to do about it.
func (f *Finding) Advice() string { return findings[f.Code].advice }

// String is the finding on one line, without the advice.
func (f *Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Offset >= 0 {
			fmt.Fprintf(&b, " at %d", f.Offset)
		}
		b.WriteString(": ")
	}
	b.WriteString(f.Meaning())
	if f.Detail != "" {
		b.WriteString(": " + f.Detail)
	}
	if f.Err != nil {
		b.WriteString(": " + f.Err.Error())
	}
	return b.String()
}
