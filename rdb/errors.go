package rdb

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Sentinels that errors of this package wrap; each says what class of fault it is.
var (
	// ErrTruncated: the input ends inside a record, or before the end mark. A copy that broke off, a full disk.
	ErrTruncated = errors.New("input ends too early")
	// ErrSignature: the first bytes are not REDIS or VALKEY. Another kind of file, or a damaged start.
	ErrSignature = errors.New("not an RDB file")
	// ErrVersion: a version that this package cannot read, or that does not go with its magic.
	ErrVersion = errors.New("unknown RDB version")
	// ErrEncoding: bytes that are no length, string, type or opcode. What follows cannot be framed.
	ErrEncoding = errors.New("invalid encoding")
	// ErrContent: a value whose framing is intact and whose content breaks a rule; the next record can be read.
	ErrContent = errors.New("invalid content")
	// ErrUnsupported: a form of some release candidate that no released server reads.
	ErrUnsupported = errors.New("unsupported pre-release form")
	// ErrChecksum: the stored CRC-64 is not that of the bytes.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrFile: a rule about the file as a whole is broken: a key that stands twice, bytes behind the end, counts that lie.
	ErrFile = errors.New("inconsistent file")
)

// Phase is what a reader was doing when it met a fault, in the words of redis-check-rdb.
type Phase uint8

const (
	PhaseStart Phase = iota
	PhaseType
	PhaseExpire
	PhaseKey
	PhaseValue
	PhaseChecksum
	PhaseLength
	PhaseAux
	PhaseModuleAux
	PhaseFunctions
)

var phaseNames = [...]string{"start", "read-type", "read-expire", "read-key", "read-object-value", "check-sum", "read-len", "read-aux", "read-module-aux", "read-functions"}

// String returns the phase's name, such as "read-object-value".
func (p Phase) String() string { return phaseNames[p] }

// FormatError is a fault in a file, with its place. It wraps one of the package's sentinels and, for a truncation, io.ErrUnexpectedEOF.
type FormatError struct {
	Code    Code
	Offset  int64 // bytes that were read when it was noticed: the start of what is missing or the end of what is wrong, as redis-check-rdb counts
	Record  int64 // offset of the record that it is in
	Phase   Phase
	Item    string // what was being read, e.g. "stream pending entry"; may be empty
	DB      uint64 // selected database
	Key     []byte // nil: not inside a key
	HasType bool
	Type    Type
	Family  Family
	Detail  string // particulars, e.g. the place inside a packed encoding
	Err     error  // the cause, if there is one beyond the rule: an error of lzf or of a packed encoding's parser

	message string // what the checkers print, where it is not the rule's own
}

// Error gives the place and the fault on one line.
func (e *FormatError) Error() string {
	var b strings.Builder
	b.WriteString("offset ")
	b.WriteString(strconv.FormatInt(e.Offset, 10))
	b.WriteString(": ")
	b.WriteString(e.Message())
	return b.String()
}

// Message says what is wrong, without the offset.
func (e *FormatError) Message() string {
	var b strings.Builder
	if e.Key != nil {
		fmt.Fprintf(&b, "key %q (%s): ", shorten(e.Key), e.Family.TypeName(e.Type))
	}
	b.WriteString(e.Code.Meaning())
	if e.Item != "" {
		b.WriteString(", reading the " + e.Item)
	}
	switch {
	case e.Detail != "":
		b.WriteString(": " + e.Detail)
	case e.Err != nil:
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap makes errors.Is and errors.As see the rule's sentinel and the cause.
func (e *FormatError) Unwrap() []error {
	errs := []error{e.Code.row().sentinel}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

func shorten(key []byte) []byte {
	const most = 80
	if len(key) <= most {
		return key
	}
	return append(append([]byte{}, key[:most]...), "…"...)
}

// Outcome is what a program does about a fault.
type Outcome uint8

const (
	Accepts Outcome = iota // does not notice it or does not mind
	Drops                  // goes on without the key concerned
	Refuses                // gives up on the file
)

var outcomeNames = [...]string{"accepts", "drops", "refuses"}

// String returns "accepts", "drops" or "refuses".
func (o Outcome) String() string { return outcomeNames[o] }

// Server returns what the newest server of the file's family does about the fault when it checks everything
// (sanitize-dump-payload yes).
func (e *FormatError) Server() Outcome { return e.Code.row().server[e.Family] }

// Checker returns what the newest redis-check-rdb or valkey-check-rdb, whichever is of the file's family, does about the fault.
func (e *FormatError) Checker() Outcome { return e.Code.row().checker[e.Family] }

// CheckerMessage returns the text that the checker prints for the fault, with internal set if it prints it in its
// "Internal error in RDB reading" form and ends on the spot.
func (e *FormatError) CheckerMessage() (text string, internal bool) {
	row := e.Code.row()
	if e.message != "" {
		return e.message, row.internal || e.Code.short() && e.Phase != PhaseFunctions
	}
	if row.message == "" {
		return unexpectedEOF, false
	}
	return strings.ReplaceAll(row.message, "%s", e.Family.packedName(e.Type)), row.internal
}

const unexpectedEOF = "Unexpected EOF reading RDB file"

// Severity is how much a finding matters for the question whether the file is good.
type Severity uint8

const (
	Note    Severity = iota // worth knowing, nothing wrong
	Warning                 // the server loads all of it, or another line of servers would not
	Error                   // the server of the file's family refuses the file or loses something
)

var severityNames = [...]string{"note", "warning", "error"}

// String returns "note", "warning" or "error".
func (s Severity) String() string { return severityNames[s] }

// Severity returns Error for what the server of the file's family refuses or drops, and Warning for the rest, but Note where the
// rule is only a remark.
func (e *FormatError) Severity() Severity {
	switch {
	case e.Server() != Accepts:
		return Error
	case e.Code.row().note:
		return Note
	default:
		return Warning
	}
}

// Causes that stay inside the package or its errors.
var (
	errRange    = errors.New("2^64-1 as a count")
	errType     = errors.New("no type")
	errTooLarge = errors.New("the stated size is beyond any memory")
)

const maxInt = 1<<(strconv.IntSize-1) - 1
