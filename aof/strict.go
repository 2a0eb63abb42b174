package aof

// Strictness is whose reading of the format a [Reader] follows.
type Strictness uint8

const (
	// AsServer reads as a server does when it loads the file.
	AsServer Strictness = iota
	// AsChecker reads as redis-check-aof and valkey-check-aof do.
	AsChecker
)

// String returns "as-server" or "as-checker".
func (s Strictness) String() string { return [...]string{"as-server", "as-checker"}[s] }

// rule is a question that server and checker answer differently. The parser asks the table below wherever one comes up; nothing
// else in the parser depends on the strictness.
type rule uint8

const (
	ruleMagic rule = iota
	ruleHeaderLimit
	ruleHeaderEnd
	ruleMinArgs
	ruleArgsBits
	ruleRange
	ruleBulkEnd
	ruleEmptyHeader
	ruleTransactions
	ruleNames
	numRules
)

// Difference is a point on which the two strictnesses differ: what a server does when it loads (Redis 7.0 to 8.6 and Valkey 8.0 to
// 9.1 agree), and what the checkers of the same versions do (aof.c, loadSingleAppendOnlyFile; redis-check-aof.c).
type Difference struct {
	What      string
	AsServer  string
	AsChecker string

	values [2]int // what the parser goes by
}

// differences is the table. A row says in words what its two numbers do.
var differences = [numRules]Difference{
	ruleMagic: {"an RDB preamble is looked for in a file of at least",
		"5 bytes (and taken for one, cut short, if that is all)", "8 bytes",
		[2]int{5, 8}},
	ruleHeaderLimit: {"a header line is cut after",
		"1023 bytes", "127 bytes",
		[2]int{1023, 127}},
	ruleHeaderEnd: {"what follows the number in a header line",
		"is not looked at", "must be CR LF",
		[2]int{0, 1}},
	ruleMinArgs: {"the least number of arguments of a command",
		"1; less is a format error", "none; a command of 0 or fewer arguments is passed over",
		[2]int{1, 0}},
	ruleArgsBits: {"the number of arguments is cut to",
		"32 bits", "64 bits",
		[2]int{32, 64}},
	ruleRange: {"a negative size, or one beyond the address space",
		"ends the server on the spot, in an assertion or for want of memory", "is an error from 2^63-2 on and below 0",
		[2]int{0, 1}},
	ruleBulkEnd: {"the two bytes behind an argument",
		"are not looked at", "must be CR LF",
		[2]int{0, 1}},
	ruleEmptyHeader: {"a line of a lone '*'",
		"is a short read at the end of the file, and an error that no setting forgives elsewhere (if a NUL follows it)", "lacks its CR LF",
		[2]int{1, 0}},
	ruleTransactions: {"MULTI inside MULTI, EXEC without MULTI",
		"are executed, answered with an error that is logged, and change nothing", "are errors",
		[2]int{0, 1}},
	ruleNames: {"MULTI and EXEC are recognised by",
		"the whole first argument", "the first argument up to a NUL",
		[2]int{0, 1}},
}

// Differences returns the points on which the two strictnesses differ.
func Differences() []Difference { return append([]Difference{}, differences[:]...) }

// column is one strictness's column of the table.
type column [numRules]int

func (s Strictness) column() (c column) {
	for i, d := range differences {
		c[i] = d.values[s]
	}
	return c
}

func (c *column) is(r rule) bool { return c[r] != 0 }
