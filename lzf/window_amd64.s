//go:build !purego

#include "textflag.h"

// The constants, 32 bytes each: the same for both halves of a register.
#define cLastLiteral 0 // 31
#define cFirstLong 32 // 224
#define cBehind 64 // the place and 2
#define cNibble 96 // 15
#define cMade 128 // what operations produce, by the upper half of the control byte, but for what is said elsewhere
#define cWrap 160 // 112
#define cWrapWord 192 // 112, and in the upper half of the word 128
#define cOne 224 // takes the first byte into each second word
#define cLast 256 // takes the last word into all words
#define cUnits 288 // 1, in words

#define BOTH(at, low, high) \
	DATA windows<>+(at+0)(SB)/8, low \
	DATA windows<>+(at+8)(SB)/8, high \
	DATA windows<>+(at+16)(SB)/8, low \
	DATA windows<>+(at+24)(SB)/8, high \

BOTH(cLastLiteral, $0x1F1F1F1F1F1F1F1F, $0x1F1F1F1F1F1F1F1F)
BOTH(cFirstLong, $0xE0E0E0E0E0E0E0E0, $0xE0E0E0E0E0E0E0E0)
BOTH(cBehind, $0x0908070605040302, $0x11100F0E0D0C0B0A)
BOTH(cNibble, $0x0F0F0F0F0F0F0F0F, $0x0F0F0F0F0F0F0F0F)
BOTH(cMade, $0x0505040403030101, $0x0909080807070606)
BOTH(cWrap, $0x7070707070707070, $0x7070707070707070)
BOTH(cWrapWord, $0x8070807080708070, $0x8070807080708070)
BOTH(cOne, $0x8000808080008080, $0x8000808080008080)
BOTH(cLast, $0x0F0E0F0E0F0E0F0E, $0x0F0E0F0E0F0E0F0E)
BOTH(cUnits, $0x0001000100010001, $0x0001000100010001)
GLOBL windows<>(SB), RODATA|NOPTR, $320

#define CONST(at) windows<>+at(SB)

// FURTHER makes DST of the places in FROM those that MAP leads to from there. A place at or behind 16, the end of the window, stays what it is: with
// WRAP added its top bit is set, of which the shuffle makes zero. DST may be FROM, but not MAP.
#define FURTHER(MAP, FROM, WRAP, DST) \
	VPADDB WRAP, FROM, Y6 \
	VPSHUFB Y6, MAP, Y6 \
	VPMAXUB Y6, FROM, DST

// STEP takes all operations that begin in the windows at PA and PB, of 16 bytes each, where operations begin. BEFORE is what was produced before
// them, in each word of the half, or 32767 if that is more, and MADE the same as a sum of four double words.
//
// First, for each place in the window, as if an operation began there:
//
//	Y0   the upper bits of its distance, less one; 255 for a literal run, which has none
//	Y1   what the second byte of a long back-reference adds to its length
//	Y2   the lower bits of the distance
//	Y3   what it produces beside Y1
//	Y7   the place of the next one
//	Y4   the same for the second next one, Y5 for the fourth next one; the eighth next one begins behind the window
//
// Then for the operations that there are, at most eight, in words:
//
//	Y7   their places; those behind the window give zeros
//	Y3   what each produces
//	Y0   the distance less one, negative for a literal run, and with Y3 added
//	Y1   what is produced up to its end
//
// The distance less one must be below what is produced before, so it must be, with what the operation itself produces, below what is produced
// behind it. Y12 keeps whether all were.
#define STEP(PA, PB, BEFORE, MADE) \
	VMOVDQU (PA), X0 \
	VINSERTI128 $1, (PB), Y0, Y0 \
	VPMINUB CONST(cLastLiteral), Y0, Y4 \
	VPCMPEQB Y4, Y0, Y4 \
	VPMAXUB CONST(cFirstLong), Y0, Y5 \
	VPCMPEQB Y5, Y0, Y5 \
	VPAND Y4, Y0, Y6 \
	VPSUBB Y5, Y6, Y7 \
	VPADDB CONST(cBehind), Y7, Y7 \
	VPSRLW $4, Y0, Y3 \
	VPAND CONST(cNibble), Y3, Y3 \
	VPSHUFB Y3, Y13, Y3 \
	VPADDB Y6, Y3, Y3 \
	VMOVDQU 1(PA), X1 \
	VINSERTI128 $1, 1(PB), Y1, Y1 \
	VMOVDQU 2(PA), X2 \
	VINSERTI128 $1, 2(PB), Y2, Y2 \
	VPBLENDVB Y5, Y2, Y1, Y2 \
	VPAND Y5, Y1, Y1 \
	VPAND CONST(cLastLiteral), Y0, Y0 \
	VPOR Y4, Y0, Y0 \
	FURTHER(Y7, Y7, Y15, Y4) \
	FURTHER(Y4, Y4, Y15, Y5) \
	FURTHER(Y5, Y5, Y15, Y6) \
	VPEXTRB $0, X6, AX \
	VEXTRACTI128 $1, Y6, X6 \
	VPEXTRB $0, X6, CX \
	ADDQ AX, PA \
	ADDQ CX, PB \
	VPSHUFB CONST(cOne), Y7, Y7 \
	FURTHER(Y4, Y7, Y14, Y6) \
	VPBLENDW $0xCC, Y6, Y7, Y7 \
	FURTHER(Y5, Y7, Y14, Y6) \
	VPBLENDW $0xF0, Y6, Y7, Y7 \
	VPADDB Y14, Y7, Y7 \
	VPSHUFB Y7, Y0, Y0 \
	VPSHUFB Y7, Y1, Y1 \
	VPSHUFB Y7, Y2, Y2 \
	VPSHUFB Y7, Y3, Y3 \
	VPADDW Y1, Y3, Y3 \
	VPSLLW $8, Y0, Y0 \
	VPOR Y2, Y0, Y0 \
	VPADDW Y3, Y0, Y0 \
	VPSLLDQ $2, Y3, Y1 \
	VPADDW Y3, Y1, Y1 \
	VPSLLDQ $4, Y1, Y2 \
	VPADDW Y2, Y1, Y1 \
	VPSLLDQ $8, Y1, Y2 \
	VPADDW Y2, Y1, Y1 \
	VPADDSW BEFORE, Y1, Y1 \
	VPCMPGTW Y0, Y1, Y0 \
	VPAND Y0, Y12, Y12 \
	VPSHUFB CONST(cLast), Y1, BEFORE \
	VPMADDWD CONST(cUnits), Y3, Y3 \
	VPADDD Y3, MADE, MADE

// func walkWindows(b *byte, blocks *Block, n int) bool
//
// A lane's place is in one of SI, DI, R8 and R9. Y8 and Y9 are BEFORE and MADE of the first two lanes, Y10 and Y11 those of the others. In
// memory there is, of each lane,
//
//	  0 the last place at which a window is within its block
//	 32 the end of its block
//	 64 the length declared
//	 96 its place, while another lane's block has ended
//	128 BEFORE and MADE then: Y8 to Y11
//
// and at 256 the lanes that have a block of their own, by bits, at 264 whether the first four are being dealt. A lane that finds no block
// left becomes the double of one that has. BX is the next block, DX how many there are.
TEXT ·walkWindows(SB), NOSPLIT, $272-25
	VMOVDQU CONST(cWrap), Y15
	VMOVDQU CONST(cWrapWord), Y14
	VMOVDQU CONST(cMade), Y13
	VPCMPEQB Y12, Y12, Y12
	MOVQ blocks+8(FP), BX
	MOVQ n+16(FP), DX
	MOVQ $0, 256(SP)
	MOVQ $1, 264(SP)
	XORL CX, CX
	LEAQ 128(SP), R12
	JMP  next

step:
	STEP(SI, DI, Y8, Y9)
	STEP(R8, R9, Y10, Y11)

check:
	XORL CX, CX
	CMPQ SI, 0(SP)
	JHI  ended
	INCL CX
	CMPQ DI, 8(SP)
	JHI  ended
	INCL CX
	CMPQ R8, 16(SP)
	JHI  ended
	INCL CX
	CMPQ R9, 24(SP)
	JLS  step

	// The block of lane CX ends before another window does. What is left, from R10 to R13, is taken one by one; R11 is what was produced.
ended:
	VMOVDQU Y8, 128(SP)
	VMOVDQU Y9, 160(SP)
	VMOVDQU Y10, 192(SP)
	VMOVDQU Y11, 224(SP)
	MOVQ SI, 96(SP)
	MOVQ DI, 104(SP)
	MOVQ R8, 112(SP)
	MOVQ R9, 120(SP)
	MOVL CX, R12
	ANDL $2, R12
	LEAQ (CX)(R12*1), R12 // 0, 1, 4 or 5: BEFORE of the lane is that many times 16 behind
	SHLQ $4, R12
	LEAQ 128(SP)(R12*1), R12
	MOVQ 96(SP)(CX*8), R10
	MOVQ 32(SP)(CX*8), R13
	VMOVDQU 32(R12), X0
	VPHADDD X0, X0, X0
	VPHADDD X0, X0, X0
	VMOVD X0, R11

tail:
	CMPQ R10, R13
	JCC  tailed
	MOVBLZX (R10), AX
	CMPL AX, $32 // firstShort
	JB   literal
	MOVL AX, SI
	ANDL $31, SI
	SHLL $8, SI
	MOVBLZX 1(R10), DI
	CMPL AX, $224 // firstLong
	JCC  long
	ORL  DI, SI
	CMPQ SI, R11
	JCC  bad
	SHRL $5, AX
	LEAQ 2(R11)(AX*1), R11
	ADDQ $2, R10
	JMP  tail

long:
	MOVBLZX 2(R10), AX
	ORL  AX, SI
	CMPQ SI, R11
	JCC  bad
	LEAQ 9(R11)(DI*1), R11
	ADDQ $3, R10
	JMP  tail

literal:
	LEAQ 1(R11)(AX*1), R11
	LEAQ 2(R10)(AX*1), R10
	JMP  tail

tailed:
	JNE  bad
	CMPQ R11, 64(SP)(CX*8)
	JNE  bad

next:
	MOVQ 256(SP), AX
	TESTQ DX, DX
	JEQ  double
	BTSQ CX, AX
	MOVQ AX, 256(SP)
	MOVQ b+0(FP), AX
	MOVQ 0(BX), R10
	MOVQ 8(BX), R13
	MOVQ 16(BX), R11
	ADDQ AX, R10
	ADDQ AX, R13
	ADDQ $24, BX
	DECQ DX
	MOVQ R13, 32(SP)(CX*8)
	MOVQ R11, 64(SP)(CX*8)
	XORL R11, R11
	LEAQ -16(R13), AX
	CMPQ R10, AX
	JHI  tail
	MOVQ AX, 0(SP)(CX*8)
	MOVQ R10, 96(SP)(CX*8)
	VPXOR X0, X0, X0
	VMOVDQU X0, 0(R12)
	VMOVDQU X0, 32(R12)
	JMP  again

	// A block that is just ending, too, has no window left to be walked: if there are no others, none has to be walked any more.
double:
	BTRQ CX, AX
	MOVQ AX, 256(SP)
	TESTQ AX, AX
	JEQ  done
	MOVQ $-1, R13
	MOVQ R13, 0(SP)(CX*8)

other:
	BSFQ AX, R11
	JEQ  again
	BTRQ R11, AX
	MOVQ 96(SP)(R11*8), R10
	MOVQ 0(SP)(R11*8), R13
	CMPQ R10, R13
	JHI  other
	MOVQ R10, 96(SP)(CX*8)
	MOVQ R13, 0(SP)(CX*8)
	MOVQ 32(SP)(R11*8), R10
	MOVQ R10, 32(SP)(CX*8)
	MOVQ 64(SP)(R11*8), R10
	MOVQ R10, 64(SP)(CX*8)
	MOVL R11, R10
	ANDL $2, R10
	ADDL R11, R10
	SHLQ $4, R10
	LEAQ 128(SP)(R10*1), R10
	VMOVDQU 0(R10), X0
	VMOVDQU X0, 0(R12)
	VMOVDQU 32(R10), X0
	VMOVDQU X0, 32(R12)

again:
	CMPQ 264(SP), $0
	JEQ  restore
	INCL CX
	MOVL CX, R12
	ANDL $2, R12
	LEAQ (CX)(R12*1), R12
	SHLQ $4, R12
	LEAQ 128(SP)(R12*1), R12
	CMPL CX, $4
	JB   next
	MOVQ $0, 264(SP)

restore:
	MOVQ 96(SP), SI
	MOVQ 104(SP), DI
	MOVQ 112(SP), R8
	MOVQ 120(SP), R9
	VMOVDQU 128(SP), Y8
	VMOVDQU 160(SP), Y9
	VMOVDQU 192(SP), Y10
	VMOVDQU 224(SP), Y11
	JMP check

done:
	VPMOVMSKB Y12, AX
	VZEROUPPER
	CMPL AX, $-1
	SETEQ ret+24(FP)
	RET

bad:
	VZEROUPPER
	MOVB $0, ret+24(FP)
	RET
