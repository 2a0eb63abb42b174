//go:build !purego

#include "textflag.h"

// FOUR loads what stands at the four places in P into X.
#define FOUR(P, X, T) \
	VMOVQ P, R8 \
	VPEXTRQ $1, P, R10 \
	MOVL R8, R9 \
	MOVL R10, R11 \
	SHRQ $32, R8 \
	SHRQ $32, R10 \
	VMOVD (BX)(R9*1), X \
	VMOVD (BX)(R11*1), T \
	VPINSRD $1, (BX)(R8*1), X, X \
	VPINSRD $1, (BX)(R10*1), T, T \
	VPUNPCKLQDQ T, X, X

// STEP takes one operation in each lane of a group:
//
//	AT      the place in b of the lane's next operation
//	MADE    bytes produced
//	ACTIVE  lanes that have a block
//
// Z4 is what stands there: Z5 the control byte, Z6 and Z7 the two behind it. K3 are literal runs, K4 long back-references.
// The distance less one, Z8, must be below MADE. Z9 is what the operation produces, Z10 the place behind it.
// A gather would load the same in one instruction, and was measured to be five times as slow as all of this; places that pass through
// memory cost half as much again.
#define STEP(AT, MADE, ACTIVE) \
	VEXTRACTI32X4 $1, AT, X13 \
	VEXTRACTI32X4 $2, AT, X14 \
	VEXTRACTI32X4 $3, AT, X15 \
	VMOVDQA32 AT, Z12 \
	FOUR(X12, X4, X11) \
	FOUR(X13, X5, X11) \
	FOUR(X14, X6, X11) \
	FOUR(X15, X7, X11) \
	VINSERTI128 $1, X5, Y4, Y4 \
	VINSERTI128 $1, X7, Y6, Y6 \
	VINSERTI64X4 $1, Y6, Z4, Z4 \
	VPANDD Z16, Z4, Z5 \
	VPCMPUD $1, Z17, Z5, K3 \
	VPCMPUD $5, Z18, Z5, K4 \
	VPSRLD $8, Z4, Z6 \
	VPSRLD $16, Z4, Z7 \
	VPANDD Z16, Z6, Z6 \
	VPANDD Z16, Z7, Z7 \
	VPBLENDMD Z7, Z6, K4, Z9 \
	VPANDD Z23, Z5, Z8 \
	VPSLLD $8, Z8, Z8 \
	VPORD Z9, Z8, Z8 \
	KANDNW ACTIVE, K3, K7 \
	VPCMPUD $5, MADE, Z8, K7, K7 \
	KORW K7, K5, K5 \
	VPSRLD $5, Z5, Z9 \
	VPADDD Z20, Z9, Z9 \
	VPADDD Z22, Z6, K4, Z9 \
	VPADDD Z19, Z5, K3, Z9 \
	VPADDD Z9, MADE, MADE \
	VPADDD Z20, AT, Z10 \
	VPADDD Z21, AT, K4, Z10 \
	VPADDD Z5, Z10, K3, Z10 \
	VMOVDQA32 Z10, ACTIVE, AT

// ENDED looks at the lanes of a group, OVER, that are at or behind the ends of their blocks. At the end they must be, and all must be
// produced. Each takes another block, or drops out; what stands at 0 can be loaded.
#define ENDED(AT, END, MADE, DECLARED, ACTIVE, ACTIVES, OVER, NEXT, RETIRE, MORE, NONE) \
	VPCMPUD $0, END, AT, OVER, K3 \
	VPCMPUD $0, DECLARED, MADE, K3, K3 \
	KMOVW OVER, R8 \
	KMOVW K3, R9 \
	CMPL R8, R9 \
	JNE bad \
	TESTL R8, R8 \
	JEQ NONE \
NEXT: \
	MOVL R8, R9 \
	NEGL R9 \
	ANDL R8, R9 \
	XORL R9, R8 \
	KMOVW R9, K3 \
	TESTQ CX, CX \
	JEQ RETIRE \
	MOVQ 0(SI), AX \
	VPBROADCASTD AX, K3, AT \
	MOVQ 8(SI), AX \
	VPBROADCASTD AX, K3, END \
	VPXORD MADE, MADE, K3, MADE \
	MOVQ 16(SI), AX \
	VPBROADCASTD AX, K3, DECLARED \
	ADDQ $24, SI \
	DECQ CX \
	JMP MORE \
RETIRE: \
	VPXORD AT, AT, K3, AT \
	XORL R9, ACTIVES \
MORE: \
	TESTL R8, R8 \
	JNE NEXT \
	KMOVW ACTIVES, ACTIVE \
NONE:

// func walkLanes(b *byte, blocks *Block, n int) bool
//
// Two groups of sixteen lanes, of 32 bits each, because one alone waits most of the time: Z0 to Z3, K1 (also in DX), and Z24 to Z27,
// K2 (also in DI). K5 are the places in either where a distance reached before the start.
TEXT ·walkLanes(SB), NOSPLIT, $0-25
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
	VMOVDQA32 Z0, Z1
	VMOVDQA32 Z0, Z2
	VMOVDQA32 Z0, Z3
	VMOVDQA32 Z0, Z24
	VMOVDQA32 Z0, Z25
	VMOVDQA32 Z0, Z26
	VMOVDQA32 Z0, Z27
	KXORW K5, K5, K5
	MOVL $0xFFFF, DX
	MOVL $0xFFFF, DI
	KMOVW DX, K1
	KMOVW DI, K2
	KMOVW DX, K6
	KMOVW DI, K7

ended:
	ENDED(Z0, Z1, Z2, Z3, K1, DX, K6, next1, retire1, more1, none1)
	ENDED(Z24, Z25, Z26, Z27, K2, DI, K7, next2, retire2, more2, none2)
	MOVL DX, AX
	ORL DI, AX
	JEQ done
	VPCMPUD $5, Z1, Z0, K1, K6 // blocks of no bytes
	VPCMPUD $5, Z25, Z24, K2, K7
	KORTESTW K6, K7
	JNE ended

step:
	STEP(Z0, Z2, K1)
	STEP(Z24, Z26, K2)
	VPCMPUD $5, Z1, Z0, K1, K6
	VPCMPUD $5, Z25, Z24, K2, K7
	KORTESTW K6, K7
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
