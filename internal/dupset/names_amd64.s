//go:build !purego

#include "textflag.h"

// The odd constants of few.go.
DATA mix<>+0(SB)/8, $0x9E3779B97F4A7C15
DATA mix<>+8(SB)/8, $0xD1B54A32D192ED03
DATA mix<>+16(SB)/8, $0x8CB92BA72F3D8DD7
DATA mix<>+24(SB)/8, $0xBEA225F9EB34556D
GLOBL mix<>(SB), RODATA|NOPTR, $32

#define mix0 mix<>+0(SB)
#define mix1 mix<>+8(SB)
#define mix2 mix<>+16(SB)
#define mix3 mix<>+24(SB)

// FOLD makes Y of DX and Y. It needs AX.
#define FOLD(Y) \
	MULXQ Y, Y, AX \
	XORQ AX, Y

// WORDS makes Y of two words of memory and what is to be added to each.
#define WORDS(M, N, KX, KY, Y) \
	MOVQ M, DX \
	XORQ KX, DX \
	MOVQ N, Y \
	XORQ KY, Y \
	FOLD(Y)

// func addNames(b *byte, names *Name, n int, slots *[FewSlots]uint64, gen uint64) bool
//
//	SI  b     DI  the name     CX  how many are left     R8  slots     R9  the generation
//	BX  where the name begins  R14 its length            R12 its hash
TEXT ·addNames(SB), NOSPLIT, $0-41
	MOVQ b+0(FP), SI
	MOVQ names+8(FP), DI
	MOVQ n+16(FP), CX
	MOVQ slots+24(FP), R8
	MOVQ gen+32(FP), R9

name:
	// Of up to 32 bytes the last 16 begin R15 behind the first; R10 and R11 are how many bits of their words count.
	MOVQ (DI), BX
	MOVQ 8(DI), R14
	ADDQ SI, BX
	CMPQ R14, $32
	JHI long
	XORL AX, AX
	MOVQ R14, R15
	SUBQ $16, R15
	CMOVQCS AX, R15
	MOVQ R14, R10
	SUBQ R15, R10
	SHLQ $3, R10
	MOVQ R10, R11
	SUBQ $64, R11
	CMOVQCS AX, R11
	BZHIQ R10, (BX), DX
	BZHIQ R11, 8(BX), R12
	XORQ mix1, DX
	XORQ mix0, R12
	FOLD(R12)
	BZHIQ R10, (BX)(R15*1), DX
	BZHIQ R11, 8(BX)(R15*1), R13
	XORQ mix2, DX
	XORQ R14, R13
	XORQ mix3, R13
	FOLD(R13)
	XORQ R13, R12

add:
	MOVQ R12, R13
	SHRQ $32, R13
	ORQ R9, R13
	ANDL $1023, R12

slot:
	MOVQ (R8)(R12*8), AX
	CMPQ AX, R9
	JCC taken
	MOVQ R13, (R8)(R12*8)
	ADDQ $16, DI
	DECQ CX
	JNE name
	MOVB $1, ret+40(FP)
	RET

taken:
	CMPQ AX, R13
	JEQ twice
	INCL R12
	ANDL $1023, R12
	JMP slot

twice:
	MOVB $0, ret+40(FP)
	RET

long:
	LEAQ -32(BX)(R14*1), R15 // the last 32 bytes
	CMPQ R14, $64
	JHI longer
	WORDS(0(BX), 8(BX), mix1, mix0, R12)
	WORDS(16(BX), 24(BX), mix0, mix2, R13)
	XORQ R13, R12
	WORDS(0(R15), 8(R15), mix2, mix1, R13)
	XORQ R13, R12
	XORQ mix3, R14
	WORDS(16(R15), 24(R15), mix3, R14, R13)
	XORQ R13, R12
	JMP add

longer:
	MOVQ mix0, R12
	XORQ R14, R12
	MOVQ mix2, R13

chains:
	WORDS(0(BX), 8(BX), R12, mix1, R10)
	WORDS(16(BX), 24(BX), R13, mix3, R11)
	MOVQ R10, R12
	MOVQ R11, R13
	ADDQ $32, BX
	CMPQ BX, R15
	JCS chains
	WORDS(0(R15), 8(R15), R12, mix1, R10)
	WORDS(16(R15), 24(R15), R13, mix3, R11)
	MOVQ R10, R12
	XORQ R11, R12
	JMP add
