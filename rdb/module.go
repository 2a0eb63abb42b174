package rdb

import "strings"

// ModuleID names a module's type and the version of its encoding:
//
//	bits 63..10  nine characters of six bits, the first one highest: A-Z a-z 0-9 - _
//	bits  9..0   version of the encoding
//
// (Redis module.c)
type ModuleID uint64

const moduleChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Name returns the nine characters, such as "ReJSON-RL".
func (m ModuleID) Name() string {
	var b [9]byte
	for i := range b {
		b[8-i] = moduleChars[m>>(10+6*i)&63]
	}
	return string(b[:])
}

// Version returns the version of the encoding, 0..1023.
func (m ModuleID) Version() int { return int(m & 1023) }

// NewModuleID makes an id of a name of nine characters and a version; ok is false if they cannot be one.
func NewModuleID(name string, version int) (id ModuleID, ok bool) {
	if len(name) != 9 || version < 0 || version > 1023 {
		return 0, false
	}
	for i := range len(name) {
		c := strings.IndexByte(moduleChars, name[i])
		if c < 0 {
			return 0, false
		}
		id = id<<6 | ModuleID(c)
	}
	return id<<10 | ModuleID(version), true
}

// MetaClass names the class of a key's metadata:
//
//	bits 31..8  four characters of six bits, the first one highest: A-Z a-z 0-9 _ -
//	bits  7..3  version of the class
//	bits  2..0  flags; bit 0: a server that does not know the class may ignore the data
//
// The last two characters of the alphabet are the other way round than in a [ModuleID]. (Redis 8.6)
type MetaClass uint32

const metaChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// Name returns the four characters.
func (m MetaClass) Name() string {
	var b [4]byte
	for i := range b {
		b[3-i] = metaChars[m>>(8+6*i)&63]
	}
	return string(b[:])
}

// Version returns the version of the class, 0..31.
func (m MetaClass) Version() int { return int(m >> 3 & 31) }

// Ignorable reports whether a server that does not know the class loads the key without the data instead of refusing the file.
func (m MetaClass) Ignorable() bool { return m&1 != 0 }

// ModuleItemKind is the opcode of a module's item.
type ModuleItemKind uint8

const (
	ModuleSInt   ModuleItemKind = moduleSInt
	ModuleUInt   ModuleItemKind = moduleUInt
	ModuleFloat  ModuleItemKind = moduleFloat
	ModuleDouble ModuleItemKind = moduleDouble
	ModuleString ModuleItemKind = moduleString
)

// ModuleItem is one item of what a module saved.
type ModuleItem struct {
	Kind   ModuleItemKind
	Int    uint64 // ModuleUInt; of ModuleSInt the two's complement, of floats the bits as stored
	Float  float64
	String []byte
}

func (m *ModuleItem) clone() ModuleItem {
	c := *m
	if m.String != nil {
		c.String = append([]byte{}, m.String...)
	}
	return c
}
