package rdb

import "strconv"

// Family tells whose file it is: the two lines of servers give the same numbers different meanings and refuse different things.
// The magic decides, "REDIS" or "VALKEY"; Valkey before 9.0 writes the Redis magic and is of the Redis family here.
type Family uint8

const (
	Redis Family = iota
	Valkey
)

// String returns "Redis" or "Valkey".
func (f Family) String() string {
	if f == Valkey {
		return "Valkey"
	}
	return "Redis"
}

// Versions of the format that this package reads.
//
//	REDIS  1..14  Redis 1.0 to 8.8 (14 as far as its types are those up to [TypeStream5]), Valkey 7.2 to 8.1
//	VALKEY 80     Valkey 9.0 and 9.1
const (
	MinVersion       = 1
	MaxRedisVersion  = 14
	MinValkeyVersion = 80
	MaxValkeyVersion = 80
)

// Kind is what a key holds, whatever its encoding: what the TYPE command answers.
type Kind uint8

const (
	KindUnknown Kind = iota
	KindString
	KindList
	KindSet
	KindSortedSet
	KindHash
	KindStream
	KindModule
)

var kindNames = [...]string{"unknown", "string", "list", "set", "zset", "hash", "stream", "module"}

// String returns the name that the TYPE command gives: "string", "list", "set", "zset", "hash", "stream"; "module" for a module's type.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[KindUnknown]
}

// Type is the byte before a key: the kind of its value and how that is laid out. Wire constants of rdb.h; never renumber.
type Type uint8

const (
	TypeString            Type = 0
	TypeList              Type = 1
	TypeSet               Type = 2
	TypeZset              Type = 3 // scores as decimal text
	TypeHash              Type = 4
	TypeZset2             Type = 5 // scores as binary doubles
	TypeModulePreGA       Type = 6 // Redis 4.0 release candidates; has no framing, nobody can skip it
	TypeModule2           Type = 7
	TypeHashZipmap        Type = 9
	TypeListZiplist       Type = 10
	TypeSetIntset         Type = 11
	TypeZsetZiplist       Type = 12
	TypeHashZiplist       Type = 13
	TypeListQuicklist     Type = 14
	TypeStream            Type = 15
	TypeHashListpack      Type = 16
	TypeZsetListpack      Type = 17
	TypeListQuicklist2    Type = 18
	TypeStream2           Type = 19
	TypeSetListpack       Type = 20
	TypeStream3           Type = 21
	TypeHashTTLPreGA      Type = 22 // Redis 7.4 release candidates
	TypeHashListpackPreGA Type = 23 // Redis 7.4 release candidates
	TypeHashTTL           Type = 24
	TypeHashListpackTTL   Type = 25
	TypeStream4           Type = 26
	TypeStream5           Type = 27

	// TypeHash2 is number 22 in files with the VALKEY magic.
	TypeHash2 Type = 22
)

// shape names the decoding function of a type; types of one shape differ in details only.
type shape uint8

const (
	shapeNone shape = iota
	shapeString
	shapeItems      // n strings: list, set
	shapeScored     // n (member, score)
	shapeFields     // n (field, value), with or without a time
	shapeZipmap     // one blob
	shapeZiplist    // one blob
	shapeIntset     // one blob
	shapeListpack   // one blob
	shapeQuicklist  // n ziplist blobs
	shapeQuicklist2 // n (container, blob)
	shapeStream
	shapeModule
	shapeModulePreGA
)

// typeInfo is a row of the table of types.
type typeInfo struct {
	kind     Kind
	shape    shape
	tuple    uint8  // entries of a packed encoding that make one element
	since    uint8  // first version of the format with it
	until    uint8  // last version whose writers use it; 0: still in use
	encoding string // as OBJECT ENCODING names it, or as the format does where no server still has it
	tool     string // as redis-check-rdb names it
}

// redisTypes and valkeyTypes are the one list of types. The tool's names are those of the rdb_type_string table in Redis 8.6's
// redis-check-rdb.c; the encoding's name for [TypeString] is told by the string itself.
var redisTypes = [...]typeInfo{
	TypeString:            {KindString, shapeString, 1, 1, 0, "raw", "string"},
	TypeList:              {KindList, shapeItems, 1, 1, 6, "linkedlist", "list-linked"},
	TypeSet:               {KindSet, shapeItems, 1, 1, 0, "hashtable", "set-hashtable"},
	TypeZset:              {KindSortedSet, shapeScored, 2, 1, 7, "skiplist", "zset-v1"},
	TypeHash:              {KindHash, shapeFields, 2, 1, 0, "hashtable", "hash-hashtable"},
	TypeZset2:             {KindSortedSet, shapeScored, 2, 8, 0, "skiplist", "zset-v2"},
	TypeModulePreGA:       {KindModule, shapeModulePreGA, 1, 8, 8, "module", "module-pre-release"},
	TypeModule2:           {KindModule, shapeModule, 1, 8, 0, "module", "module-value"},
	8:                     {},
	TypeHashZipmap:        {KindHash, shapeZipmap, 2, 2, 3, "zipmap", "hash-zipmap"},
	TypeListZiplist:       {KindList, shapeZiplist, 1, 2, 6, "ziplist", "list-ziplist"},
	TypeSetIntset:         {KindSet, shapeIntset, 1, 2, 0, "intset", "set-intset"},
	TypeZsetZiplist:       {KindSortedSet, shapeZiplist, 2, 2, 9, "ziplist", "zset-ziplist"},
	TypeHashZiplist:       {KindHash, shapeZiplist, 2, 4, 9, "ziplist", "hash-ziplist"},
	TypeListQuicklist:     {KindList, shapeQuicklist, 1, 7, 9, "quicklist", "quicklist"},
	TypeStream:            {KindStream, shapeStream, 1, 9, 9, "stream", "stream"},
	TypeHashListpack:      {KindHash, shapeListpack, 2, 10, 0, "listpack", "hash-listpack"},
	TypeZsetListpack:      {KindSortedSet, shapeListpack, 2, 10, 0, "listpack", "zset-listpack"},
	TypeListQuicklist2:    {KindList, shapeQuicklist2, 1, 10, 0, "quicklist", "quicklist-v2"},
	TypeStream2:           {KindStream, shapeStream, 1, 10, 10, "stream", "stream-v2"},
	TypeSetListpack:       {KindSet, shapeListpack, 1, 11, 0, "listpack", "set-listpack"},
	TypeStream3:           {KindStream, shapeStream, 1, 11, 12, "stream", "stream-v3"},
	TypeHashTTLPreGA:      {KindHash, shapeFields, 2, 12, 12, "hashtable", "hash-hashtable-md-pre-release"},
	TypeHashListpackPreGA: {KindHash, shapeListpack, 3, 12, 12, "listpackex", "hash-listpack-md-pre-release"},
	TypeHashTTL:           {KindHash, shapeFields, 2, 12, 0, "hashtable", "hash-hashtable-md"},
	TypeHashListpackTTL:   {KindHash, shapeListpack, 3, 12, 0, "listpackex", "hash-listpack-md"},
	TypeStream4:           {KindStream, shapeStream, 1, 13, 13, "stream", "stream-v4"},
	TypeStream5:           {KindStream, shapeStream, 1, 14, 0, "stream", "stream-v5"},
}

var valkeyHash2 = typeInfo{KindHash, shapeFields, 2, 80, 0, "hashtable", "hash-volatile-items"}

// info returns the row of a type in files of the family, or nil if there is no such type.
func (f Family) info(t Type) *typeInfo {
	if f == Valkey && t > TypeStream3 {
		if t == TypeHash2 {
			return &valkeyHash2
		}
		return nil
	}
	if int(t) >= len(redisTypes) || redisTypes[t].shape == shapeNone {
		return nil
	}
	return &redisTypes[t]
}

// Kind returns what a key of this type holds, [KindUnknown] for a number that is no type.
// Number 22 is a hash in both families, so no family need be given.
func (t Type) Kind() Kind {
	if i := Redis.info(t); i != nil {
		return i.kind
	}
	return KindUnknown
}

// String returns the name that redis-check-rdb prints for the type, such as "zset-listpack", or its number where it has none.
func (t Type) String() string {
	if i := Redis.info(t); i != nil {
		return i.tool
	}
	return strconv.Itoa(int(t))
}

// TypeName returns the name that the family's checker prints for type t: number 22 is "hash-volatile-items" in a Valkey file.
// It is "unknown" for a number that is no type of the family.
func (f Family) TypeName(t Type) string {
	if i := f.info(t); i != nil {
		return i.tool
	}
	return "unknown"
}

// Known reports whether files of the family can hold values of type t.
func (f Family) Known(t Type) bool { return f.info(t) != nil }

// Encoding returns the encoding's name as OBJECT ENCODING answers it ("listpack", "intset", "hashtable", …), or the format's own
// name for encodings that no living server has ("zipmap", "linkedlist"). For strings see [Entry.Encoding].
func (t Type) Encoding() string {
	if i := Redis.info(t); i != nil {
		return i.encoding
	}
	return "unknown"
}
