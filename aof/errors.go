package aof

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Sentinels that errors of this package wrap. The first six tell kinds of damage apart; see [Damage].
var (
	// ErrTorn: the file ends inside a record. A crash, a full disk, a copy that broke off.
	ErrTorn = errors.New("last record is cut short")
	// ErrOpenMulti: the file ends after a MULTI without its EXEC. Servers undo such a transaction.
	ErrOpenMulti = errors.New("transaction without EXEC at the end")
	// ErrZeroTail: nothing but zero bytes up to the end. A file system that had extended the file but not yet written it when the
	// power failed.
	ErrZeroTail = errors.New("tail of zero bytes")
	// ErrHole: a block of zero bytes with data behind it. A lost disk block, a transfer that skipped one.
	ErrHole = errors.New("block of zero bytes in the middle")
	// ErrOtherFile: not an append-only file, from the first byte on.
	ErrOtherFile = errors.New("another kind of file")
	// ErrGarbage: bytes that are no record where one should be. An overwritten or edited file, a short write that was not undone.
	ErrGarbage = errors.New("bytes that are no record")
	// ErrTransaction: MULTI inside a transaction, or EXEC outside one, where the reader is as strict as the checkers.
	ErrTransaction = errors.New("unbalanced transaction")
	// ErrPreamble: the RDB part is bad; the error wraps what package rdb says.
	ErrPreamble = errors.New("bad RDB part")
	// ErrManifest: the manifest breaks a rule.
	ErrManifest = errors.New("bad manifest")
)

// Damage is what kind of harm a file has come to, as far as the bytes around the fault tell.
type Damage uint8

const (
	DamageTorn Damage = iota + 1
	DamageOpenMulti
	DamageZeroTail
	DamageHole
	DamageOtherFile
	DamageGarbage
	DamageTransaction
	DamagePreamble
)

var damages = [...]struct {
	name string
	err  error
}{
	DamageTorn:        {"torn", ErrTorn},
	DamageOpenMulti:   {"open-multi", ErrOpenMulti},
	DamageZeroTail:    {"zero-tail", ErrZeroTail},
	DamageHole:        {"hole", ErrHole},
	DamageOtherFile:   {"other-file", ErrOtherFile},
	DamageGarbage:     {"garbage", ErrGarbage},
	DamageTransaction: {"transaction", ErrTransaction},
	DamagePreamble:    {"rdb-part", ErrPreamble},
}

// String returns the damage's name, such as "zero-tail".
func (d Damage) String() string { return damages[d].name }

// Reaction is what a loading server does about a fault.
type Reaction uint8

const (
	// ShortRead: it takes the file for cut short; the setting aof-load-truncated decides.
	ShortRead Reaction = iota + 1
	// BadFormat: it refuses the file.
	BadFormat
	// Aborts: it ends with a crash report.
	Aborts
)

// Code names a rule of the format that is broken; it is stable and machine-readable.
type Code string

// The codes. Their rows below say what each means.
const (
	CodeNoRecord    Code = "no-record"
	CodePrefix      Code = "prefix"
	CodeHeaderEnd   Code = "header-end"
	CodeArgCount    Code = "argument-count"
	CodeNoCount     Code = "no-count"
	CodeSize        Code = "argument-size"
	CodeNoHeader    Code = "no-header"
	CodeBulkShort   Code = "argument-short"
	CodeBulkEnd     Code = "argument-end"
	CodeNestedMulti Code = "nested-multi"
	CodeStrayExec   Code = "stray-exec"
	CodeOpenMulti   Code = "open-multi"
	CodeRDB         Code = "rdb-part"
)

// codes has one row for each code: what it means, and what a loading server does. (Where servers do not mind, the error comes from
// [AsChecker] alone, and the reaction is that to the bytes as they stand: mostly a fault later on.)
var codes = [...]struct {
	code     Code
	meaning  string
	reaction Reaction
}{
	{CodeNoRecord, "neither a command nor an annotation", BadFormat},
	{CodePrefix, "an argument's header does not begin with '$'", BadFormat},
	{CodeHeaderEnd, "a header line does not end behind its number", BadFormat},
	{CodeArgCount, "a command of no arguments", BadFormat},
	{CodeNoCount, "a lone '*'", BadFormat},
	{CodeSize, "an argument's size is impossible", Aborts},
	{CodeNoHeader, "the file ends where an argument should begin", ShortRead},
	{CodeBulkShort, "the file ends inside an argument", ShortRead},
	{CodeBulkEnd, "an argument does not end where its size says", BadFormat},
	{CodeNestedMulti, "MULTI inside a transaction", BadFormat},
	{CodeStrayExec, "EXEC without MULTI", BadFormat},
	{CodeOpenMulti, "the file ends before the EXEC of a MULTI", ShortRead},
	{CodeRDB, "the RDB part is bad", BadFormat},
}

// Meaning says in a few words what the rule is about.
func (c Code) Meaning() string { return codes[c.row()].meaning }

func (c Code) row() int {
	for i := range codes {
		if codes[i].code == c {
			return i
		}
	}
	panic("aof: unknown code " + string(c)) // codes are this package's own
}

// FormatError is a fault in an append-only file, with its place. errors.Is finds the sentinel of its damage in it, [ErrOpenMulti]
// too if it lies inside a transaction, and io.ErrUnexpectedEOF if the file ended too early.
type FormatError struct {
	Code   Code
	Damage Damage

	Offset  int64 // where the read that failed began: a header line's or an argument's first byte, as the checkers count
	Record  int64 // offset of the record that it is in
	Command int64 // number of the command that it is in, counted from 1
	EOF     bool  // the input ended too early
	InMulti bool  // inside a transaction
	Multi   int64 // offset of that transaction's MULTI

	Expected string
	Found    string

	ZeroOffset int64 // where the zero bytes of a DamageZeroTail or DamageHole begin
	ZeroSize   int64 // and how many they are

	Err error // of CodeRDB: what package rdb says

	found [2]byte  // what stands where CR LF or a prefix should, as C sees it: NUL behind the end of a line
	sizes [2]int64 // expected, found
}

// Error gives the place and the fault on one line.
func (e *FormatError) Error() string { return fmt.Sprintf("offset %d: %s", e.Offset, e.Message()) }

// Message says what is wrong, without the offset.
func (e *FormatError) Message() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (command %d): %s", damages[e.Damage].err, e.Command, e.Code.Meaning())
	if e.Expected != "" {
		fmt.Fprintf(&b, "; expected %s, found %s", e.Expected, e.Found)
	}
	if e.ZeroSize > 0 {
		fmt.Fprintf(&b, "; %d zero bytes from offset %d", e.ZeroSize, e.ZeroOffset)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap makes errors.Is see the sentinels.
func (e *FormatError) Unwrap() []error {
	errs := []error{damages[e.Damage].err}
	if e.InMulti && e.Damage != DamageOpenMulti {
		errs = append(errs, ErrOpenMulti)
	}
	if e.EOF {
		errs = append(errs, io.ErrUnexpectedEOF)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// Reaction returns what a loading server does about the fault.
func (e *FormatError) Reaction() Reaction {
	if e.Code == CodeNoCount && e.EOF {
		return ShortRead
	}
	return codes[e.Code.row()].reaction
}

// CheckerLine returns the line that redis-check-aof prints for the fault, file being the path it was given. It prints none, and so
// the result is empty, if the file ends between two lines of a command outside a transaction, and for an RDB part.
func (e *FormatError) CheckerLine(file string) string {
	var text string
	switch e.Code {
	case CodeNoRecord:
		return "" // in words of its own, without a place
	case CodePrefix:
		text = fmt.Sprintf("Expected prefix '%c', got: '%s'", '$', e.found[:1])
	case CodeHeaderEnd, CodeBulkEnd, CodeNoCount:
		text = `Expected \r\n, got: ` + cHex(e.found[0]) + cHex(e.found[1])
	case CodeSize:
		text = fmt.Sprintf("Expected to read string of %d bytes, which is not in the suitable range", e.sizes[0])
	case CodeBulkShort:
		text = fmt.Sprintf("Expected to read %d bytes, got %d bytes", e.sizes[0], e.sizes[1])
	case CodeNestedMulti:
		text = "Unexpected MULTI in AOF " + file
	case CodeStrayExec:
		text = "Unexpected EXEC in AOF " + file
	case CodeOpenMulti, CodeNoHeader:
		if !e.InMulti {
			return ""
		}
		text = "Reached EOF before reading EXEC for MULTI"
	default:
		return ""
	}
	if i := strings.IndexByte(text, 0); i >= 0 { // where a C string ends
		text = text[:i]
	}
	const most = 1023 // the checker's buffer
	return fmt.Sprintf("0x%16x: %s", e.Offset, text[:min(len(text), most)])
}

// cHex is %02x of a char that is signed, as on x86.
func cHex(b byte) string {
	if b >= 0x80 {
		return fmt.Sprintf("ffffff%02x", b)
	}
	return fmt.Sprintf("%02x", b)
}
