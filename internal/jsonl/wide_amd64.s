//go:build !purego

#include "textflag.h"

// FIRST makes AX and K1 masks of the bytes at hand, R8 in number: so many at most, or the CX that are left.
#define FIRST(most) \
	MOVL $most, R8 \
	CMPQ CX, R8 \
	CMOVQCS CX, R8 \
	MOVQ $-1, AX \
	BZHIQ R8, AX, AX \
	KMOVQ AX, K1

// HALF writes the 32 bytes in a register to DI+at, with a backslash before each whose bit is set in R9. Each byte is put behind a backslash, and of these
// the ones that nobody wants are left out.
#define HALF(y, at) \
	VPMOVZXBW y, Z1 \
	VPSLLW $8, Z1, Z1 \
	VPORQ Z8, Z1, Z1 \
	PDEPQ R11, R9, R9 \
	ORQ R12, R9 \
	KMOVQ R9, K3 \
	VPCOMPRESSB.Z Z1, K3, Z1 \
	VMOVDQU8 Z1, at

DATA wideQuotes<>+0(SB)/8, $0x2222222222222222
DATA wideQuotes<>+8(SB)/8, $0x2222222222222222
DATA wideQuotes<>+16(SB)/8, $0x2222222222222222
DATA wideQuotes<>+24(SB)/8, $0x2222222222222222
DATA wideQuotes<>+32(SB)/8, $0x2222222222222222
DATA wideQuotes<>+40(SB)/8, $0x2222222222222222
DATA wideQuotes<>+48(SB)/8, $0x2222222222222222
DATA wideQuotes<>+56(SB)/8, $0x2222222222222222
GLOBL wideQuotes<>(SB), RODATA|NOPTR, $64

DATA wideBackslashes<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA wideBackslashes<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA wideBackslashes<>+16(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA wideBackslashes<>+24(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA wideBackslashes<>+32(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA wideBackslashes<>+40(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA wideBackslashes<>+48(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA wideBackslashes<>+56(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL wideBackslashes<>(SB), RODATA|NOPTR, $64

// By what to exclusive-or the bytes, and below what, as signed ones, they are then to stop at: what is ASCII is below what is not, or the other way round.
DATA limits<>+0(SB)/8, $0x0000000000000000
DATA limits<>+8(SB)/8, $0x0000000000000000
DATA limits<>+16(SB)/8, $0x0000000000000000
DATA limits<>+24(SB)/8, $0x0000000000000000
DATA limits<>+32(SB)/8, $0x0000000000000000
DATA limits<>+40(SB)/8, $0x0000000000000000
DATA limits<>+48(SB)/8, $0x0000000000000000
DATA limits<>+56(SB)/8, $0x0000000000000000
DATA limits<>+64(SB)/8, $0x2020202020202020
DATA limits<>+72(SB)/8, $0x2020202020202020
DATA limits<>+80(SB)/8, $0x2020202020202020
DATA limits<>+88(SB)/8, $0x2020202020202020
DATA limits<>+96(SB)/8, $0x2020202020202020
DATA limits<>+104(SB)/8, $0x2020202020202020
DATA limits<>+112(SB)/8, $0x2020202020202020
DATA limits<>+120(SB)/8, $0x2020202020202020
DATA limits<>+128(SB)/8, $0x8080808080808080
DATA limits<>+136(SB)/8, $0x8080808080808080
DATA limits<>+144(SB)/8, $0x8080808080808080
DATA limits<>+152(SB)/8, $0x8080808080808080
DATA limits<>+160(SB)/8, $0x8080808080808080
DATA limits<>+168(SB)/8, $0x8080808080808080
DATA limits<>+176(SB)/8, $0x8080808080808080
DATA limits<>+184(SB)/8, $0x8080808080808080
DATA limits<>+192(SB)/8, $0xa0a0a0a0a0a0a0a0
DATA limits<>+200(SB)/8, $0xa0a0a0a0a0a0a0a0
DATA limits<>+208(SB)/8, $0xa0a0a0a0a0a0a0a0
DATA limits<>+216(SB)/8, $0xa0a0a0a0a0a0a0a0
DATA limits<>+224(SB)/8, $0xa0a0a0a0a0a0a0a0
DATA limits<>+232(SB)/8, $0xa0a0a0a0a0a0a0a0
DATA limits<>+240(SB)/8, $0xa0a0a0a0a0a0a0a0
DATA limits<>+248(SB)/8, $0xa0a0a0a0a0a0a0a0
GLOBL limits<>(SB), RODATA|NOPTR, $256

// func quoteWide(out []byte, o, margin int, b []byte, text uint) (taken, end int)
//
//	DI  out    DX  the last DI to begin with    SI  input    CX  bytes left    R8  bytes at hand    K2, K3  the ones that want a backslash
TEXT ·quoteWide(SB), NOSPLIT, $0-88
	MOVQ out_base+0(FP), DI
	MOVQ b_base+40(FP), SI
	MOVQ b_len+48(FP), CX
	MOVQ out_len+8(FP), DX
	ADDQ DI, DX
	SUBQ margin+32(FP), DX
	ADDQ o+24(FP), DI
	MOVQ text+64(FP), R9
	LEAQ limits<>(SB), R10
	SHLQ $7, R9
	VMOVDQU8 (R10)(R9*1), Z6
	VMOVDQU8 64(R10)(R9*1), Z7
	VMOVDQU8 wideQuotes<>(SB), Z4
	VMOVDQU8 wideBackslashes<>(SB), Z5
	JNE loop // by the shift
	MOVB $0x22, (DI)
	INCQ DI

loop:
	CMPQ DI, DX
	JHI end
	FIRST(64)
	VMOVDQU8.Z (SI), K1, Z0
	VPXORQ Z6, Z0, Z1
	VPCMPB $1, Z7, Z1, K1, K4
	VPCMPEQB Z4, Z0, K2
	VPCMPEQB Z5, Z0, K3
	KORTESTQ K4, K4
	JNE stop

write:
	KORTESTQ K2, K3
	JNE spread
	VMOVDQU8 Z0, (DI)
	ADDQ R8, DI
	ADDQ R8, SI
	SUBQ R8, CX
	JNE loop

end:
	VZEROUPPER
	SUBQ b_base+40(FP), SI
	MOVQ SI, taken+72(FP)
	CMPQ SI, b_len+48(FP)
	JNE part
	MOVB $0x22, (DI)
	INCQ DI

part:
	SUBQ out_base+0(FP), DI
	MOVQ DI, end+80(FP)
	RET

spread:
	MOVQ $0x5555555555555555, R11
	MOVQ $0xaaaaaaaaaaaaaaaa, R12
	VPSRLW $8, Z5, Z8
	KORQ K2, K3, K2
	KMOVQ K2, AX
	MOVL AX, R9
	POPCNTQ R9, R10
	VEXTRACTI64X4 $1, Z0, Y2
	HALF(Y0, (DI))
	MOVQ AX, R9
	SHRQ $32, R9
	HALF(Y2, 32(DI)(R10*1))
	POPCNTQ AX, AX
	ADDQ R8, DI
	ADDQ AX, DI
	ADDQ R8, SI
	SUBQ R8, CX
	JNE loop
	JMP end

stop: // what is before the byte is the last to be taken
	KMOVQ K4, BX
	TZCNTQ BX, R8
	MOVQ R8, CX
	JEQ end
	BZHIQ R8, AX, AX
	KMOVQ AX, K1
	KANDQ K1, K2, K2
	KANDQ K1, K3, K3
	JMP write

// RUNES64 makes K2 the bytes in Z0 that are wrong, those before being loaded by the masks K3, K4 and K5. See validUTF8.
#define RUNES64 \
	VMOVDQU8.Z -1(SI), K3, Z1 \
	VMOVDQU8.Z -2(SI), K4, Z2 \
	VMOVDQU8.Z -3(SI), K5, Z3 \
	VPSUBUSB Z12, Z2, Z2 \
	VPSUBUSB Z13, Z3, Z3 \
	VPORQ Z3, Z2, Z2 \
	VPANDQ Z14, Z2, Z2 \
	VPSRLW $4, Z1, Z3 \
	VPANDQ Z11, Z3, Z3 \
	VPSHUFB Z3, Z8, Z4 \
	VPANDQ Z11, Z1, Z1 \
	VPSHUFB Z1, Z9, Z5 \
	VPANDQ Z5, Z4, Z4 \
	VPSRLW $4, Z0, Z3 \
	VPANDQ Z11, Z3, Z3 \
	VPSHUFB Z3, Z10, Z5 \
	VPANDQ Z5, Z4, Z4 \
	VPXORQ Z4, Z2, Z2 \
	VPTESTMB Z2, Z2, K2

// func validWide(in *byte, n int) bool
//
//	R9  0 at the beginning, then 1
TEXT ·validWide(SB), NOSPLIT, $0-17
	MOVQ in+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTI32X4 ·firstHigh(SB), Z8
	VBROADCASTI32X4 ·firstLow(SB), Z9
	VBROADCASTI32X4 ·secondHigh(SB), Z10
	MOVL $0x0f, AX
	VPBROADCASTB AX, Z11
	MOVL $0x60, AX
	VPBROADCASTB AX, Z12
	MOVL $0x70, AX
	VPBROADCASTB AX, Z13
	MOVL $0x80, AX
	VPBROADCASTB AX, Z14
	XORL R9, R9

loop: // once more with nothing at hand if that is what is left: a character may be incomplete
	FIRST(64)
	LEAQ (R9)(AX*2), R10
	KMOVQ R10, K3
	LEAQ (R9)(R10*2), R10
	KMOVQ R10, K4
	LEAQ (R9)(R10*2), R10
	KMOVQ R10, K5
	VMOVDQU8.Z (SI), K1, Z0
	RUNES64
	KORTESTQ K2, K2
	JNE end
	MOVL $1, R9
	ADDQ $64, SI
	SUBQ $64, CX
	JCC loop
	XORL AX, AX

end:
	VZEROUPPER
	SETEQ ret+16(FP)
	RET

DATA octets<>+0(SB)/8, $0x0405030401020001
DATA octets<>+8(SB)/8, $0x0a0b090a07080607
DATA octets<>+16(SB)/8, $0x10110f100d0e0c0d
DATA octets<>+24(SB)/8, $0x1617151613141213
DATA octets<>+32(SB)/8, $0x1c1d1b1c191a1819
DATA octets<>+40(SB)/8, $0x222321221f201e1f
DATA octets<>+48(SB)/8, $0x2829272825262425
DATA octets<>+56(SB)/8, $0x2e2f2d2e2b2c2a2b
GLOBL octets<>(SB), RODATA|NOPTR, $64

DATA alphabet<>+0(SB)/8, $0x4847464544434241
DATA alphabet<>+8(SB)/8, $0x504f4e4d4c4b4a49
DATA alphabet<>+16(SB)/8, $0x5857565554535251
DATA alphabet<>+24(SB)/8, $0x6665646362615a59
DATA alphabet<>+32(SB)/8, $0x6e6d6c6b6a696867
DATA alphabet<>+40(SB)/8, $0x767574737271706f
DATA alphabet<>+48(SB)/8, $0x333231307a797877
DATA alphabet<>+56(SB)/8, $0x2f2b393837363534
GLOBL alphabet<>(SB), RODATA|NOPTR, $64

// func encodeWide(out, in *byte, n int)
//
// The method is that of W. Muła and D. Lemire, "Base64 encoding and decoding at almost the speed of a memory copy", 2019. Of three bytes a, b, c
// four are made, b a c b, from which the four characters' bits are taken at 10, 4, 22 and 16.
TEXT ·encodeWide(SB), NOSPLIT, $0-24
	MOVQ out+0(FP), DI
	MOVQ in+8(FP), SI
	MOVQ n+16(FP), CX
	VMOVDQU8 octets<>(SB), Z8
	VMOVDQU8 alphabet<>(SB), Z9
	MOVQ $0x3036242a1016040a, AX
	VPBROADCASTQ AX, Z10

loop:
	FIRST(48)
	VMOVDQU8.Z (SI), K1, Z0
	VPERMB Z0, Z8, Z0
	VPMULTISHIFTQB Z0, Z10, Z0
	VPERMB Z9, Z0, Z0
	VMOVDQU8 Z0, (DI)
	ADDQ $64, DI
	ADDQ $48, SI
	SUBQ $48, CX
	JHI loop
	VZEROUPPER
	RET
