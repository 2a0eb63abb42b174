//go:build !purego

#include "textflag.h"

// func tokens(r *plainRun, b *byte, i, n, left, last, length, limit int) (iNew, nNew, leftNew int)
//
//	DI  b     SI  the token     R11  the end of b     R9  r     R10  the commands so far     R8  arguments to come
//
// Of a token: CX its sigil, DX and BX two bytes behind it, R12 -1 if only the first of them is a digit, R13 the number, R14 behind the header, R15 behind all.
TEXT ·tokens(SB), NOSPLIT, $16-88
	MOVQ r+0(FP), R9
	MOVQ b+8(FP), DI
	MOVQ i+16(FP), SI
	MOVQ n+24(FP), R10
	MOVQ left+32(FP), R8
	MOVQ last+40(FP), AX
	ADDQ DI, AX
	MOVQ AX, lastp-8(SP)
	MOVQ length+48(FP), R11
	MOVQ limit+56(FP), AX
	ADDQ DI, AX
	MOVQ AX, limitp-16(SP)
	ADDQ DI, SI
	ADDQ DI, R11

token:
	CMPQ SI, lastp-8(SP)
	JHI done
	CMPQ R10, $128
	JEQ done
	PREFETCHT0 2048(SI)
	MOVQ (SI), AX
	MOVBLZX AX, CX
	MOVQ AX, BX
	SHRQ $8, AX
	MOVBLZX AX, DX
	SHRQ $16, BX
	MOVBLZX BX, BX
	LEAL -48(DX), R14
	LEAL (DX)(DX*4), R13
	LEAL -528(BX)(R13*2), R13
	CMPL R14, $9
	JHI done
	CMPL BX, $14 // CR and what is less
	CMOVLCS R14, R13
	SBBQ R12, R12
	LEAL -48(BX), BX
	ANDNL BX, R12, BX
	CMPL BX, $9
	JHI done
	MOVWLZX 3(SI)(R12*1), BX
	CMPL BX, $0x0A0D
	JNE done
	LEAQ 5(SI)(R12*1), R14
	LEAQ 2(R14)(R13*1), R15
	CMPL CX, $0x2A
	CMOVQEQ R14, R15
	CMPQ R15, R11
	JHI done
	MOVWLZX -2(R15), BX
	CMPL BX, $0x0A0D
	JNE done

	// AX is 1 for a command. Before that no argument may be to come, before others there has to be one.
	XORL AX, AX
	XORL BX, BX
	CMPL CX, $0x2A
	SETEQ AX
	TESTQ R8, R8
	SETEQ BX
	CMPL AX, BX
	JNE done
	LEAL (AX)(AX*2), BX
	LEAL 0x24(BX)(BX*1), BX
	CMPL BX, CX
	JNE done
	XORL BX, BX
	CMPQ SI, limitp-16(SP)
	SETCC BX
	TESTL AX, BX
	JNE done
	SUBQ DI, SI
	MOVQ SI, (R9)(R10*8)
	ADDQ AX, R10
	DECQ R8
	TESTL AX, AX
	CMOVQNE R13, R8
	SUBQ DI, R14
	MOVQ R14, 1032(R9)(R10*8)
	MOVQ R15, SI
	JMP token

done:
	SUBQ DI, SI
	MOVQ SI, iNew+64(FP)
	MOVQ R10, nNew+72(FP)
	MOVQ R8, leftNew+80(FP)
	RET
