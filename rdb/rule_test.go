package rdb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// ruleCases break each rule once. Offsets and messages are those of the real checkers, Redis 8.6.3 and Valkey 9.1.2.
var ruleCases = []struct {
	name    string
	file    []byte
	code    rdb.Code
	offset  int64
	message string // of the checker; empty: it accepts the file
	warning bool   // the server loads it
}{
	{"empty input", nil, rdb.CodeTruncated, 0, "Unexpected EOF reading RDB file", false},
	{"another kind of file", []byte("hello world, hello"), rdb.CodeSignature, 9, "Wrong signature trying to load DB from file", false},
	{"zeroed start", make([]byte, 100), rdb.CodeSignature, 9, "Wrong signature trying to load DB from file", false},
	{"version 0", file("REDIS0000"), rdb.CodeVersion, 9, "Can't handle RDB format version 0", false},
	{"version 99", file("REDIS0099"), rdb.CodeVersion, 9, "Can't handle RDB format version 99", false},
	{"Valkey's magic with Redis's version", file("VALKEY011"), rdb.CodeVersion, 9, "Can't handle RDB format version 11", false},
	{"no end mark", []byte("REDIS0012"), rdb.CodeTruncated, 9, "Unexpected EOF reading RDB file", false},
	{"checksum cut", redisFile()[:14], rdb.CodeTruncated, 10, "Unexpected EOF reading RDB file", false},
	{"checksum wrong", []byte("REDIS0012\xff12345678"), rdb.CodeChecksum, 18, "RDB CRC error", false},
	{"14-bit length cut", []byte("REDIS0012\xfe\x41"), rdb.CodeTruncated, 11, "Unexpected EOF reading RDB file", false},
	{"32-bit length cut", []byte("REDIS0012\xfe\x80\x01"), rdb.CodeTruncated, 11, "Unexpected EOF reading RDB file", false},
	{"no length", redisFile("\xfe\x82"), rdb.CodeLength, 11, "Unknown length encoding 2 in rdbLoadLen()", false},
	{"count of 2^64-1", redisFile(key(1, "k"), ln(math.MaxUint64)), rdb.CodeLengthRange, 21, "Unexpected EOF reading RDB file", false},
	{"no string", redisFile("\x00\xc4"), rdb.CodeStringEncoding, 11, "Unknown RDB string encoding type 4", false},
	{"no type", redisFile("\x08"), rdb.CodeType, 10, "Invalid object type: 8", false},
	{"a type of the other family", valkeyFile("\x18"), rdb.CodeType, 10, "Invalid object type: 24", false},
	{"huge string", redisFile(key(0, "k"), ln(1<<62)), rdb.CodeTruncated, 21, "Unexpected EOF reading RDB file", false},
	{"module data with another when", redisFile("\xf7\x01\x01\x01\x00"), rdb.CodeModuleAuxWhen, 13, "bad when_opcode", false},
	{"module value of 4.0 RC", redisFile(key(6, "k")), rdb.CodeModulePreGA, 12, "Pre-release module format not supported", false},
	{"function of 7.0 RC", redisFile("\xf6", str("lib"), str("LUA"), ln(0), str("code")), rdb.CodeFunctionPreGA, 10, "Pre-release function format not supported 13", false},
	{"function cut", []byte("REDIS0013\xf5\x05#!lu"), rdb.CodeTruncated, 11, "Failed loading library, Failed loading library payload", false},
	{"function of 2^64-1 bytes", redisFile("\xf5", ln(math.MaxUint64)), rdb.CodeLengthRange, 19, "Failed loading library, Failed loading library payload", false},
	{"function of LZF of impossible size", redisFile("\xf5\xc3\x02", ln(1<<60), "\x00a"), rdb.CodeLZFSize, 21, "Failed loading library, Failed loading library payload", false},
	{"function without header", redisFile("\xf5", str("hello")), rdb.CodeFunctionHeader, 16, "", false},
	{"function twice", redisFile("\xf5", str("#!lua name=a\n"), "\xf5", str("#!lua name=a\n")), rdb.CodeFunctionDuplicate, 39, "", false},
	{"LZF broken", redisFile(key(0, "k"), "\xc3\x02\x09\x05ab"), rdb.CodeLZF, 17, "Invalid LZF compressed string", false},
	{"LZF too short", redisFile(key(0, "k"), "\xc3\x02\x09\x00a"), rdb.CodeLZF, 17, "Invalid LZF compressed string", false},
	{"LZF of impossible size", redisFile(key(0, "k"), "\xc3\x02", ln(1<<60), "\x00a"), rdb.CodeLZFSize, 23, "Unexpected EOF reading RDB file", false},
	{"score no number", redisFile(key(3, "k"), ln(1), str("m"), "\x03abc"), rdb.CodeScore, 19, "Unexpected EOF reading RDB file", false},
	{"score text NaN", redisFile(key(3, "k"), ln(1), str("m"), "\xfd"), rdb.CodeScoreNaN, 16, "Zset with NAN score detected", false},
	{"score NaN", redisFile(key(5, "k"), ln(1), str("m"), f64(math.NaN())), rdb.CodeScoreNaN, 23, "Zset with NAN score detected", false},
	{"packed NaN, Redis", redisFile(key(17, "k"), str(lp("m", "nan"))), rdb.CodeScoreNaNPacked, 28, "", true},
	{"packed NaN, Valkey", valkeyFile(key(17, "k"), str(lp("m", "nan"))), rdb.CodeScoreNaNPacked, 28, "Zset listpack with NAN score detected", false},
	{"set member twice", redisFile(key(2, "k"), ln(3), str("a"), str("b"), str("a")), rdb.CodeSetDuplicate, 19, "Duplicate set members detected", false},
	{"set member twice in two forms", redisFile(key(2, "k"), ln(2), str("5"), "\xc0\x05"), rdb.CodeSetDuplicate, 17, "Duplicate set members detected", false},
	{"zset member twice", redisFile(key(5, "k"), ln(2), str("a"), f64(1), str("a"), f64(2)), rdb.CodeZsetDuplicate, 33, "Duplicate zset fields detected", false},
	{"hash field twice", redisFile(key(4, "k"), ln(2), str("a"), str("1"), str("a"), str("2")), rdb.CodeHashDuplicate, 21, "Hash with dup elements", false},
	{"hash field twice behind a long value", redisFile(key(4, "k"), ln(2), str("a"), str(strings.Repeat("v", 65)), str("a"), str("2")), rdb.CodeHashDuplicate, 86, "Duplicate hash fields detected", false},
	{"earliest expiry too late", redisFile(key(24, "k"), le64(1<<49), ln(1), ln(0), str("a"), str("1")), rdb.CodeHashMinExpire, 20, "Hash read invalid minExpire value", false},
	{"field expiry too late", redisFile(key(24, "k"), le64(1<<48-1), ln(1), ln(2), str("a"), str("1")), rdb.CodeFieldExpire, 22, "invalid expireAt time: 281474976710656", false},
	{"field expiry below -1", valkeyFile(key(22, "k"), ln(1), str("a"), str("1"), le64(math.MaxUint64-1)), rdb.CodeFieldExpireNeg, 25, "Unexpected EOF reading RDB file", false},
	{"set of impossible size", redisFile(key(2, "k"), ln(1<<43+1), str("a")), rdb.CodeCollectionSize, 21, "OOM in dictTryExpand 8796093022209", false},
	{"sorted set of impossible size", redisFile(key(5, "k"), ln(1<<60), str("a"), f64(0)), rdb.CodeCollectionSize, 21, "OOM in dictTryExpand 1152921504606846976", false},
	{"hash of impossible size", redisFile(key(4, "k"), ln(1<<50), "\xc4"), rdb.CodeCollectionSize, 21, "OOM in dictTryExpand 1125899906842624", false},
	{"hash of a size beyond 64 bits", []byte("REDIS0013" + key(4, "k") + ln(1<<60+1) + str("a")), rdb.CodeTruncated, 23, "Unexpected EOF reading RDB file", false},
	{"list of impossible size", []byte("REDIS0013" + key(1, "k") + ln(1<<60) + str("a")), rdb.CodeTruncated, 23, "Unexpected EOF reading RDB file", false},
	{"empty set", redisFile(key(2, "k"), ln(0)), rdb.CodeEmpty, 13, "Unexpected EOF reading RDB file", false},
	{"empty listpack", redisFile(key(16, "k"), str(lp())), rdb.CodeEmpty, 20, "Unexpected EOF reading RDB file", false},
	{"empty quicklist nodes", redisFile(key(18, "k"), ln(1), ln(2), str(lp())), rdb.CodeEmpty, 22, "Unexpected EOF reading RDB file", false},
	{"listpack broken", redisFile(key(16, "k"), str(strings.Replace(lp("a", "b"), "\x81a\x02", "\x81a\x03", 1))), rdb.CodeListpack, 26, "Hash listpack integrity check failed.", false},
	{"ziplist broken", redisFile(key(13, "k"), str(strings.Replace(ziplist("a", "b"), "\x03\x01b", "\x04\x01b", 1))), rdb.CodeZiplist, 30, "Hash ziplist integrity check failed.", false},
	{"intset unsorted", redisFile(key(11, "k"), str(intset16(2, 1))), rdb.CodeIntset, 25, "Intset integrity check failed.", false},
	{"zipmap broken", redisFile(key(9, "k"), str("\x01\x01a\x05\x00b\xff")), rdb.CodeZipmap, 20, "Zipmap integrity check failed.", false},
	{"zipmap long length", redisFile(key(9, "k"), str("\x01\xfe\x01\x00\x00\x00a\x01\x00b\xff")), rdb.CodeZipmapLength, 24, "Zipmap integrity check failed.", false},
	{"zipmap field twice before a broken one", redisFile(key(9, "k"), str("\x02\x01a\x01\x00b\x01a\x01\x00c\x05d\xff")), rdb.CodeZipmap, 27, "Zipmap integrity check failed.", false},
	{"zipmap field twice", redisFile(key(9, "k"), str("\x02\x01a\x01\x00b\x01a\x01\x00c\xff")), rdb.CodeZipmapDuplicate, 25, "Hash zipmap with dup elements, or big length (1)", false},
	{"odd hash", redisFile(key(16, "k"), str(lp("a", "b", "c"))), rdb.CodePackedTuple, 29, "Hash listpack integrity check failed.", false},
	{"packed set member twice", redisFile(key(20, "k"), str(lp("a", "a"))), rdb.CodePackedDuplicate, 26, "Set listpack integrity check failed.", false},
	{"ttl no number", redisFile(key(25, "k"), le64(5), str(lp("f", "v", "x"))), rdb.CodePackedTTL, 37, "Hash listpack integrity check failed.", false},
	{"ttl out of order", redisFile(key(25, "k"), le64(5), str(lp("f", "v", 0, "g", "v", 7))), rdb.CodePackedTTLOrder, 44, "Hash listpack integrity check failed.", false},
	{"quicklist container", redisFile(key(18, "k"), ln(1), ln(3), str("a")), rdb.CodeQuicklistContainer, 14, "Quicklist integrity check failed.", false},
	{"quicklist empty node", redisFile(key(18, "k"), ln(1), ln(1), str("")), rdb.CodeQuicklistEmptyNode, 15, "Unexpected EOF reading RDB file", false},
	{"stream node count of 2^64-1", redisFile(key(21, "k"), ln(math.MaxUint64)), rdb.CodeLengthRange, 21, "Stream listpacks len loading failed.", false},
	{"stream listpack of impossible size", redisFile(key(21, "k"), ln(1), str(id(1, 0)), "\xc3\x02", ln(1<<60), "\x00a"), rdb.CodeLZFSize, 41, "Stream listpacks loading failed.", false},
	{"stream node key", redisFile(key(21, "k"), ln(1), str("short"), str(lp(0, 0, 0, 0)), streamTail(0, 0), ln(0)), rdb.CodeStreamNodeKey, 19, "Stream node key entry is not the size of a stream ID", false},
	{"stream record broken", redisFile(key(21, "k"), ln(1), str(id(1, 0)), str(lp(1, 0, 1, "f", 0, 2, 0, 0, "v", 5)), streamTail(1, 1), ln(0)), rdb.CodeStreamListpack, 60, "Stream listpack integrity check failed.", false},
	{"stream node twice", redisFile(key(21, "k"), ln(2), node(1, "a"), node(1, "b"), streamTail(2, 1), ln(0)), rdb.CodeStreamNodeTwice, 107, "Listpack re-added with existing key", false},
	{"stream length, Redis", redisFile(key(21, "k"), ln(1), node(1, "a"), streamTail(2, 1), ln(0)), rdb.CodeStreamLength, 68, "", true},
	{"stream length, Valkey", valkeyFile(key(21, "k"), ln(1), node(1, "a"), streamTail(2, 1), ln(0)), rdb.CodeStreamLength, 68, "Stream length inconsistent with the number of valid entries", false},
	{"stream length without nodes", redisFile(key(21, "k"), ln(0), streamTail(2, 1), ln(0)), rdb.CodeStreamNoNodes, 21, "Stream length inconsistent with rax entries", false},
	{"group twice", redisFile(key(21, "k"), ln(0), streamTail(0, 1), ln(2), group("g", nil), group("g", nil)), rdb.CodeGroupDuplicate, 34, "Duplicated consumer group name g", false},
	{"pending twice", redisFile(key(21, "k"), ln(0), streamTail(0, 1), ln(1), group("g", []uint64{1, 1}, []uint64{1})), rdb.CodePendingDuplicate, 78, "Duplicated global PEL entry loading stream consumer group", false},
	{"consumer twice", redisFile(key(21, "k"), ln(0), streamTail(0, 1), ln(1), str("g"), ln(0), ln(0), ln(0), ln(0), ln(2), strings.Repeat(str("c")+le64(1)+le64(1)+ln(0), 2)), rdb.CodeConsumerDuplicate, 50, "Duplicate stream consumer detected.", false},
	{"pending unknown", redisFile(key(21, "k"), ln(0), streamTail(0, 1), ln(1), group("g", []uint64{1}, []uint64{1, 2})), rdb.CodePendingUnknown, 106, "Consumer entry not found in group global PEL", false},
	{"pending twice with one consumer", redisFile(key(21, "k"), ln(0), streamTail(0, 1), ln(1), group("g", []uint64{1}, []uint64{1, 1})), rdb.CodePendingTwice, 106, "Duplicated consumer PEL entry  loading a stream consumer group", false},
	{"pending with two consumers, Redis", redisFile(key(21, "k"), ln(0), streamTail(0, 1), ln(1), group("g", []uint64{1}, []uint64{1}, []uint64{1})), rdb.CodePendingShared, 126, "", true},
	{"pending with two consumers, Valkey", valkeyFile(key(21, "k"), ln(0), streamTail(0, 1), ln(1), group("g", []uint64{1}, []uint64{1}, []uint64{1})), rdb.CodePendingShared, 126, "NACK already assigned to a different consumer, shared NACKs across consumers are not valid", false},
	{"pending with nobody", redisFile(key(21, "k"), ln(0), streamTail(0, 1), ln(1), group("g", []uint64{1, 2}, []uint64{1})), rdb.CodePendingUnowned, 115, "Stream CG PEL entry without consumer", false},
	{"idmp duration", redisFile(key(26, "k"), ln(0), streamTail(0, 1), ln(0), ln(0), ln(100), ln(0), ln(0), ln(0)), rdb.CodeIDMPDuration, 23, "Stream IDMP duration out of range", false},
	{"idmp max entries", redisFile(key(26, "k"), ln(0), streamTail(0, 1), ln(0), ln(100), ln(10001), ln(0), ln(0), ln(0)), rdb.CodeIDMPMax, 26, "Stream IDMP max entries out of range", false},
	{"idmp producer twice", redisFile(key(26, "k"), ln(0), streamTail(0, 1), ln(0), ln(100), ln(100), ln(2), str("p"), ln(0), str("p"), ln(0), ln(0), ln(0)), rdb.CodeIDMPProducer, 33, "Stream IDMP entries loading failed.", false},
	{"idmp id twice", redisFile(key(26, "k"), ln(0), streamTail(0, 1), ln(0), ln(100), ln(100), ln(1), str("p"), ln(2), str("i"), ln(1), ln(0), str("i"), ln(1), ln(0), ln(0), ln(0)), rdb.CodeIDMPEntry, 38, "", true},
	{"module type 0", redisFile(key(7, "k"), ln(0), "\x00"), rdb.CodeModuleID, 13, "", false},
	{"module opcode", redisFile(key(7, "k"), ln(1<<60), "\x06\x02\x05\x00"), rdb.CodeModuleOpcode, 22, "", false},
	{"module opcode of 2^64-1", redisFile(key(7, "k"), ln(1<<60), ln(math.MaxUint64), "\x02\x05\x00"), rdb.CodeModuleOpcode, 30, "", false},
	{"vector set cut short", redisFile(vectorKey(vectorHead(1))), rdb.CodeVectorLayout, 31, "", false},
	{"vectors of dimension 0", redisFile(vectorKey(nums(0, 0, 0, 0))), rdb.CodeVectorForm, 23, "", false},
	{"vector set of a later version", redisFile(key(7, "k"), ln(vectorID+1), ln(0)), rdb.CodeVectorForm, 21, "", false},
	{"vector of another size", redisFile(vectorKey(vectorHead(1), text("a"), text("short"))), rdb.CodeVectorSize, 40, "", false},
	{"more links than room", redisFile(vectorKey(vectorHead(1), text("a"), text("12345678"), nums(5, 1, 0, 2, 1, 0))), rdb.CodeVectorNode, 53, "", false},
	{"node linked with itself", redisFile(vectorKey(vectorHead(1), linked(1, 1))), rdb.CodeVectorLinks, 59, "", false},
	{"nodes of one id", redisFile(vectorKey(vectorHead(2), linked(1), linked(1))), rdb.CodeVectorNodeID, 86, "", true},
	{"metadata cut in an integer", []byte("REDIS0013\xf3\x01abcd\x02\x81"), rdb.CodeTruncated, 17, "Error reading integer from module metadata value", false},
	{"module value cut at an opcode", []byte("REDIS0013" + key(7, "k") + ln(1<<60) + "\x02\x05"), rdb.CodeTruncated, 23, "Unexpected EOF reading RDB file", false},
	{"module value cut in a string", []byte("REDIS0013" + key(7, "k") + ln(0x45e25238df912c03) + "\x05\x05abc"), rdb.CodeTruncated, 23, "Error reading string from module ReJSON-RL value", false},
	{"metadata of eight classes", redisFile("\xf3\x08", strings.Repeat("\x01\x00\x00\x00\x00", 8), key(0, "k"), str("v")), rdb.CodeMetaClasses, 11, "", false},
	{"metadata before an expiry", redisFile("\xf3\x01\x01\x00\x00\x00\x00", "\xfc", le64(1<<42), key(0, "k"), str("v")), rdb.CodeMetaPlace, 17, "", false},
	{"slot import without a name", valkeyFile("\xf3", str("job"), ln(0)), rdb.CodeSlotImportJob, 14, "Invalid slot import job name length in RDB", false},
	{"slot import of no slots", valkeyFile("\xf3", str(strings.Repeat("j", 40)), ln(1), ln(5), ln(4)), rdb.CodeSlotImportRange, 54, "", false},
	{"slot-info, Redis", redisFile("\xfa", str("slot-info"), str("5,1")), rdb.CodeSlotInfoAux, 24, "", true},
	{"slot-info, Valkey", valkeyFile("\xfa", str("slot-info"), str("5,1")), rdb.CodeSlotInfoAux, 24, "", false},
	{"bytes behind the end", append(redisFile(), "more"...), rdb.CodeTrailing, 18, "", true},
	{"key twice", redisFile(key(0, "k"), str("v"), key(0, "k"), str("w")), rdb.CodeDuplicateKey, 17, "", false},
	{"database out of range", redisFile("\xfe\x40\x63", key(0, "k"), str("v")), rdb.CodeDBRange, 12, "", false},
	{"count of keys wrong", redisFile("\xfe\x00\xfb\x02\x00", key(0, "k"), str("v")), rdb.CodeResizeDB, 14, "", true},
}

var everything = rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Hints: true, Databases: 16}

func TestEveryRule(t *testing.T) {
	for _, c := range ruleCases {
		t.Run(c.name, func(t *testing.T) {
			rep, err := rdb.Verify(context.Background(), bytes.NewReader(c.file), everything)
			require.NotEmpty(t, rep.Faults)
			e := rep.Faults[0]
			assert.Equal(t, c.code, e.Code, "%v", e)
			assert.Equal(t, c.offset, e.Offset, "%v", e)
			if c.message == "" {
				assert.Nil(t, rep.CheckerFault())
			} else if text, _ := e.CheckerMessage(); assert.NotNil(t, rep.CheckerFault()) {
				assert.Equal(t, c.message, text)
			}
			if c.warning {
				assert.NoError(t, err)
				assert.Equal(t, rdb.Warning, e.Severity())
			} else {
				assert.Equal(t, rdb.Error, e.Severity())
				assert.ErrorAs(t, err, &e)
			}
			if c.code == rdb.CodeTruncated {
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
		})
	}
}

// TestRulesAreTested has a case for every row of the table, but for remarks and what needs an entry of 16 KiB or type 27.
func TestRulesAreTested(t *testing.T) {
	elsewhere := map[rdb.Code]bool{rdb.CodeNoChecksum: true, rdb.CodeModuleNeeded: true, rdb.CodeMetaClass: true, rdb.CodeBacklenRedis: true, rdb.CodeBacklenValkey: true, rdb.CodeNackUnknown: true, rdb.CodeStreamCount: true}
	for _, c := range ruleCases {
		elsewhere[c.code] = true
	}
	for _, r := range rdb.Rules() {
		assert.True(t, elsewhere[r.Code], "no case for %s", r.Code)
	}
}

// TestFramedFaultsDoNotHideTheNext has three damaged values and two good keys.
func TestFramedFaultsDoNotHideTheNext(t *testing.T) {
	b := redisFile(key(2, "a"), ln(2), str("x"), str("x"), key(0, "b"), str("v"), key(16, "c"), str(lp("f")),
		key(18, "d"), ln(2), ln(2), str("bad"), ln(2), str("worse"), key(0, "e"), str("v"))
	rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), everything)
	require.Error(t, err)
	var got []string
	for _, e := range rep.Faults {
		got = append(got, string(e.Key)+" "+string(e.Code))
	}
	assert.Equal(t, []string{"a set-duplicate", "c packed-tuple", "d listpack", "d listpack"}, got)
	assert.EqualValues(t, 5, rep.Keys)
	assert.True(t, rep.Complete)
}

func TestStopsAtTheFirstFaultOfTheChecker(t *testing.T) {
	b := redisFile(key(0, "k"), str("v"), key(0, "k"), str("w"), key(2, "a"), ln(2), str("x"), str("x"), key(0, "never"), str("v"))
	rep, _ := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{DuplicateKeys: true})
	assert.EqualValues(t, 3, rep.Keys)
	assert.Equal(t, rdb.CodeDuplicateKey, rep.ServerFault().Code)
	assert.Equal(t, rdb.CodeSetDuplicate, rep.CheckerFault().Code)
	assert.EqualValues(t, 1, rep.Duplicates)
}

// TestBacklenOfTheOtherFamily has an entry of 16383 bytes, whose size the families write differently.
func TestBacklenOfTheOtherFamily(t *testing.T) {
	blob := lp("f", strings.Repeat("v", 16383-5)) // written as Redis does
	rep, err := rdb.Verify(context.Background(), bytes.NewReader(redisFile(key(16, "k"), str(blob))), everything)
	require.NoError(t, err)
	require.Len(t, rep.Faults, 1)
	assert.Equal(t, rdb.CodeBacklenValkey, rep.Faults[0].Code)
	_, err = rdb.Verify(context.Background(), bytes.NewReader(valkeyFile(key(16, "k"), str(blob))), everything)
	var e *rdb.FormatError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, rdb.CodeBacklenValkey, e.Code)
	text, internal := e.CheckerMessage()
	assert.Equal(t, "Hash listpack integrity check failed.", text)
	assert.True(t, internal)
}

func TestSentinels(t *testing.T) {
	_, err := rdb.Verify(context.Background(), strings.NewReader("nonsense!"), rdb.VerifyOptions{})
	assert.ErrorIs(t, err, rdb.ErrSignature)
	_, err = rdb.Verify(context.Background(), iotestError{}, rdb.VerifyOptions{})
	assert.ErrorIs(t, err, errBroken)
	var fe *rdb.FormatError
	assert.False(t, errors.As(err, &fe), "an I/O error is no fault of the file")
}

var errBroken = errors.New("broken disk")

type iotestError struct{}

func (iotestError) Read([]byte) (int, error) { return 0, errBroken }

// TestRulesOfTheRealCheckers runs the cases through the newest real checkers, each through that of its family.
func TestRulesOfTheRealCheckers(t *testing.T) {
	masked := regexp.MustCompile(`(?m)^\[offset (\d+)\] (?:Internal error in RDB reading offset \d+, function at rdb.c:\d+ -> )?(.*)$`)
	for _, c := range ruleCases {
		t.Run(c.name, func(t *testing.T) {
			binary := oracle.FindNewest(t, "redis-8.6", "redis-check-rdb")
			if bytes.HasPrefix(c.file, []byte("VALKEY")) {
				binary = oracle.FindNewest(t, "valkey-9.1", "redis-check-rdb")
			}
			if strings.Contains(c.name, "cut at an opcode") {
				t.Skip("the real checker never returns")
			}
			path := filepath.Join(t.TempDir(), "case.rdb")
			require.NoError(t, os.WriteFile(path, c.file, 0o600))
			exit, out, _ := oracle.CheckRDB(binary, path)
			if c.message == "" {
				assert.Equal(t, 0, exit, out)
				return
			}
			rep, _ := rdb.Verify(context.Background(), bytes.NewReader(c.file), rdb.VerifyOptions{})
			if fault := rep.CheckerFault(); assert.NotNil(t, fault) {
				_, internal := fault.CheckerMessage()
				assert.Equal(t, strings.Contains(out, "Internal error in RDB reading"), internal)
			}
			assert.Equal(t, 1, exit, out)
			_, block, _ := strings.Cut(out, "--- RDB ERROR DETECTED ---\n")
			line := masked.FindStringSubmatch(block)
			require.NotNil(t, line, out)
			assert.Equal(t, c.message, line[2])
			assert.Equal(t, strconv.FormatInt(c.offset, 10), line[1])
		})
	}
}
