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

// HASH makes X0 of the R14 bytes at DI, which say how many they are. Of up to 32 bytes it is made of the first and the last 16, which may be the same, less
// what is behind them. It needs AX, R15, X1, X2, and the round key in X3; where DI is longer it is lost.
#define HASH(LONG, BLOCK, ROUNDS) \
	CMPL R14, $32 \
	JHI LONG \
	XORL AX, AX \
	MOVQ R14, R15 \
	SUBQ $16, R15 \
	CMOVQCS AX, R15 \
	MOVOU (DI), X0 \
	MOVOU (DI)(R15*1), X1 \
	SUBQ R14, R15 \ // less as many bytes as count of each
	LEAQ ones<>+16(SB), AX \
	MOVOU (AX)(R15*1), X2 \
	PAND X2, X0 \
	PAND X2, X1 \
	AESENC X1, X0 \
ROUNDS: \
	AESENC X3, X0 \
	AESENC X3, X0

// BLOCKS is for all longer ones: all of it in steps of 16, and the last 16 again.
#define BLOCKS(LONG, BLOCK, ROUNDS) \
LONG: \
	MOVOU (DI), X0 \
	LEAQ -16(DI)(R14*1), R15 \
	ADDQ $16, DI \
BLOCK: \
	MOVOU (DI), X1 \
	AESENC X1, X0 \
	ADDQ $16, DI \
	CMPQ DI, R15 \
	JCS BLOCK \
	MOVOU (R15), X1 \
	AESENC X1, X0 \
	JMP ROUNDS

// STRING makes BX the first byte of the string at DI, R14 its length, and R12 the end of it. If that is not there, or not before the end of what may be read, it goes on at STOP.
// Most strings say their size in that byte, and the next one need not wait for a table then.
#define STRING(LONGER, DONE, STOP) \
	CMPQ DI, R10 \
	JHI STOP \
	MOVBLZX (DI), BX \
	LEAL 1(BX), R14 \
	LEAQ 1(DI)(BX*1), R12 \
	CMPL BX, $0x40 \
	JCC LONGER \
DONE: \
	CMPQ R12, DX \
	JHI STOP

// FORM does what STRING does for all others.
#define FORM(LONGER, DONE, STOP) \
LONGER: \
	MOVL BX, AX \
	SHLL $4, AX \
	MOVWLZX 0(R11)(AX*1), R14 \
	TESTL R14, R14 \
	JEQ STOP \
	MOVBLZX 1(DI), SI \
	ANDB 2(R11)(AX*1), SI \
	ADDL SI, R14 \
	LEAQ (DI)(R14*1), R12 \
	JMP DONE

// func passTable(b *byte, p, end, n, kind int, slots *[dupset.FewSlots]uint64, gen uint64, sums *uint64, texts *uint32, forms *[256]tableForm) (at, left, value, text int, ints, unlike uint32)
//
//	DI  the element   DX  the end           R8   slots       R9   the generation, or where the hash goes     X3  the round key
//	CX  those left    R13 where the next place goes    R10  the last place that a string may begin at, quickRoom before the end
//	R11 forms         BX  its row           R14  the length of a name                R12  its end
TEXT ·passTable(SB), NOSPLIT, $24-120
	MOVQ b+0(FP), SI
	MOVQ p+8(FP), DI
	MOVQ end+16(FP), DX
	MOVQ n+24(FP), CX
	MOVQ slots+40(FP), R8
	MOVQ gen+48(FP), R9
	TESTQ R8, R8
	CMOVQEQ sums+56(FP), R9
	ADDQ SI, DI
	ADDQ SI, DX
	MOVQ DI, start-24(SP)
	LEAQ -16(DX), R10
	MOVQ forms+72(FP), R11
	MOVOU key<>(SB), X3
	MOVQ texts+64(FP), R13
	MOVL $0, ints-16(SP)
	MOVL $0, unlike-8(SP)
	MOVQ $0, value+96(FP)

element:
	STRING(otherName, name, stop)

	// Is it an integer, and in its shortest form? A text that begins and ends as one does is noted.
	SHLL $4, BX
	ADDQ R11, BX
	MOVBLZX 1(DI), SI
	CMPB SI, 5(BX)
	SBBL AX, AX
	MOVBLZX 3(BX), R15
	ORL R15, ints-16(SP)
	SUBL $0x2D, SI // '-'
	CMPB SI, $13   // '9' + 1 - '-'
	SBBL SI, SI
	MOVBLZX -1(R12), R15
	SUBL $0x30, R15 // '0'
	CMPB R15, $10
	SBBL R15, R15
	ANDL R15, SI
	MOVQ DI, R15
	SUBQ start-24(SP), R15
	MOVL R15, (R13)
	MOVBLZX 6(BX), R15
	ANDL R15, SI
	LEAQ (R13)(SI*4), R13
	MOVL 1(DI), R15
	MOVBLZX 4(BX), SI
	SHLXL SI, R15, R15
	SARXL SI, R15, R15
	ADDL 12(BX), R15
	CMPL R15, 8(BX)
	SBBL R15, R15
	ORL AX, R15
	ORL R15, unlike-8(SP)

	HASH(long, block, rounds)
	MOVQ X0, AX
	TESTQ R8, R8
	JEQ sum
	MOVQ AX, R15
	SHRQ $32, R15
	ORQ R9, R15

slot:
	ANDL $1023, AX
	MOVQ (R8)(AX*8), SI
	CMPQ SI, R9
	JCC taken
	MOVQ R15, (R8)(AX*8)

behind:
	MOVQ R12, DI
	MOVQ kind+32(FP), AX
	TESTL AX, AX
	JEQ next
	CMPL AX, $1
	JEQ score

	STRING(otherValue, value, stopAtValue)
	MOVQ R12, DI

next:
	DECQ CX
	JNE element

stop:
	MOVQ b+0(FP), SI
	SUBQ SI, DI
	MOVQ DI, at+80(FP)
	MOVQ CX, left+88(FP)
	SUBQ texts+64(FP), R13
	SHRQ $2, R13
	MOVQ R13, text+104(FP)
	MOVL ints-16(SP), AX
	MOVL AX, ints+112(FP)
	MOVL unlike-8(SP), AX
	MOVL AX, unlike+116(FP)
	RET

stopAtValue:
	MOVQ $1, value+96(FP)
	JMP stop

sum:
	MOVQ AX, (R9)
	ADDQ $8, R9
	JMP behind

score:
	ADDQ $8, DI
	CMPQ DI, DX
	JHI refuse
	MOVQ -8(DI), AX
	ADDQ AX, AX
	MOVQ $0xFFE0000000000000, SI
	CMPQ SI, AX // carries if it is not a number
	SBBL AX, AX
	ORL AX, unlike-8(SP)
	JMP next

taken:
	CMPQ SI, R15
	JEQ refuse // it came before
	INCL AX
	JMP slot

refuse:
	MOVL $1, unlike-8(SP)
	JMP stop

	FORM(otherName, name, stop)
	FORM(otherValue, value, stopAtValue)
	BLOCKS(long, block, rounds)

// func tableSum(p *byte, n int) uint64
TEXT ·tableSum(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), DI
	MOVQ n+8(FP), R14
	MOVOU key<>(SB), X3
	HASH(long, block, rounds)
	MOVQ X0, AX
	MOVQ AX, ret+16(FP)
	RET

	BLOCKS(long, block, rounds)
