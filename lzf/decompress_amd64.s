//go:build !purego

#include "textflag.h"

// Of each distance up to 15, less one: where the bytes of its pattern come from, and behind these, how many of sixteen bytes are whole patterns.
DATA patterns<>+0(SB)/8, $0x0000000000000000
DATA patterns<>+8(SB)/8, $0x0000000000000000
DATA patterns<>+16(SB)/8, $0x0100010001000100
DATA patterns<>+24(SB)/8, $0x0100010001000100
DATA patterns<>+32(SB)/8, $0x0100020100020100
DATA patterns<>+40(SB)/8, $0x0002010002010002
DATA patterns<>+48(SB)/8, $0x0302010003020100
DATA patterns<>+56(SB)/8, $0x0302010003020100
DATA patterns<>+64(SB)/8, $0x0201000403020100
DATA patterns<>+72(SB)/8, $0x0004030201000403
DATA patterns<>+80(SB)/8, $0x0100050403020100
DATA patterns<>+88(SB)/8, $0x0302010005040302
DATA patterns<>+96(SB)/8, $0x0006050403020100
DATA patterns<>+104(SB)/8, $0x0100060504030201
DATA patterns<>+112(SB)/8, $0x0706050403020100
DATA patterns<>+120(SB)/8, $0x0706050403020100
DATA patterns<>+128(SB)/8, $0x0706050403020100
DATA patterns<>+136(SB)/8, $0x0605040302010008
DATA patterns<>+144(SB)/8, $0x0706050403020100
DATA patterns<>+152(SB)/8, $0x0504030201000908
DATA patterns<>+160(SB)/8, $0x0706050403020100
DATA patterns<>+168(SB)/8, $0x04030201000a0908
DATA patterns<>+176(SB)/8, $0x0706050403020100
DATA patterns<>+184(SB)/8, $0x030201000b0a0908
DATA patterns<>+192(SB)/8, $0x0706050403020100
DATA patterns<>+200(SB)/8, $0x0201000c0b0a0908
DATA patterns<>+208(SB)/8, $0x0706050403020100
DATA patterns<>+216(SB)/8, $0x01000d0c0b0a0908
DATA patterns<>+224(SB)/8, $0x0706050403020100
DATA patterns<>+232(SB)/8, $0x000e0d0c0b0a0908
DATA patterns<>+240(SB)/8, $0x100e0c0f100f1010
DATA patterns<>+248(SB)/8, $0x000f0e0d0c0b0a09
GLOBL patterns<>(SB), RODATA|NOPTR, $256

// func decodeWords(out *byte, d, dEnd, dCap int, in *byte, s, sEnd, sMax int) (dNew, sNew int)
//
//	DI  out      DX  the end of the output so far   R9  where it must end   R10  the last DX to begin with   R12  the end of what is lent
//	SI  input    R11 its end                        R8  the last SI to begin with
//
// A round begins with at least 37 bytes to read from SI and 64 to write to from DX on.
TEXT ·decodeWords(SB), NOSPLIT, $0-80
	MOVQ out+0(FP), DI
	MOVQ d+8(FP), DX
	MOVQ dEnd+16(FP), R9
	MOVQ dCap+24(FP), R12
	MOVQ in+32(FP), AX
	MOVQ s+40(FP), SI
	MOVQ sEnd+48(FP), R11
	MOVQ sMax+56(FP), R8
	ADDQ DI, DX
	ADDQ DI, R9
	ADDQ DI, R12
	LEAQ -64(R12), R10
	ADDQ AX, SI
	ADDQ AX, R11
	ADDQ AX, R8

round:
	CMPQ SI, R8
	JGT done
	CMPQ DX, R10
	JGT done
	MOVL (SI), AX
	MOVBLZX AL, CX
	CMPL CX, $32
	JCC reference

	// A literal run.
	MOVOU 1(SI), X0
	MOVOU 17(SI), X1
	LEAQ 2(SI)(CX*1), R13
	LEAQ 1(DX)(CX*1), BX
	CMPQ R13, R11
	JHI done
	CMPQ BX, R9
	JHI done
	MOVOU X0, (DX)
	MOVOU X1, 16(DX)
	MOVQ R13, SI
	MOVQ BX, DX
	CMPQ SI, R11
	JEQ done
	MOVL (SI), AX
	MOVBLZX AL, CX
	CMPL CX, $32
	JCS round

reference:
	// Whether it is a short one is foreseen, mostly, and where the next operation is need not wait for it.
	MOVL CX, R14
	ANDL $31, R14
	SHLL $8, R14
	MOVL CX, R13
	SHRL $5, R13
	CMPL CX, $224
	JCC far

	// BX is the second byte, R13 + 2 the length, up to 8.
	MOVL AX, BX
	SHRL $8, BX
	MOVBLZX BX, BX
	ORL BX, R14 // the distance less one
	MOVQ DX, AX
	SUBQ R14, AX
	DECQ AX
	LEAQ 2(SI), R15
	LEAQ 2(DX)(R13*1), BX
	CMPQ AX, DI
	JCS done
	CMPQ R15, R11
	JHI done
	CMPQ BX, R9
	JHI done
	CMPL R14, $7
	JCS nearShort
	MOVQ (AX), R13
	MOVQ R13, (DX)
	MOVQ R15, SI
	MOVQ BX, DX
	JMP round

nearShort:
	ADDL $2, R13
	JMP near

far:
	// BX is the second byte, which is the length less 9, AX the third.
	MOVL AX, BX
	SHRL $8, BX
	MOVBLZX BX, BX
	SHRL $16, AX
	MOVBLZX AX, AX
	LEAL 9(BX), R13
	ORL AX, R14 // the distance less one
	MOVQ DX, AX
	SUBQ R14, AX
	DECQ AX
	LEAQ 3(SI), R15
	LEAQ (DX)(R13*1), BX
	CMPQ AX, DI
	JCS done
	CMPQ R15, R11
	JHI done
	CMPQ BX, R9
	JHI done
	CMPL R14, $15
	JCS near
	MOVOU (AX), X0
	MOVOU X0, (DX)
	CMPL R13, $16
	JHI long

next:
	MOVQ R15, SI
	MOVQ BX, DX
	JMP round

near:
	// The copy overlaps what it makes, unless it is shorter than the distance: then it is the pattern over and over, sixteen bytes at a time, of which as many count as are
	// whole patterns.
	MOVOU (AX), X0
	CMPL R13, R14
	JHI pattern
	MOVOU X0, (DX)
	JMP next

pattern:
	LEAQ 16(BX), R13
	CMPQ R13, R12
	JHI done
	LEAQ patterns<>(SB), R13
	MOVQ R14, AX
	SHLQ $4, AX
	MOVOU (R13)(AX*1), X1
	PSHUFB X1, X0
	MOVBLZX 240(R13)(R14*1), AX

fill:
	MOVOU X0, (DX)
	ADDQ AX, DX
	CMPQ DX, BX
	JCS fill
	JMP next

long:
	// Words up to 16 bytes beyond the end.
	LEAQ 16(BX), R13
	CMPQ R13, R12
	JHI done
	SUBQ DX, AX
	ADDQ $16, DX

words:
	MOVOU (DX)(AX*1), X0
	MOVOU X0, (DX)
	ADDQ $16, DX
	CMPQ DX, BX
	JCS words
	JMP next

done:
	MOVQ out+0(FP), DI
	MOVQ in+32(FP), AX
	SUBQ DI, DX
	SUBQ AX, SI
	MOVQ DX, dNew+64(FP)
	MOVQ SI, sNew+72(FP)
	RET
