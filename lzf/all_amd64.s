//go:build !purego

#include "textflag.h"

// FOUR loads what stands at four of the places into X.
#define FOUR(OFF, X, T) \
	MOVL lanes-64+OFF(SP), R8 \
	MOVL lanes-60+OFF(SP), R9 \
	MOVL lanes-56+OFF(SP), R10 \
	MOVL lanes-52+OFF(SP), R11 \
	VMOVD (BX)(R8*1), X \
	VMOVD (BX)(R10*1), T \
	VPINSRD $1, (BX)(R9*1), X, X \
	VPINSRD $1, (BX)(R11*1), T, T \
	VPUNPCKLQDQ T, X, X

// func walkLanes(b *byte, blocks *Block, n int) bool
//
// Sixteen lanes, of 32 bits each:
//
//	Z0  the place in b of the lane's next operation    Z2  bytes produced
//	Z1  the end of its block                           Z3  bytes declared
//	K1  lanes that have a block (also in DX)           K5  lanes that met a distance before the start
TEXT ·walkLanes(SB), NOSPLIT, $64-25
	MOVQ b+0(FP), BX
	MOVQ blocks+8(FP), SI
	MOVQ n+16(FP), CX

	MOVL $0xFF, AX
	VPBROADCASTD AX, Z16
	MOVL $32, AX // firstShort
	VPBROADCASTD AX, Z17
	MOVL $224, AX // firstLong
	VPBROADCASTD AX, Z18
	MOVL $1, AX
	VPBROADCASTD AX, Z19
	MOVL $2, AX
	VPBROADCASTD AX, Z20
	MOVL $3, AX
	VPBROADCASTD AX, Z21
	MOVL $9, AX
	VPBROADCASTD AX, Z22
	MOVL $31, AX
	VPBROADCASTD AX, Z23

	// All lanes begin as if they had just ended a block of no bytes.
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	KXORW K5, K5, K5
	MOVL $0xFFFF, DX
	KMOVW DX, K1
	KMOVW DX, K6

ended:
	// The lanes in K6 are at or behind the end of their blocks. At the end it must be, and all be produced.
	VPCMPUD $0, Z1, Z0, K6, K7
	VPCMPUD $0, Z3, Z2, K7, K7
	KMOVW K6, R8
	KMOVW K7, R9
	CMPL R8, R9
	JNE bad

next:
	// The lowest of them takes another block, or ends.
	MOVL R8, R9
	NEGL R9
	ANDL R8, R9
	XORL R9, R8
	KMOVW R9, K7
	TESTQ CX, CX
	JEQ retire
	MOVQ 0(SI), AX
	VPBROADCASTD AX, K7, Z0
	MOVQ 8(SI), AX
	VPBROADCASTD AX, K7, Z1
	VPXORD Z2, Z2, K7, Z2
	MOVQ 16(SI), AX
	VPBROADCASTD AX, K7, Z3
	ADDQ $24, SI
	DECQ CX
	JMP more

retire:
	// What stands at 0 can be loaded.
	VPXORD Z0, Z0, K7, Z0
	XORL R9, DX

more:
	TESTL R8, R8
	JNE next
	KMOVW DX, K1
	TESTL DX, DX
	JEQ done
	VPCMPUD $5, Z1, Z0, K1, K6 // of no bytes
	KORTESTW K6, K6
	JNE ended

step:
	VMOVDQU32 Z0, lanes-64(SP)
	FOUR(0, X4, X11)
	FOUR(16, X5, X12)
	FOUR(32, X6, X13)
	FOUR(48, X7, X14)
	VINSERTI128 $1, X5, Y4, Y4
	VINSERTI128 $1, X7, Y6, Y6
	VINSERTI64X4 $1, Y6, Z4, Z4

	VPANDD Z16, Z4, Z5 // the control byte
	VPCMPUD $1, Z17, Z5, K3 // literal runs
	VPCMPUD $5, Z18, Z5, K4 // long back-references
	VPSRLD $8, Z4, Z6
	VPSRLD $16, Z4, Z7
	VPANDD Z16, Z6, Z6 // the byte behind it
	VPANDD Z16, Z7, Z7 // and the next

	// The distance less one must be below what is produced.
	VPBLENDMD Z7, Z6, K4, Z9
	VPANDD Z23, Z5, Z8
	VPSLLD $8, Z8, Z8
	VPORD Z9, Z8, Z8
	KANDNW K1, K3, K7
	VPCMPUD $5, Z2, Z8, K7, K7
	KORW K7, K5, K5

	// What it produces.
	VPSRLD $5, Z5, Z9
	VPADDD Z20, Z9, Z9
	VPADDD Z22, Z6, K4, Z9
	VPADDD Z19, Z5, K3, Z9
	VPADDD Z9, Z2, Z2

	// What it takes.
	VPADDD Z20, Z0, Z10
	VPADDD Z21, Z0, K4, Z10
	VPADDD Z5, Z10, K3, Z10
	VMOVDQA32 Z10, K1, Z0

	VPCMPUD $5, Z1, Z0, K1, K6
	KORTESTW K6, K6
	JEQ step
	JMP ended

done:
	KORTESTW K5, K5
	JNE bad
	VZEROUPPER
	MOVB $1, ret+24(FP)
	RET

bad:
	VZEROUPPER
	MOVB $0, ret+24(FP)
	RET
