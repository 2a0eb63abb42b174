//go:build !purego

#include "textflag.h"

DATA quotes<>+0(SB)/8, $0x2222222222222222
DATA quotes<>+8(SB)/8, $0x2222222222222222
GLOBL quotes<>(SB), RODATA|NOPTR, $16

DATA backslashes<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA backslashes<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL backslashes<>(SB), RODATA|NOPTR, $16

DATA lastControl<>+0(SB)/8, $0x1f1f1f1f1f1f1f1f
DATA lastControl<>+8(SB)/8, $0x1f1f1f1f1f1f1f1f
GLOBL lastControl<>(SB), RODATA|NOPTR, $16

// At 16-n: what moves the last n bytes of a register to its beginning, with zeros behind them.
DATA lastBytes<>+0(SB)/8, $0x0706050403020100
DATA lastBytes<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA lastBytes<>+16(SB)/8, $0x8080808080808080
DATA lastBytes<>+24(SB)/8, $0x8080808080808080
GLOBL lastBytes<>(SB), RODATA|NOPTR, $32

// At 16-n: a mask of the first n bytes.
DATA firstBytes<>+0(SB)/8, $0xffffffffffffffff
DATA firstBytes<>+8(SB)/8, $0xffffffffffffffff
DATA firstBytes<>+16(SB)/8, $0
DATA firstBytes<>+24(SB)/8, $0
GLOBL firstBytes<>(SB), RODATA|NOPTR, $32

// TAIL loads the CX bytes at SI, fewer than 16, into X0, with anything behind them: what follows in memory or, near the end of a page, zeros, and
// then the bytes before are read. It uses R10.
#define TAIL(page, loaded) \
	MOVL SI, R10 \
	ANDL $4095, R10 \
	CMPL R10, $4080 \
	JHI page \
	MOVOU (SI), X0 \
	JMP loaded \
page: \
	MOVOU -16(SI)(CX*1), X0 \
	MOVL $16, R10 \
	SUBL CX, R10 \
	LEAQ lastBytes<>(SB), R11 \
	MOVOU (R11)(R10*1), X1 \
	PSHUFB X1, X0 \
loaded:

// FAULTS looks at the 16 bytes in X0: AX has a bit for each that wants a backslash, BX one for each at which to stop.
#define FAULTS \
	MOVO X0, X1 \
	MOVO X0, X2 \
	MOVO X0, X3 \
	PCMPEQB X4, X1 \
	PCMPEQB X5, X2 \
	PMINUB X6, X3 \
	POR X2, X1 \
	PCMPEQB X0, X3 \
	MOVO X0, X2 \
	PAND X7, X2 \
	PMOVMSKB X1, AX \
	POR X2, X3 \
	PMOVMSKB X3, BX

// SPREAD writes the 16 bytes in X0 to DI with backslashes where the bits in AX say, and makes BX the number of those in the first half.
#define SPREAD \
	MOVBLZX AX, BX \
	MOVL AX, R9 \
	SHRL $8, R9 \
	MOVL BX, R10 \
	SHLL $4, R10 \
	SHLL $4, R9 \
	MOVO X0, X1 \
	PUNPCKLQDQ X5, X1 \
	PUNPCKHQDQ X5, X0 \
	MOVOU (R8)(R10*1), X2 \
	MOVOU (R8)(R9*1), X3 \
	POPCNTL BX, BX \
	PSHUFB X2, X1 \
	PSHUFB X3, X0 \
	MOVOU X1, (DI) \
	MOVOU X0, 8(DI)(BX*1)

// func copyPlain(out, last, in *byte, n int, ascii uint64, spread *[256][16]byte) (taken, made int)
//
//	DI  out    DX  the last DI to begin with    SI  input    CX  bytes left    X7  the ones that count of bytes which are not ASCII
TEXT ·copyPlain(SB), NOSPLIT, $0-64
	MOVQ out+0(FP), DI
	MOVQ last+8(FP), DX
	MOVQ in+16(FP), SI
	MOVQ n+24(FP), CX
	MOVQ ascii+32(FP), X7
	PUNPCKLQDQ X7, X7
	MOVOU quotes<>(SB), X4
	MOVOU backslashes<>(SB), X5
	MOVOU lastControl<>(SB), X6
	MOVQ spread+40(FP), R8
	SUBQ $16, CX
	JCS tail

whole:
	CMPQ DI, DX
	JHI end
	MOVOU (SI), X0
	FAULTS
	TESTL BX, BX
	JNE end
	TESTL AX, AX
	JNE spread
	MOVOU X0, (DI)
	ADDQ $16, DI
	ADDQ $16, SI
	SUBQ $16, CX
	JCC whole
	JMP tail

spread:
	SPREAD
	POPCNTL AX, AX
	LEAQ 16(DI)(AX*1), DI
	ADDQ $16, SI
	SUBQ $16, CX
	JCC whole

tail:
	ADDQ $16, CX
	JEQ end
	CMPQ DI, DX
	JHI end
	TAIL(page, loaded)
	FAULTS
	MOVL $1, R9
	SHLL CX, R9
	DECL R9
	TESTL R9, BX
	JNE end
	ANDL R9, AX
	JNE spreadTail
	MOVOU X0, (DI)
	ADDQ CX, DI
	ADDQ CX, SI
	JMP end

spreadTail:
	SPREAD
	POPCNTL AX, AX
	ADDQ CX, DI
	ADDQ AX, DI
	ADDQ CX, SI
	JMP end

end:
	SUBQ out+0(FP), DI
	SUBQ in+16(FP), SI
	MOVQ SI, taken+48(FP)
	MOVQ DI, made+56(FP)
	RET

// What is wrong with a byte and the one after it, a bit for each way: by the upper half of the first, its lower half, and the upper half of the second. Wrong is what all
// three say.
//
//	01  no continuation after a byte that wants one     02  one after ASCII     80  two in a row, which is right behind a byte that wants two
//	04  too long for its value, three bytes     20  two bytes     40  four bytes, or beyond 10FFFF     08  beyond 10FFFF     10  a surrogate
DATA ·firstHigh+0(SB)/8, $0x0202020202020202
DATA ·firstHigh+8(SB)/8, $0x4915012180808080
GLOBL ·firstHigh(SB), RODATA|NOPTR, $16

DATA ·firstLow+0(SB)/8, $0xcbcbcb8b8383a3e7
DATA ·firstLow+8(SB)/8, $0xcbcbdbcbcbcbcbcb
GLOBL ·firstLow(SB), RODATA|NOPTR, $16

DATA ·secondHigh+0(SB)/8, $0x0101010101010101
DATA ·secondHigh+8(SB)/8, $0x01010101babaaee6
GLOBL ·secondHigh(SB), RODATA|NOPTR, $16

DATA lowHalf<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA lowHalf<>+8(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL lowHalf<>(SB), RODATA|NOPTR, $16

// What to subtract for the highest bit to be left of what begins three bytes or more, and of what begins four.
DATA three<>+0(SB)/8, $0x6060606060606060
DATA three<>+8(SB)/8, $0x6060606060606060
GLOBL three<>(SB), RODATA|NOPTR, $16

DATA four<>+0(SB)/8, $0x7070707070707070
DATA four<>+8(SB)/8, $0x7070707070707070
GLOBL four<>(SB), RODATA|NOPTR, $16

DATA highBits<>+0(SB)/8, $0x8080808080808080
DATA highBits<>+8(SB)/8, $0x8080808080808080
GLOBL highBits<>(SB), RODATA|NOPTR, $16

// RUNES makes X2 not zero where the 16 bytes in X0 are wrong behind the ones in X7, which they become.
#define RUNES \
	MOVO X0, X1 \
	MOVO X0, X2 \
	MOVO X0, X3 \
	PALIGNR $15, X7, X1 \
	PALIGNR $14, X7, X2 \
	PALIGNR $13, X7, X3 \
	PSUBUSB X12, X2 \
	PSUBUSB X13, X3 \
	POR X3, X2 \
	PAND X14, X2 \
	MOVO X1, X3 \
	PSRLW $4, X3 \
	PAND X11, X3 \
	MOVO X8, X4 \
	PSHUFB X3, X4 \
	PAND X11, X1 \
	MOVO X9, X5 \
	PSHUFB X1, X5 \
	PAND X5, X4 \
	MOVO X0, X3 \
	PSRLW $4, X3 \
	PAND X11, X3 \
	MOVO X10, X5 \
	PSHUFB X3, X5 \
	PAND X5, X4 \
	PXOR X4, X2 \
	MOVO X0, X7

// func validUTF8(in *byte, n int) bool
//
// The method is that of J. Keiser and D. Lemire, "Validating UTF-8 in less than one instruction per byte", 2020.
TEXT ·validUTF8(SB), NOSPLIT, $0-17
	MOVQ in+0(FP), SI
	MOVQ n+8(FP), CX
	PXOR X6, X6
	PXOR X7, X7
	MOVOU ·firstHigh(SB), X8
	MOVOU ·firstLow(SB), X9
	MOVOU ·secondHigh(SB), X10
	MOVOU lowHalf<>(SB), X11
	MOVOU three<>(SB), X12
	MOVOU four<>(SB), X13
	MOVOU highBits<>(SB), X14

whole:
	SUBQ $16, CX
	JCS tail
	MOVOU (SI), X0
	RUNES
	PCMPEQB X6, X2
	PMOVMSKB X2, AX
	CMPL AX, $0xFFFF
	JNE end
	ADDQ $16, SI
	JMP whole

tail:
	// Zeros follow, at least one, before which a character must be complete.
	PXOR X0, X0
	ADDQ $16, CX
	JEQ last
	TAIL(page, loaded)
	MOVL $16, R10
	SUBL CX, R10
	LEAQ firstBytes<>(SB), R11
	MOVOU (R11)(R10*1), X1
	PAND X1, X0

last:
	RUNES
	PCMPEQB X6, X2
	PMOVMSKB X2, AX
	CMPL AX, $0xFFFF

end:
	SETEQ ret+16(FP)
	RET

DATA triples<>+0(SB)/8, $0x0405030401020001
DATA triples<>+8(SB)/8, $0x0a0b090a07080607
GLOBL triples<>(SB), RODATA|NOPTR, $16

DATA oddBits<>+0(SB)/8, $0x0fc0fc000fc0fc00
DATA oddBits<>+8(SB)/8, $0x0fc0fc000fc0fc00
GLOBL oddBits<>(SB), RODATA|NOPTR, $16

DATA oddShift<>+0(SB)/8, $0x0400004004000040
DATA oddShift<>+8(SB)/8, $0x0400004004000040
GLOBL oddShift<>(SB), RODATA|NOPTR, $16

DATA evenBits<>+0(SB)/8, $0x003f03f0003f03f0
DATA evenBits<>+8(SB)/8, $0x003f03f0003f03f0
GLOBL evenBits<>(SB), RODATA|NOPTR, $16

DATA evenShift<>+0(SB)/8, $0x0100001001000010
DATA evenShift<>+8(SB)/8, $0x0100001001000010
GLOBL evenShift<>(SB), RODATA|NOPTR, $16

DATA all51<>+0(SB)/8, $0x3333333333333333
DATA all51<>+8(SB)/8, $0x3333333333333333
GLOBL all51<>(SB), RODATA|NOPTR, $16

DATA all26<>+0(SB)/8, $0x1a1a1a1a1a1a1a1a
DATA all26<>+8(SB)/8, $0x1a1a1a1a1a1a1a1a
GLOBL all26<>(SB), RODATA|NOPTR, $16

DATA all13<>+0(SB)/8, $0x0d0d0d0d0d0d0d0d
DATA all13<>+8(SB)/8, $0x0d0d0d0d0d0d0d0d
GLOBL all13<>(SB), RODATA|NOPTR, $16

// What to add to the value of a character: by 0 to small letters, 1 to 10 digits, 11 and 12 the two signs, 13 capitals.
DATA letters<>+0(SB)/8, $0xfcfcfcfcfcfcfc47
DATA letters<>+8(SB)/8, $0x000041f0edfcfcfc
GLOBL letters<>(SB), RODATA|NOPTR, $16

// CHARS writes the 16 characters of the first 12 bytes in X0 to DI.
#define CHARS \
	PSHUFB X8, X0 \
	MOVO X0, X1 \
	PAND X9, X0 \
	PMULHUW X10, X0 \
	PAND X11, X1 \
	PMULLW X12, X1 \
	POR X1, X0 \
	MOVO X0, X1 \
	PSUBUSB X13, X1 \
	MOVO X14, X2 \
	PCMPGTB X0, X2 \
	PAND X15, X2 \
	POR X2, X1 \
	MOVO X7, X2 \
	PSHUFB X1, X2 \
	PADDB X2, X0 \
	MOVOU X0, (DI)

// func encode64(out, in *byte, n int)
TEXT ·encode64(SB), NOSPLIT, $0-24
	MOVQ out+0(FP), DI
	MOVQ in+8(FP), SI
	MOVQ n+16(FP), CX
	MOVOU letters<>(SB), X7
	MOVOU triples<>(SB), X8
	MOVOU oddBits<>(SB), X9
	MOVOU oddShift<>(SB), X10
	MOVOU evenBits<>(SB), X11
	MOVOU evenShift<>(SB), X12
	MOVOU all51<>(SB), X13
	MOVOU all26<>(SB), X14
	MOVOU all13<>(SB), X15

whole:
	CMPQ CX, $16
	JCS tail
	MOVOU (SI), X0
	CHARS
	ADDQ $16, DI
	ADDQ $12, SI
	SUBQ $12, CX
	JMP whole

tail:
	TAIL(page, loaded)
	MOVL $16, R10
	SUBL CX, R10
	LEAQ firstBytes<>(SB), R11
	MOVOU (R11)(R10*1), X1
	PAND X1, X0
	CHARS
	ADDQ $16, DI
	ADDQ $12, SI
	SUBQ $12, CX
	JHI tail
	RET
