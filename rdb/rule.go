package rdb

import "slices"

// Code names a rule that a file can break; it is stable and machine-readable. [Rules] lists all.
type Code string

// rule is a row of the table of rules: what is wrong, and who minds.
type rule struct {
	code     Code
	server   [2]Outcome // by Family: the newest server, checking everything
	checker  [2]Outcome // by Family: its checker
	sentinel error
	meaning  string
	message  string // what the checkers print; "%s" is the packed encoding's name; empty: "Unexpected EOF reading RDB file"
	internal bool   // printed as "Internal error in RDB reading ..."
	note     bool   // a remark
}

var (
	all    = [2]Outcome{Refuses, Refuses}
	nobody = [2]Outcome{Accepts, Accepts}
	redis  = [2]Outcome{Refuses, Accepts}
	valkey = [2]Outcome{Accepts, Refuses}
	drops  = [2]Outcome{Drops, Drops}
)

// Codes of the rules. Their rows below say what each means and whose rule it is.
const (
	CodeTruncated          Code = "truncated"
	CodeSignature          Code = "signature"
	CodeVersion            Code = "version"
	CodeLength             Code = "length-encoding"
	CodeLengthRange        Code = "length-range"
	CodeStringEncoding     Code = "string-encoding"
	CodeType               Code = "type"
	CodeModuleAuxWhen      Code = "module-aux-when"
	CodeModulePreGA        Code = "module-pre-release"
	CodeFunctionPreGA      Code = "function-pre-release"
	CodeFunctionHeader     Code = "function-header"
	CodeFunctionDuplicate  Code = "function-duplicate"
	CodeLZF                Code = "lzf"
	CodeLZFSize            Code = "lzf-size"
	CodeScore              Code = "zset-score"
	CodeScoreNaN           Code = "zset-nan"
	CodeScoreNaNPacked     Code = "zset-nan-packed"
	CodeSetDuplicate       Code = "set-duplicate"
	CodeZsetDuplicate      Code = "zset-duplicate"
	CodeHashDuplicate      Code = "hash-duplicate"
	CodeHashMinExpire      Code = "hash-min-expire"
	CodeFieldExpire        Code = "hash-field-expire"
	CodeFieldExpireNeg     Code = "hash-field-expire-negative"
	CodeCollectionSize     Code = "collection-size"
	CodeEmpty              Code = "empty-collection"
	CodeListpack           Code = "listpack"
	CodeBacklenRedis       Code = "listpack-backlen-redis"
	CodeBacklenValkey      Code = "listpack-backlen-valkey"
	CodeZiplist            Code = "ziplist"
	CodeIntset             Code = "intset"
	CodeZipmap             Code = "zipmap"
	CodeZipmapLength       Code = "zipmap-length-form"
	CodeZipmapDuplicate    Code = "zipmap-duplicate"
	CodePackedTuple        Code = "packed-tuple"
	CodePackedDuplicate    Code = "packed-duplicate"
	CodePackedTTL          Code = "packed-ttl"
	CodePackedTTLOrder     Code = "packed-ttl-order"
	CodeQuicklistContainer Code = "quicklist-container"
	CodeQuicklistEmptyNode Code = "quicklist-empty-node"
	CodeStreamNodeKey      Code = "stream-node-key"
	CodeStreamListpack     Code = "stream-listpack"
	CodeStreamCount        Code = "stream-listpack-count"
	CodeStreamNodeTwice    Code = "stream-node-duplicate"
	CodeStreamLength       Code = "stream-length"
	CodeStreamNoNodes      Code = "stream-length-without-nodes"
	CodeGroupDuplicate     Code = "stream-group-duplicate"
	CodePendingDuplicate   Code = "stream-pending-duplicate"
	CodeConsumerDuplicate  Code = "stream-consumer-duplicate"
	CodePendingUnknown     Code = "stream-consumer-pending-unknown"
	CodePendingTwice       Code = "stream-consumer-pending-duplicate"
	CodePendingShared      Code = "stream-pending-shared"
	CodePendingUnowned     Code = "stream-pending-unowned"
	CodeNackUnknown        Code = "stream-nack-unknown"
	CodeIDMPDuration       Code = "stream-idmp-duration"
	CodeIDMPMax            Code = "stream-idmp-max-entries"
	CodeIDMPProducer       Code = "stream-idmp-producer-duplicate"
	CodeIDMPEntry          Code = "stream-idmp-id-duplicate"
	CodeModuleOpcode       Code = "module-opcode"
	CodeModuleID           Code = "module-id"
	CodeVectorLayout       Code = "vector-set-layout"
	CodeVectorForm         Code = "vector-set-form"
	CodeVectorSize         Code = "vector-set-vector"
	CodeVectorNode         Code = "vector-set-node"
	CodeVectorLinks        Code = "vector-set-links"
	CodeVectorNodeID       Code = "vector-set-node-id"
	CodeMetaClasses        Code = "key-meta-classes"
	CodeMetaPlace          Code = "key-meta-place"
	CodeMetaClass          Code = "key-meta-class"
	CodeModuleNeeded       Code = "module-needed"
	CodeSlotImportJob      Code = "slot-import-job"
	CodeSlotImportRange    Code = "slot-import-range"
	CodeSlotInfoAux        Code = "slot-info-aux"
	CodeChecksum           Code = "checksum"
	CodeNoChecksum         Code = "checksum-disabled"
	CodeTrailing           Code = "trailing-bytes"
	CodeDuplicateKey       Code = "duplicate-key"
	CodeDBRange            Code = "db-range"
	CodeResizeDB           Code = "resizedb-count"
)

const integrity = "%s integrity check failed."

// rules is the table of everything that can be wrong with a file. Sources: Redis 8.6.3 and Valkey 9.1.2, rdb.c, their checkers,
// and runs of both.
var rules = []rule{
	{code: CodeTruncated, server: all, checker: all, sentinel: ErrTruncated, meaning: "the input ends too early"},
	{code: CodeSignature, server: all, checker: all, sentinel: ErrSignature, meaning: "no REDIS or VALKEY at the start", message: "Wrong signature trying to load DB from file"},
	{code: CodeVersion, server: all, checker: all, sentinel: ErrVersion, meaning: "a version that no supported server reads"},
	{code: CodeLength, server: all, checker: all, sentinel: ErrEncoding, meaning: "a byte that begins no length", message: "Unknown length encoding 2 in rdbLoadLen()", internal: true},
	{code: CodeLengthRange, server: all, checker: all, sentinel: ErrEncoding, meaning: "a count of 2^64-1"},
	{code: CodeStringEncoding, server: all, checker: all, sentinel: ErrEncoding, meaning: "an unknown form of string", internal: true},
	{code: CodeType, server: all, checker: all, sentinel: ErrEncoding, meaning: "a byte that is no type and no opcode"},
	{code: CodeModuleAuxWhen, server: all, checker: all, sentinel: ErrEncoding, meaning: "module data whose time of loading is not told as an unsigned number", message: "bad when_opcode"},
	{code: CodeModulePreGA, server: all, checker: all, sentinel: ErrUnsupported, meaning: "a module value of a Redis 4.0 release candidate, which has no framing", message: "Pre-release module format not supported", internal: true},
	{code: CodeFunctionPreGA, server: all, checker: all, sentinel: ErrUnsupported, meaning: "a function library of a Redis 7.0 release candidate"},
	{code: CodeFunctionHeader, server: all, checker: nobody, sentinel: ErrContent, meaning: "a function library whose first line does not name engine and library"},
	{code: CodeFunctionDuplicate, server: all, checker: nobody, sentinel: ErrContent, meaning: "a function library that was there before"},
	{code: CodeLZF, server: all, checker: all, sentinel: ErrContent, meaning: "a compressed string that does not decompress to its stated size", message: "Invalid LZF compressed string", internal: true},
	{code: CodeLZFSize, server: all, checker: all, sentinel: ErrContent, meaning: "a compressed string whose stated size is beyond any memory"},
	{code: CodeScore, server: all, checker: all, sentinel: ErrContent, meaning: "a score that is no number"},
	{code: CodeScoreNaN, server: all, checker: all, sentinel: ErrContent, meaning: "a score that is NaN", message: "Zset with NAN score detected", internal: true},
	{code: CodeScoreNaNPacked, server: valkey, checker: valkey, sentinel: ErrContent, meaning: "a score that is NaN in a packed sorted set", message: "%s with NAN score detected", internal: true},
	{code: CodeSetDuplicate, server: all, checker: all, sentinel: ErrContent, meaning: "a member that stands twice in its set", message: "Duplicate set members detected", internal: true},
	{code: CodeZsetDuplicate, server: all, checker: all, sentinel: ErrContent, meaning: "a member that stands twice in its sorted set", message: "Duplicate zset fields detected", internal: true},
	{code: CodeHashDuplicate, server: all, checker: all, sentinel: ErrContent, meaning: "a field that stands twice in its hash", message: "Duplicate hash fields detected", internal: true},
	{code: CodeHashMinExpire, server: all, checker: all, sentinel: ErrContent, meaning: "a hash whose earliest field expiry is beyond 2^48", message: "Hash read invalid minExpire value", internal: true},
	{code: CodeFieldExpire, server: all, checker: all, sentinel: ErrContent, meaning: "a field expiry beyond 2^48-1", internal: true},
	{code: CodeFieldExpireNeg, server: all, checker: all, sentinel: ErrContent, meaning: "a field expiry below -1"},
	{code: CodeCollectionSize, server: all, checker: all, sentinel: ErrContent, meaning: "a number of elements beyond any memory", internal: true},
	{code: CodeEmpty, server: drops, checker: all, sentinel: ErrContent, meaning: "a collection without elements, which servers skip"},
	{code: CodeListpack, server: all, checker: all, sentinel: ErrContent, meaning: "a damaged listpack", message: integrity, internal: true},
	{code: CodeBacklenRedis, server: redis, checker: redis, sentinel: ErrContent, meaning: "a listpack entry whose size is written as only Valkey 9.1 does", message: integrity, internal: true},
	{code: CodeBacklenValkey, server: valkey, checker: valkey, sentinel: ErrContent, meaning: "a listpack entry whose size is written as Valkey 9.1 does not", message: integrity, internal: true},
	{code: CodeZiplist, server: all, checker: all, sentinel: ErrContent, meaning: "a damaged ziplist", message: integrity, internal: true},
	{code: CodeIntset, server: all, checker: all, sentinel: ErrContent, meaning: "a damaged intset", message: integrity, internal: true},
	{code: CodeZipmap, server: all, checker: all, sentinel: ErrContent, meaning: "a damaged zipmap", message: integrity, internal: true},
	{code: CodeZipmapLength, server: all, checker: all, sentinel: ErrContent, meaning: "a zipmap length below 254 in the long form", message: integrity, internal: true},
	{code: CodeZipmapDuplicate, server: all, checker: all, sentinel: ErrContent, meaning: "a field that stands twice in its zipmap", internal: true},
	{code: CodePackedTuple, server: all, checker: all, sentinel: ErrContent, meaning: "a packed encoding that ends inside an element", message: integrity, internal: true},
	{code: CodePackedDuplicate, server: all, checker: all, sentinel: ErrContent, meaning: "a member or field that stands twice in its packed encoding", message: integrity, internal: true},
	{code: CodePackedTTL, server: all, checker: all, sentinel: ErrContent, meaning: "a field expiry that is no number from 0 to 2^48-1", message: integrity, internal: true},
	{code: CodePackedTTLOrder, server: all, checker: all, sentinel: ErrContent, meaning: "field expiries out of order", message: integrity, internal: true},
	{code: CodeQuicklistContainer, server: all, checker: all, sentinel: ErrContent, meaning: "a list node that is neither plain nor packed", message: "Quicklist integrity check failed.", internal: true},
	{code: CodeQuicklistEmptyNode, server: all, checker: all, sentinel: ErrContent, meaning: "a list node of no bytes"},
	{code: CodeStreamNodeKey, server: all, checker: all, sentinel: ErrContent, meaning: "a stream node whose key is not 16 bytes", message: "Stream node key entry is not the size of a stream ID", internal: true},
	{code: CodeStreamListpack, server: all, checker: all, sentinel: ErrContent, meaning: "a damaged stream node", message: "Stream listpack integrity check failed.", internal: true},
	{code: CodeStreamCount, server: valkey, checker: valkey, sentinel: ErrContent, meaning: "a stream node whose header counts its entries wrongly", message: "Stream listpack integrity check failed.", internal: true},
	{code: CodeStreamNodeTwice, server: all, checker: all, sentinel: ErrContent, meaning: "a stream node whose key was there before", message: "Listpack re-added with existing key", internal: true},
	{code: CodeStreamLength, server: valkey, checker: valkey, sentinel: ErrContent, meaning: "a stream whose length is not the number of its entries", message: "Stream length inconsistent with the number of valid entries", internal: true},
	{code: CodeStreamNoNodes, server: all, checker: all, sentinel: ErrContent, meaning: "a stream with a length and no nodes", message: "Stream length inconsistent with rax entries", internal: true},
	{code: CodeGroupDuplicate, server: all, checker: all, sentinel: ErrContent, meaning: "a consumer group that stands twice", internal: true},
	{code: CodePendingDuplicate, server: all, checker: all, sentinel: ErrContent, meaning: "a pending entry that stands twice in its group", message: "Duplicated global PEL entry loading stream consumer group", internal: true},
	{code: CodeConsumerDuplicate, server: all, checker: all, sentinel: ErrContent, meaning: "a consumer that stands twice in its group", message: "Duplicate stream consumer detected.", internal: true},
	{code: CodePendingUnknown, server: all, checker: all, sentinel: ErrContent, meaning: "a consumer's pending entry that its group does not have", message: "Consumer entry not found in group global PEL", internal: true},
	{code: CodePendingTwice, server: all, checker: all, sentinel: ErrContent, meaning: "a pending entry that stands twice in its consumer", message: "Duplicated consumer PEL entry  loading a stream consumer group", internal: true},
	{code: CodePendingShared, server: valkey, checker: valkey, sentinel: ErrContent, meaning: "a pending entry that two consumers own", internal: true},
	{code: CodePendingUnowned, server: all, checker: all, sentinel: ErrContent, meaning: "a pending entry that no consumer owns", message: "Stream CG PEL entry without consumer", internal: true},
	{code: CodeNackUnknown, server: all, checker: all, sentinel: ErrContent, meaning: "an entry given back that is not pending or that a consumer owns", internal: true},
	{code: CodeIDMPDuration, server: all, checker: all, sentinel: ErrContent, meaning: "an idempotency duration outside 1..86400 s", message: "Stream IDMP duration out of range", internal: true},
	{code: CodeIDMPMax, server: all, checker: all, sentinel: ErrContent, meaning: "an idempotency limit outside 1..10000 ids", message: "Stream IDMP max entries out of range", internal: true},
	{code: CodeIDMPProducer, server: all, checker: all, sentinel: ErrContent, meaning: "an idempotent producer that stands twice", message: "Stream IDMP entries loading failed.", internal: true},
	{code: CodeIDMPEntry, server: nobody, checker: nobody, sentinel: ErrContent, meaning: "an idempotent id that stands twice in its producer; the server forgets the second"},
	{code: CodeModuleOpcode, server: all, checker: nobody, sentinel: ErrContent, meaning: "an item of unknown kind in a module's data"},
	{code: CodeModuleID, server: all, checker: nobody, sentinel: ErrContent, meaning: "data of a module type of number 0, which no module can have"},
	{code: CodeVectorLayout, server: redis, checker: nobody, sentinel: ErrContent, meaning: "a vector set that is not laid out as one"},
	{code: CodeVectorForm, server: redis, checker: nobody, sentinel: ErrContent, meaning: "a vector set whose dimension, quantisation, projection or version is none that a server takes"},
	{code: CodeVectorSize, server: redis, checker: nobody, sentinel: ErrContent, meaning: "a vector whose size is not that of the vectors of its set"},
	{code: CodeVectorNode, server: redis, checker: nobody, sentinel: ErrContent, meaning: "a node of a vector set whose parameters contradict each other"},
	{code: CodeVectorLinks, server: redis, checker: nobody, sentinel: ErrContent, meaning: "a link of a vector set that does not join two nodes once"},
	{code: CodeVectorNodeID, server: nobody, checker: nobody, sentinel: ErrContent, meaning: "a node of a vector set whose number is 0 or that of another, which servers up to Redis 8.6 load and later ones do not"},
	{code: CodeMetaClasses, server: all, checker: nobody, sentinel: ErrContent, meaning: "more than 7 classes of metadata on a key"},
	{code: CodeMetaPlace, server: all, checker: nobody, sentinel: ErrContent, meaning: "key metadata that no type byte follows"},
	{code: CodeMetaClass, server: nobody, checker: nobody, sentinel: ErrContent, meaning: "key metadata that only a server with its module loads", note: true},
	{code: CodeModuleNeeded, server: nobody, checker: nobody, sentinel: ErrContent, meaning: "data that only a server with its module loads", note: true},
	{code: CodeSlotImportJob, server: all, checker: all, sentinel: ErrContent, meaning: "a slot import whose job name is not 40 bytes", message: "Invalid slot import job name length in RDB"},
	{code: CodeSlotImportRange, server: all, checker: nobody, sentinel: ErrContent, meaning: "a slot import of slots that do not exist"},
	{code: CodeSlotInfoAux, server: valkey, checker: nobody, sentinel: ErrContent, meaning: "a slot-info field that is not three or four numbers"},
	{code: CodeChecksum, server: all, checker: all, sentinel: ErrChecksum, meaning: "the checksum is not that of the bytes", message: "RDB CRC error"},
	{code: CodeNoChecksum, server: nobody, checker: nobody, sentinel: ErrChecksum, meaning: "saved with checksums disabled, so damage inside values may go unseen", note: true},
	{code: CodeTrailing, server: nobody, checker: nobody, sentinel: ErrFile, meaning: "bytes behind the end"},
	{code: CodeDuplicateKey, server: all, checker: nobody, sentinel: ErrFile, meaning: "a key that stands twice in its database"},
	{code: CodeDBRange, server: all, checker: nobody, sentinel: ErrFile, meaning: "a database number beyond the configured ones"},
	{code: CodeResizeDB, server: nobody, checker: nobody, sentinel: ErrFile, meaning: "a count of keys that is not that of the keys present"},
}

// row returns the rule of a code; an unknown code is a fault of this package and has the rule of [CodeTruncated].
func (c Code) row() *rule {
	if i := slices.IndexFunc(rules, func(r rule) bool { return r.code == c }); i >= 0 {
		return &rules[i]
	}
	return &rules[0]
}

// Meaning says in a few words what is wrong.
func (c Code) Meaning() string { return c.row().meaning }

// Rule is a row of the table of rules, for documentation and reports.
type Rule struct {
	Code    Code
	Meaning string
	Server  [2]Outcome // indexed by Family: the newest server with full sanitisation
	Checker [2]Outcome // indexed by Family: its checker
}

// Rules returns every rule, in the order of the documentation.
func Rules() []Rule {
	out := make([]Rule, len(rules))
	for i, r := range rules {
		out[i] = Rule{r.code, r.meaning, r.server, r.checker}
	}
	return out
}

// packedName is the encoding's name in the checkers' "integrity check failed" messages.
func (f Family) packedName(t Type) string {
	switch t {
	case TypeListQuicklist:
		return "Ziplist"
	case TypeListQuicklist2:
		return "Listpack"
	case TypeHashZipmap:
		return "Zipmap"
	case TypeListZiplist:
		return "List ziplist"
	case TypeSetIntset:
		return "Intset"
	case TypeZsetZiplist:
		return "Zset ziplist"
	case TypeHashZiplist:
		return "Hash ziplist"
	case TypeSetListpack:
		return "Set listpack"
	case TypeZsetListpack:
		return "Zset listpack"
	default:
		return "Hash listpack"
	}
}
