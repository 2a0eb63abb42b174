//go:build !purego

#include "textflag.h"

// Sixteen bytes from 16 less a length on are the mask of so many bytes.
DATA ones<>+0(SB)/8, $0xFFFFFFFFFFFFFFFF
DATA ones<>+8(SB)/8, $0xFFFFFFFFFFFFFFFF
DATA ones<>+16(SB)/8, $0
DATA ones<>+24(SB)/8, $0
GLOBL ones<>(SB), RODATA|NOPTR, $32

// A round key.
DATA key<>+0(SB)/8, $0x9E3779B97F4A7C15
DATA key<>+8(SB)/8, $0xD1B54A32D192ED03
GLOBL key<>(SB), RODATA|NOPTR, $16

// ENTRY passes the entry at DI: its first byte goes to AX, how many bytes there are before its backlen to R14, and to R12 where the next one is. What
// is not short it leaves to LONG, which goes on at DONE.
#define ENTRY(LONG, DONE) \
	MOVBLZX (DI), AX \
	MOVBLZX (R10)(AX*1), R14 \
	LEAQ 1(DI)(R14*1), R12 \
	TESTL R14, R14 \
	JEQ LONG \
	CMPQ R12, DX \
	JHI refuse \
	CMPB -1(R12), R14 \
	JNE refuse \
DONE:

// LONG is for strings with a head of two bytes. Their backlen has one byte, or two.
#define LONG(BEGIN, TWO, DONE) \
BEGIN: \
	MOVL AX, R12 \
	ANDL $0xF0, R12 \
	CMPL R12, $0xE0 \
	JNE refuse \
	MOVL AX, R14 \
	ANDL $0x0F, R14 \
	SHLL $8, R14 \
	MOVBLZX 1(DI), R12 \
	LEAL 2(R14)(R12*1), R14 \
	LEAQ 1(DI)(R14*1), R12 \
	CMPL R14, $128 \
	JCC TWO \
	CMPQ R12, DX \
	JHI refuse \
	CMPB -1(R12), R14 \
	JNE refuse \
	JMP DONE \
TWO: \
	INCQ R12 \
	CMPQ R12, DX \
	JHI refuse \
	MOVL R14, SI \
	SHRL $7, SI \
	MOVL R14, R15 \
	ANDL $0x7F, R15 \
	ORL $0x80, R15 \
	SHLL $8, R15 \
	ORL SI, R15 \
	CMPW -2(R12), R15 \
	JNE refuse \
	JMP DONE

// Both loops end by the number of entries, which is known at once, and not by where an entry ends, which is known last: their end is foreseen wrong nearly
// always, and what follows need not wait for the entries to be told so.

// func passEntries(b *byte, p, last, n int) bool
//
//	DI  the entry     DX  the last byte     R10  short     CX  entries left
TEXT ·passEntries(SB), NOSPLIT, $0-33
	MOVQ b+0(FP), SI
	MOVQ p+8(FP), DI
	MOVQ last+16(FP), DX
	MOVQ n+24(FP), CX
	ADDQ SI, DI
	ADDQ SI, DX
	LEAQ ·short(SB), R10

entry:
	ENTRY(long, passed)
	MOVQ R12, DI
	DECQ CX
	JNE entry
	CMPQ DI, DX
	SETEQ ret+32(FP)
	RET

refuse:
	MOVB $0, ret+32(FP)
	RET

	LONG(long, two, passed)

// func passNames(b *byte, p, last, n int, pairs bool, slots *[dupset.FewSlots]uint64, gen uint64) (kinds uint8, unlike, odd uint32)
//
//	DI  the entry     DX  the last byte     R8   slots     R9   the generation     X3  the round key
//	CX  names left    R13 their kinds       R10  short     R11  forms              BX  not 0: one is not in its shortest form
//
// A name of up to 32 bytes is its first and its last 16, which may be the same, less what is behind it. A name's length is in its first bytes.
TEXT ·passNames(SB), NOSPLIT, $8-68
	MOVQ b+0(FP), SI
	MOVQ p+8(FP), DI
	MOVQ last+16(FP), DX
	MOVQ n+24(FP), CX
	MOVQ slots+40(FP), R8
	MOVQ gen+48(FP), R9
	ADDQ SI, DI
	ADDQ SI, DX
	LEAQ ·short(SB), R10
	LEAQ ·forms(SB), R11
	MOVOU key<>(SB), X3
	XORL R13, R13
	XORL BX, BX
	MOVL $0, odd-8(SP)

name:
	ENTRY(longName, form)

	// Its kind, and whether it has its shortest form: see the methods of form.
	SHLL $4, AX
	ADDQ R11, AX
	MOVBLZX 1(DI), R15
	CMPB R15, 3(AX)
	SBBL SI, SI
	ORL SI, BX
	SUBL $0x2D, R15 // '-'
	CMPB R15, $13   // '9' + 1 - '-'
	SBBL R15, R15
	ANDB 2(AX), R15
	ORB 1(AX), R15
	ORL R15, R13
	MOVBLZX 4(AX), SI
	SHLXQ SI, 1(DI), R15
	SARXQ SI, R15, R15
	MOVQ 8(AX), SI
	MOVQ SI, AX
	SHRQ $1, AX
	ADDQ AX, R15
	CMPQ R15, SI
	SBBL R15, R15
	ORL R15, BX

	// Its hash.
	CMPL R14, $32
	JHI longHash
	XORL AX, AX
	MOVQ R14, R15
	SUBQ $16, R15
	CMOVQCS AX, R15
	MOVOU (DI), X0
	MOVOU (DI)(R15*1), X1
	SUBQ R14, R15 // less as many bytes as count of each
	LEAQ ones<>+16(SB), AX
	MOVOU (AX)(R15*1), X2
	PAND X2, X0
	PAND X2, X1
	AESENC X1, X0

hash:
	AESENC X3, X0
	AESENC X3, X0
	MOVQ X0, AX
	MOVQ AX, R15
	SHRQ $32, R15
	ORQ R9, R15

slot:
	ANDL $1023, AX
	MOVQ (R8)(AX*8), SI
	CMPQ SI, R9
	JCC taken
	MOVQ R15, (R8)(AX*8)

	MOVQ R12, DI
	CMPB pairs+32(FP), $0
	JEQ next

	// Its value.
	ENTRY(longValue, value)
	SHLL $4, AX
	MOVBLZX (R11)(AX*1), AX // the head, if it is text
	MOVBLZX (DI)(AX*1), SI
	MOVBLZX 1(DI)(AX*1), R15
	CMPL SI, $0x2D
	CMOVLNE SI, R15
	SUBL $0x30, R15
	NEGL AX // carries if there is a head
	SBBL AX, AX
	CMPL R15, $10
	SBBL SI, SI
	NOTL SI
	ANDL SI, AX
	ORL AX, odd-8(SP)
	MOVQ R12, DI

next:
	DECQ CX
	JNE name
	CMPQ DI, DX
	JNE refuse
	MOVB R13, kinds+56(FP)
	MOVL BX, unlike+60(FP)
	MOVL odd-8(SP), AX
	MOVL AX, odd+64(FP)
	RET

taken:
	CMPQ SI, R15
	JEQ refuse // it came before
	INCL AX
	JMP slot

longHash:
	// All of it in steps of 16, and the last 16 again.
	MOVOU (DI), X0
	LEAQ -16(DI)(R14*1), R15
	ADDQ $16, DI

block:
	MOVOU (DI), X1
	AESENC X1, X0
	ADDQ $16, DI
	CMPQ DI, R15
	JCS block
	MOVOU (R15), X1
	AESENC X1, X0
	JMP hash

refuse:
	MOVL $1, unlike+60(FP)
	RET

	LONG(longName, twoOfName, form)
	LONG(longValue, twoOfValue, value)
