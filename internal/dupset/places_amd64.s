//go:build !purego

#include "textflag.h"

// Sixteen bytes from 16 less a length on are the mask of so many bytes.
DATA ones<>+0(SB)/8, $0xFFFFFFFFFFFFFFFF
DATA ones<>+8(SB)/8, $0xFFFFFFFFFFFFFFFF
DATA ones<>+16(SB)/8, $0
DATA ones<>+24(SB)/8, $0
GLOBL ones<>(SB), RODATA|NOPTR, $32

// HASH makes X0 of the first and the last 16 bytes of a string in X0 and X1, and its length in X3. Each of the two goes through two rounds of AES, and
// their sum through two more. The keys are in X4 to X7.
#define HASH \
	PXOR X3, X1 \
	PXOR X4, X0 \
	PXOR X5, X1 \
	AESENC X6, X0 \
	AESENC X7, X1 \
	AESENC X5, X0 \
	AESENC X4, X1 \
	PXOR X1, X0 \
	AESENC X6, X0 \
	AESENC X7, X0

#define KEYS(P) \
	MOVOU 0(P), X4 \
	MOVOU 16(P), X5 \
	MOVOU 32(P), X6 \
	MOVOU 48(P), X7

// func hashPlaces(b *byte, places *Place, n int, hashes *uint64, keys *[4][2]uint64, space uint64)
//
//	SI  b     DI  the place     CX  how many are left     R8  its hash     R11  the space     X4 to X7  the keys
//	BX  where the string begins     R14  its length
//
// A string is its first and its last 16 bytes, which may be the same, less what is behind it, and its length. No branch depends on the length, and no string waits for another.
TEXT ·hashPlaces(SB), NOSPLIT, $0-48
	MOVQ b+0(FP), SI
	MOVQ places+8(FP), DI
	MOVQ n+16(FP), CX
	MOVQ hashes+24(FP), R8
	MOVQ keys+32(FP), AX
	MOVQ space+40(FP), R11
	KEYS(AX)
	LEAQ ones<>+16(SB), R10
	XORL R12, R12

place:
	MOVL 4(DI), R14
	CMPL R14, $32
	JHI next
	MOVL (DI), BX
	ADDQ SI, BX
	MOVQ R14, R15
	SUBQ $16, R15
	CMOVQCS R12, R15
	MOVOU (BX), X0
	MOVOU (BX)(R15*1), X1
	SUBQ R14, R15 // less as many bytes as count of each
	MOVOU (R10)(R15*1), X2
	PAND X2, X0
	PAND X2, X1
	MOVQ R14, X3
	HASH
	MOVQ X0, AX
	ADDQ R11, AX
	MOVQ AX, (R8)

next:
	ADDQ $8, DI
	ADDQ $8, R8
	DECQ CX
	JNE place
	RET

// func hashWords(first0, first1, last0, last1 uint64, n int, keys *[4][2]uint64) uint64
TEXT ·hashWords(SB), NOSPLIT, $0-56
	MOVQ first0+0(FP), X0
	MOVQ first1+8(FP), X2
	MOVQ last0+16(FP), X1
	MOVQ last1+24(FP), X8
	MOVQ n+32(FP), X3
	MOVQ keys+40(FP), AX
	KEYS(AX)
	PUNPCKLQDQ X2, X0
	PUNPCKLQDQ X8, X1
	HASH
	MOVQ X0, ret+48(FP)
	RET
