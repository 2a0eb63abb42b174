//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// TAKE takes one operation in the lane whose next control byte is at P, with N bytes produced before it, and goes to ENDED if that was the
// last of its block. No branch depends on what is there: all comes out of the table in BX, by the control byte in CX. AX is the four
// bytes at P. DX is first what the operation takes, then the bits to the lower byte of the distance, then the distance less one less N,
// which must be negative; R14 keeps whether all were.
#define TAKE(P, N, END, ENDED) \
	MOVL (P), AX \
	MOVBLZX AX, CX \
	MOVBLZX opTable_size(BX)(CX*1), DX \
	ADDQ DX, P \
	MOVBLZX opTable_shift(BX)(CX*1), DX \
	SHRXL DX, AX, DX \
	MOVBLZX DX, DX \
	ADDQ opTable_far(BX)(CX*8), DX \
	SUBQ N, DX \
	ANDQ DX, R14 \
	SHRL $8, AX \
	ANDL opTable_mask(BX)(CX*4), AX \
	ADDL opTable_made(BX)(CX*4), AX \
	ADDQ AX, N \
	CMPQ P, END \
	JCC ENDED

// func walkFour(b *byte, blocks *Block, n int, table *opTable) bool
//
// A lane's place is in one of SI, DI, R8 and R9, what it has produced in one of R10 to R13. In memory a lane has 32 bytes:
//
//	0 place   8 end of its block   16 produced   24 declared
//
// and behind the four, at 128, are the lanes that have a block of their own, by bits, and at 136 the number of the lane whose block ended. A
// lane that finds no block left becomes the double of one that has.
TEXT ·walkFour(SB), NOSPLIT, $144-33
	MOVQ table+24(FP), BX
	MOVQ $-1, R14
	MOVQ $15, 128(SP)
	XORL CX, CX
	MOVQ SP, DX

first:
	MOVQ b+0(FP), R8
	MOVQ blocks+8(FP), AX
	MOVQ 0(AX), SI
	MOVQ 8(AX), DI
	MOVQ 16(AX), R9
	ADDQ R8, SI
	ADDQ R8, DI
	MOVQ SI, 0(DX)
	MOVQ DI, 8(DX)
	MOVQ $0, 16(DX)
	MOVQ R9, 24(DX)
	ADDQ $24, AX
	MOVQ AX, blocks+8(FP)
	DECQ n+16(FP)
	ADDQ $32, DX
	INCQ CX
	CMPQ CX, $4
	JB   first

	MOVQ 0(SP), SI
	MOVQ 32(SP), DI
	MOVQ 64(SP), R8
	MOVQ 96(SP), R9
	XORL R10, R10
	XORL R11, R11
	XORL R12, R12
	XORL R13, R13

step:
	TAKE(SI, R10, 8(SP), ended0)
step1:
	TAKE(DI, R11, 40(SP), ended1)
step2:
	TAKE(R8, R12, 72(SP), ended2)
step3:
	TAKE(R9, R13, 104(SP), ended3)
	JMP step

ended0:
	XORL CX, CX
	JMP  ended

ended1:
	MOVL $1, CX
	JMP  ended

ended2:
	MOVL $2, CX
	JMP  ended

ended3:
	MOVL $3, CX

	// The block of lane CX has ended: just here, with all produced, or it is not sound.
ended:
	MOVQ CX, 136(SP)
	MOVQ SI, 0(SP)
	MOVQ DI, 32(SP)
	MOVQ R8, 64(SP)
	MOVQ R9, 96(SP)
	MOVQ R10, 16(SP)
	MOVQ R11, 48(SP)
	MOVQ R12, 80(SP)
	MOVQ R13, 112(SP)
	MOVQ CX, DX
	SHLQ $5, DX
	ADDQ SP, DX
	MOVQ 0(DX), AX
	CMPQ AX, 8(DX)
	JNE  bad
	MOVQ 16(DX), AX
	CMPQ AX, 24(DX)
	JNE  bad
	TESTQ R14, R14
	JPL  bad
	CMPQ n+16(FP), $0
	JEQ  double

	DECQ n+16(FP)
	MOVQ blocks+8(FP), AX
	MOVQ b+0(FP), CX
	MOVQ 0(AX), SI
	ADDQ CX, SI
	ADDQ 8(AX), CX
	MOVQ 16(AX), DI
	ADDQ $24, AX
	MOVQ AX, blocks+8(FP)
	MOVQ SI, 0(DX)
	MOVQ CX, 8(DX)
	MOVQ $0, 16(DX)
	MOVQ DI, 24(DX)
	JMP  again

double:
	MOVQ 128(SP), AX
	BTRQ CX, AX
	MOVQ AX, 128(SP)
	BSFQ AX, CX
	JEQ  done
	SHLQ $5, CX
	ADDQ SP, CX
	MOVOU 0(CX), X0
	MOVOU 16(CX), X1
	MOVOU X0, 0(DX)
	MOVOU X1, 16(DX)

	// It is the next lane's turn: a double must not get ahead of its other.
again:
	MOVQ 136(SP), CX
	MOVQ 0(SP), SI
	MOVQ 32(SP), DI
	MOVQ 64(SP), R8
	MOVQ 96(SP), R9
	MOVQ 16(SP), R10
	MOVQ 48(SP), R11
	MOVQ 80(SP), R12
	MOVQ 112(SP), R13
	CMPQ CX, $1
	JB   step1
	JEQ  step2
	CMPQ CX, $2
	JEQ  step3
	JMP  step

done:
	MOVB $1, ret+32(FP)
	RET

bad:
	MOVB $0, ret+32(FP)
	RET
