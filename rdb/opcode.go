package rdb

// Opcodes: bytes in the place of a type that announce something other than a key. Wire constants of rdb.h.
//
//	byte  since             what follows
//	0xFF  1                 EOF: the checksum (since 5)
//	0xFE  1                 SELECTDB: len
//	0xFD  1                 EXPIRETIME: int32le seconds
//	0xFC  3                 EXPIRETIME_MS: int64le milliseconds
//	0xFB  7                 RESIZEDB: len keys, len keys that expire
//	0xFA  7                 AUX: str name, str value
//	0xF9  9                 FREQ: u8
//	0xF8  9                 IDLE: len seconds
//	0xF7  9                 MODULE_AUX: len id, len opcode (2), len when, module items
//	0xF6  10 (7.0 RCs)      FUNCTION_PRE_GA: str name, str engine, len has description, [str description], str code
//	0xF5  10                FUNCTION2: str code
//	0xF4  12                SLOT_INFO: len slot, len keys, len keys that expire
//	0xF3  13, REDIS magic   KEY_META: len classes, then each u32le class and module items
//	0xF3  80, VALKEY magic  SLOT_IMPORT: str job name, len ranges, then each len start, len end
const (
	opEOF           = 0xFF
	opSelectDB      = 0xFE
	opExpireTime    = 0xFD
	opExpireTimeMS  = 0xFC
	opResizeDB      = 0xFB
	opAux           = 0xFA
	opFreq          = 0xF9
	opIdle          = 0xF8
	opModuleAux     = 0xF7
	opFunctionPreGA = 0xF6
	opFunction2     = 0xF5
	opSlotInfo      = 0xF4
	opKeyMeta       = 0xF3 // REDIS magic
	opSlotImport    = 0xF3 // VALKEY magic
)

// Module items: the opcodes inside a module's value.
const (
	moduleEOF    = 0
	moduleSInt   = 1
	moduleUInt   = 2
	moduleFloat  = 3
	moduleDouble = 4
	moduleString = 5
)

// Containers of a quicklist 2 node.
const (
	containerPlain  = 1
	containerPacked = 2
)

// Forms of a length's first byte and of an encoded string.
const (
	len32     = 0x80
	len64     = 0x81
	encInt8   = 0
	encInt16  = 1
	encInt32  = 2
	encLZF    = 3
	lenErr    = 1<<64 - 1 // a count of this value is the servers' own error mark
	streamIDN = 16
)
