package rdb

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Target is the version of the format that a [Writer] writes. The number is that of the file's header; it tells the family too, as the
// families' numbers do not overlap.
type Target uint8

// The versions that can be written, with the releases whose servers write them. Later servers of the family load them too, and
// Valkey loads those of Redis up to 11.
const (
	Version6  Target = 6  // Redis 2.6 to 3.0
	Version7  Target = 7  // Redis 3.2
	Version8  Target = 8  // Redis 4.0
	Version9  Target = 9  // Redis 5.0 to 6.2
	Version10 Target = 10 // Redis 7.0
	Version11 Target = 11 // Redis 7.2, Valkey 7.2 to 8.1
	Version12 Target = 12 // Redis 7.4 to 8.4
	Version13 Target = 13 // Redis 8.6
	Version80 Target = 80 // Valkey 9.0 and 9.1
)

// Targets returns every version that can be written, in ascending order.
func Targets() []Target {
	return []Target{Version6, Version7, Version8, Version9, Version10, Version11, Version12, Version13, Version80}
}

// Valid reports whether the version can be written.
func (t Target) Valid() bool { return t >= Version6 && t <= Version13 || t == Version80 }

// Family returns whose version it is. Version 11 is of the Redis family, also where a Valkey writes it.
func (t Target) Family() Family {
	if t >= MinValkeyVersion {
		return Valkey
	}
	return Redis
}

// String returns the header's words, such as "REDIS 11".
func (t Target) String() string {
	if t.Family() == Valkey {
		return "VALKEY " + strconv.Itoa(int(t))
	}
	return "REDIS " + strconv.Itoa(int(t))
}

// loads reports whether servers that write the version load values of a type as they stand in a file of the family.
func (t Target) loads(f Family, typ Type) bool {
	info := f.info(typ)
	switch {
	case info == nil || typ == TypeModulePreGA:
		return false
	case t.Family() == Valkey:
		return typ <= TypeStream3 || f == Valkey
	}
	return (f == Redis || typ <= TypeStream3) && Target(info.since) <= t
}

// writes reports whether servers that write the version write values of that type themselves.
func (t Target) writes(f Family, typ Type) bool {
	switch {
	case !t.loads(f, typ) || f == Redis && (typ == TypeHashTTLPreGA || typ == TypeHashListpackPreGA):
		return false
	case t.Family() == Valkey && typ == TypeStream3:
		return true
	}
	until := Target(f.info(typ).until)
	return until == 0 || t <= until
}

// Feature is something that not every version of the format can hold.
type Feature uint8

const (
	FeatureAux Feature = iota
	FeatureResizeDB
	FeatureSlotInfo
	FeatureIdle
	FeatureFreq
	FeatureStreamCounters
	FeatureConsumerActive
	FeatureIDMPLimits
	FeatureStream
	FeatureModule
	FeatureModuleAux
	FeatureFunction
	FeatureFieldExpire
	FeatureKeyMeta
	FeatureIDMP
	FeatureNacked
	FeatureSlotImport
	FeatureFunctionPreGA
	FeatureEmpty
	FeatureFieldExpireRange
	FeatureType
	FeatureValue
	numFeatures
)

// weight is what it means that a version cannot hold something.
type weight uint8

const (
	advisory weight = iota // left out: a server does without, or computes it anew
	content                // refused, or left out where the caller said so
	fatal                  // refused
)

const never Target = math.MaxUint8

// featureInfo is a row of the table of features: the first version of either family that holds it.
type featureInfo struct {
	redis, valkey Target
	weight        weight
	what          string
	without       string // what is left if it is left out
}

// features is what each version can hold. The types of values are in redisTypes, with the first version of each.
var features = [...]featureInfo{
	FeatureAux:              {7, 80, advisory, "an auxiliary field", "nothing; it is information about the file"},
	FeatureResizeDB:         {7, 80, advisory, "the counts of a database", "nothing; they are hints"},
	FeatureSlotInfo:         {12, 80, advisory, "the counts of a cluster slot", "nothing; they are hints. Valkey's form is a field slot-info"},
	FeatureIdle:             {9, 80, advisory, "an idle time", "the key; the server takes it for just used"},
	FeatureFreq:             {9, 80, advisory, "an access counter", "the key; the server begins to count anew"},
	FeatureStreamCounters:   {10, 80, advisory, "entries ever added, the greatest deleted id and the entries that a group read", "the stream; the server takes the present length for the first, 0-0 for the second and estimates the third"},
	FeatureConsumerActive:   {11, 80, advisory, "the time that a consumer was last active", "the consumer; the server takes the time that it was seen"},
	FeatureIDMPLimits:       {13, never, advisory, "idempotency limits and counters", "the stream; it has the limits of the configuration"},
	FeatureStream:           {9, 80, content, "a stream", "nothing: the key is left out"},
	FeatureModule:           {8, 80, content, "a module's value", "nothing: the key is left out"},
	FeatureModuleAux:        {9, 80, content, "module data outside keys", "nothing"},
	FeatureFunction:         {10, 80, content, "a function library", "nothing"},
	FeatureFieldExpire:      {12, 80, content, "a field that expires", "the field, which then stays for ever"},
	FeatureKeyMeta:          {13, never, content, "a module's metadata of a key", "the key"},
	FeatureIDMP:             {13, never, content, "remembered idempotent ids", "the stream; what a producer sends again is added again"},
	FeatureNacked:           {never, never, content, "a pending entry given back by its consumer", "the stream, in which the entry is not pending any more"},
	FeatureSlotImport:       {never, 80, content, "an unfinished import of cluster slots", "nothing"},
	FeatureFunctionPreGA:    {never, never, content, "a function library of a Redis 7.0 release candidate", "nothing"},
	FeatureEmpty:            {never, never, content, "a collection without elements", "nothing: the key is left out, as servers do when they load it"},
	FeatureFieldExpireRange: {never, 80, fatal, "a field expiry outside 1..2^48-1 ms", ""},
	FeatureType:             {never, never, fatal, "a value of the type", ""},
	FeatureValue:            {never, never, fatal, "the value", ""},
}

// String says what the feature is, such as "a field that expires".
func (f Feature) String() string { return features[f].what }

// Since returns the first version of the family that can hold it; ok is false if there is none that can be written.
func (f Feature) Since(family Family) (t Target, ok bool) {
	if t = features[f].redis; family == Valkey {
		t = features[f].valkey
	}
	return t, t != never
}

// Advisory reports whether a [Writer] leaves it out without a word where the version has no place for it, because a server does
// without it or computes it anew; [Writer.Omitted] counts such cases. What is not advisory is refused with an [*UnsupportedError].
func (f Feature) Advisory() bool { return features[f].weight == advisory }

// Droppable reports whether it may stand in [WriterOptions.Drop].
func (f Feature) Droppable() bool { return features[f].weight == content }

// Without says what is left if it is left out; it is empty for what is never left out.
func (f Feature) Without() string { return features[f].without }

// Holds reports whether files of the version can hold it. Of [FeatureType] and [FeatureValue], which depend on more, it is false.
func (t Target) Holds(f Feature) bool {
	since, ok := f.Since(t.Family())
	return ok && t >= since
}

// FeatureSet is a set of features.
type FeatureSet uint32

// Features returns the set of those named.
func Features(fs ...Feature) (s FeatureSet) {
	for _, f := range fs {
		s |= 1 << f
	}
	return s
}

// DropAll is every feature that may be left out.
func DropAll() (s FeatureSet) {
	for f := range numFeatures {
		if f.Droppable() {
			s |= 1 << f
		}
	}
	return s
}

// Has reports whether the set has the feature.
func (s FeatureSet) Has(f Feature) bool { return s>>f&1 != 0 }

// ErrNotHeld is wrapped by every [*UnsupportedError].
var ErrNotHeld = errors.New("rdb: the version written cannot hold it")

// UnsupportedError says what a version of the format cannot hold. Nothing of the record was written; the Writer can go on.
type UnsupportedError struct {
	Feature Feature
	Target  Target
	Kind    Kind   // of the key's value, KindUnknown outside keys
	Type    Type   // FeatureType only
	DB      uint64 // of the key
	Key     []byte // nil outside keys
	Detail  string // the field, group or entry concerned, or what is wrong with the value
}

// Error names what cannot be held, where it stands, and the first version of the family that could hold it.
func (e *UnsupportedError) Error() string {
	what := e.Feature.String()
	if e.Feature == FeatureType {
		what = fmt.Sprintf("a value of type %d (%v)", e.Type, e.Type)
	}
	s := fmt.Sprintf("rdb: version %v cannot hold %s", e.Target, what)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Key != nil {
		s += fmt.Sprintf(" (%v %q, database %d)", e.Kind, shorten(e.Key), e.DB)
	}
	if since, ok := e.Since(); ok {
		s += fmt.Sprintf("; version %d can", since)
	}
	return s
}

// Since returns the first version of the target's family that can hold it; ok is false if none can.
func (e *UnsupportedError) Since() (t Target, ok bool) {
	if e.Feature != FeatureType {
		return e.Feature.Since(e.Target.Family())
	}
	for _, t := range Targets() {
		if t.Family() == e.Target.Family() && t.loads(t.Family(), e.Type) {
			return t, true
		}
	}
	return 0, false
}

// Unwrap returns [ErrNotHeld].
func (e *UnsupportedError) Unwrap() error { return ErrNotHeld }

// Limits are the settings by which servers choose between a packed and a plain encoding. Sizes are in bytes; a member, field, value or
// item longer than its limit makes the whole collection plain.
type Limits struct {
	ListSize      int // list-max-listpack-size: items in a node, or if negative -1 to -5 for nodes of 4, 8, 16, 32, 64 KiB
	ListEntries   int // list-max-ziplist-entries (version 6)
	ListValue     int // list-max-ziplist-value (version 6)
	HashEntries   int // hash-max-listpack-entries
	HashValue     int // hash-max-listpack-value
	SetInts       int // set-max-intset-entries
	SetEntries    int // set-max-listpack-entries (version 11 and later)
	SetValue      int // set-max-listpack-value (version 11 and later)
	ZsetEntries   int // zset-max-listpack-entries
	ZsetValue     int // zset-max-listpack-value
	StreamBytes   int // stream-node-max-bytes; 0: no limit
	StreamEntries int // stream-node-max-entries; 0: no limit
}

// DefaultLimits returns the settings of a server that is not configured otherwise. They are the same in every release from Redis 2.6 to
// 8.6 and Valkey 9.1 that has them (redis.conf; CONFIG GET of Redis 8.6 and Valkey 9.1).
func DefaultLimits() Limits {
	return Limits{
		ListSize: -2, ListEntries: 512, ListValue: 64, HashEntries: 512, HashValue: 64, SetInts: 512, SetEntries: 128, SetValue: 64,
		ZsetEntries: 128, ZsetValue: 64, StreamBytes: 4096, StreamEntries: 100,
	}
}
