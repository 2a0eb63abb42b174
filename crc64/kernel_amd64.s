//go:build !purego

#include "textflag.h"

// See kernel_amd64.go for the method and the constants.

// slide is a shuffle mask with room on both sides. Read from slide+16+t, it moves
// a lane t bytes down; read from slide+t, it moves the first t bytes of a lane to
// its top. 0x80 makes a zero byte.
DATA slide<>+0(SB)/8, $0x8080808080808080
DATA slide<>+8(SB)/8, $0x8080808080808080
DATA slide<>+16(SB)/8, $0x0706050403020100
DATA slide<>+24(SB)/8, $0x0f0e0d0c0b0a0908
DATA slide<>+32(SB)/8, $0x8080808080808080
DATA slide<>+40(SB)/8, $0x8080808080808080
GLOBL slide<>(SB), RODATA|NOPTR, $48

// FOLD carries lane V over the distance whose factors are in K and adds it to
// TO. V is lost.
#define FOLD(K, V, TO, TMP) \
	MOVO      V, TMP      \
	PCLMULQDQ $0x00, K, V \
	PCLMULQDQ $0x11, K, TMP \
	PXOR      V, TO       \
	PXOR      TMP, TO

// ROW carries lane V over the distance whose factors are in K and adds the data
// found there.
#define ROW(K, V, TMP, DATA, OFF) \
	MOVO      V, TMP          \
	PCLMULQDQ $0x00, K, V     \
	MOVOU     OFF(SI), DATA   \
	PCLMULQDQ $0x11, K, TMP   \
	PXOR      DATA, V         \
	PXOR      TMP, V

// func foldPCLMUL(crc uint64, p *byte, n int) uint64
TEXT ·foldPCLMUL(SB), NOSPLIT, $0-32
	MOVQ  crc+0(FP), X0
	MOVQ  p+8(FP), SI
	MOVQ  n+16(FP), CX
	MOVOU (SI), X1
	PXOR  X0, X1
	MOVOU ·fold1(SB), X15
	CMPQ  CX, $64
	JB    first

	MOVOU 16(SI), X2
	MOVOU 32(SI), X3
	MOVOU 48(SI), X4
	ADDQ  $64, SI
	SUBQ  $64, CX
	MOVOU ·fold4(SB), X0
	CMPQ  CX, $64
	JB    join

rows:
	ROW(X0, X1, X5, X9, 0)
	ROW(X0, X2, X6, X10, 16)
	ROW(X0, X3, X7, X11, 32)
	ROW(X0, X4, X8, X12, 48)
	ADDQ $64, SI
	SUBQ $64, CX
	CMPQ CX, $64
	JAE  rows

join:
	FOLD(X15, X1, X2, X5)
	FOLD(X15, X2, X3, X5)
	FOLD(X15, X3, X4, X5)
	MOVO X4, X1
	JMP  lanes

first:
	ADDQ $16, SI
	SUBQ $16, CX

lanes:
	CMPQ CX, $16
	JB   tail
	ROW(X15, X1, X5, X9, 0)
	ADDQ $16, SI
	SUBQ $16, CX
	JMP  lanes

	// A tail of t bytes, 1 to 15, makes the lane V and the tail 16+t bytes. Cut
	// them the other way, into t and 16, and fold the t, zeros before them, into
	// the 16:
	//
	//	V[0] ... V[15] tail[0] ... tail[t-1]
	//	|-- t --|------------ 16 ----------|
tail:
	TESTQ CX, CX
	JZ    reduce
	LEAQ  slide<>(SB), AX
	ADDQ  CX, AX
	MOVOU 16(AX), X6
	MOVOU (AX), X7
	MOVO  X1, X8
	PSHUFB X6, X8           // V[t:], then zeros
	PSHUFB X7, X1           // zeros, then V[:t]
	MOVOU -16(SI)(CX*1), X10 // the last 16 bytes of data; their end is the tail
	PXOR  X9, X9
	PCMPGTB X7, X9          // ones where the mask says zero: before the tail
	PANDN X10, X9           // zeros, then the tail
	PXOR  X9, X8
	FOLD(X15, X1, X8, X5)
	MOVO  X8, X1

	// The register is V*x^64 mod P, as if 64 zero bits followed. First bring the
	// upper half down: T = H*x^128 + L*x^64, 128 bits. Then, with mu the quotient
	// of x^128 by P and H, L now the halves of T, the quotient of T by P is
	// q = H*mu / x^64, and the remainder is the lower half of T + q*P.
reduce:
	MOVOU ·barrett(SB), X0
	MOVO  X1, X2
	PCLMULQDQ $0x10, X15, X1 // H * x^127, in effect x^128
	PSRLDQ $8, X2
	PXOR  X2, X1             // T
	MOVO  X1, X3
	PCLMULQDQ $0x00, X0, X1  // lower quadword: q
	MOVO  X1, X2
	PCLMULQDQ $0x10, X0, X1  // upper quadword: lower half of q*P, but for q*x^0
	PSLLDQ $8, X2            // q, the missing part
	PXOR  X3, X1
	PXOR  X2, X1
	PSRLDQ $8, X1
	MOVQ  X1, ret+24(FP)
	RET

// func foldVPCLMUL(crc uint64, p *byte, n int, lane *[laneSize]byte)
//
// Four registers of four lanes each.
TEXT ·foldVPCLMUL(SB), NOSPLIT, $0-32
	MOVQ  p+8(FP), SI
	MOVQ  n+16(FP), CX
	MOVQ  lane+24(FP), DI
	VMOVQ crc+0(FP), X5
	VMOVDQU64 (SI), Z1
	VMOVDQU64 64(SI), Z2
	VMOVDQU64 128(SI), Z3
	VMOVDQU64 192(SI), Z4
	VPXORQ Z5, Z1, Z1
	VBROADCASTI32X4 ·fold16(SB), Z0
	ADDQ  $256, SI
	SUBQ  $256, CX
	JZ    joinwide

rowswide:
	// A page ahead, which the processor does not do by itself across pages.
	PREFETCHT0 4096(SI)
	PREFETCHT0 4160(SI)
	PREFETCHT0 4224(SI)
	PREFETCHT0 4288(SI)
	VPCLMULQDQ $0x00, Z0, Z1, Z5
	VPCLMULQDQ $0x11, Z0, Z1, Z1
	VPCLMULQDQ $0x00, Z0, Z2, Z6
	VPCLMULQDQ $0x11, Z0, Z2, Z2
	VPCLMULQDQ $0x00, Z0, Z3, Z7
	VPCLMULQDQ $0x11, Z0, Z3, Z3
	VPCLMULQDQ $0x00, Z0, Z4, Z8
	VPCLMULQDQ $0x11, Z0, Z4, Z4
	VPTERNLOGQ $0x96, (SI), Z5, Z1 // 0x96: exclusive or of all three
	VPTERNLOGQ $0x96, 64(SI), Z6, Z2
	VPTERNLOGQ $0x96, 128(SI), Z7, Z3
	VPTERNLOGQ $0x96, 192(SI), Z8, Z4
	ADDQ $256, SI
	SUBQ $256, CX
	JNZ  rowswide

joinwide:
	// Register into register over four lanes, then lane into lane.
	VBROADCASTI32X4 ·fold4(SB), Z0
	VPCLMULQDQ $0x00, Z0, Z1, Z5
	VPCLMULQDQ $0x11, Z0, Z1, Z1
	VPTERNLOGQ $0x96, Z1, Z5, Z2
	VPCLMULQDQ $0x00, Z0, Z2, Z5
	VPCLMULQDQ $0x11, Z0, Z2, Z2
	VPTERNLOGQ $0x96, Z2, Z5, Z3
	VPCLMULQDQ $0x00, Z0, Z3, Z5
	VPCLMULQDQ $0x11, Z0, Z3, Z3
	VPTERNLOGQ $0x96, Z3, Z5, Z4
	VEXTRACTI32X4 $1, Z4, X2
	VEXTRACTI32X4 $2, Z4, X3
	VEXTRACTI32X4 $3, Z4, X1
	VMOVDQU ·fold1(SB), X0
	VZEROUPPER
	FOLD(X0, X4, X2, X5)
	FOLD(X0, X2, X3, X5)
	FOLD(X0, X3, X1, X5)
	MOVOU X1, (DI)
	RET

// FOLDV is FOLD over one lane in the encoding of AVX, which does not wait for the upper halves of registers.
#define FOLDV(V, TO) \
	VPCLMULQDQ $0x00, X0, V, X11 \
	VPCLMULQDQ $0x11, X0, V, V \
	VPXOR X11, TO, TO \
	VPXOR V, TO, TO

// func foldVPCLMUL256(crc uint64, p *byte, n int, lane *[laneSize]byte)
//
// Eight registers of two lanes each.
TEXT ·foldVPCLMUL256(SB), NOSPLIT, $0-32
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ lane+24(FP), DI
	VMOVQ crc+0(FP), X9
	VMOVDQU (SI), Y1
	VMOVDQU 32(SI), Y2
	VMOVDQU 64(SI), Y3
	VMOVDQU 96(SI), Y4
	VMOVDQU 128(SI), Y5
	VMOVDQU 160(SI), Y6
	VMOVDQU 192(SI), Y7
	VMOVDQU 224(SI), Y8
	VPXOR Y9, Y1, Y1
	VBROADCASTI128 ·fold16(SB), Y0
	ADDQ $256, SI
	SUBQ $256, CX
	JZ   join256

rows256:
	// A page ahead, as in foldVPCLMUL.
	PREFETCHT0 4096(SI)
	PREFETCHT0 4160(SI)
	PREFETCHT0 4224(SI)
	PREFETCHT0 4288(SI)
	VPCLMULQDQ $0x00, Y0, Y1, Y9
	VPCLMULQDQ $0x11, Y0, Y1, Y1
	VPCLMULQDQ $0x00, Y0, Y2, Y10
	VPCLMULQDQ $0x11, Y0, Y2, Y2
	VPCLMULQDQ $0x00, Y0, Y3, Y11
	VPCLMULQDQ $0x11, Y0, Y3, Y3
	VPCLMULQDQ $0x00, Y0, Y4, Y12
	VPCLMULQDQ $0x11, Y0, Y4, Y4
	VPXOR (SI), Y9, Y9
	VPXOR 32(SI), Y10, Y10
	VPXOR 64(SI), Y11, Y11
	VPXOR 96(SI), Y12, Y12
	VPXOR Y9, Y1, Y1
	VPXOR Y10, Y2, Y2
	VPXOR Y11, Y3, Y3
	VPXOR Y12, Y4, Y4
	VPCLMULQDQ $0x00, Y0, Y5, Y9
	VPCLMULQDQ $0x11, Y0, Y5, Y5
	VPCLMULQDQ $0x00, Y0, Y6, Y10
	VPCLMULQDQ $0x11, Y0, Y6, Y6
	VPCLMULQDQ $0x00, Y0, Y7, Y11
	VPCLMULQDQ $0x11, Y0, Y7, Y7
	VPCLMULQDQ $0x00, Y0, Y8, Y12
	VPCLMULQDQ $0x11, Y0, Y8, Y8
	VPXOR 128(SI), Y9, Y9
	VPXOR 160(SI), Y10, Y10
	VPXOR 192(SI), Y11, Y11
	VPXOR 224(SI), Y12, Y12
	VPXOR Y9, Y5, Y5
	VPXOR Y10, Y6, Y6
	VPXOR Y11, Y7, Y7
	VPXOR Y12, Y8, Y8
	ADDQ $256, SI
	SUBQ $256, CX
	JNZ  rows256

join256:
	// Lane into lane.
	VMOVDQU ·fold1(SB), X0
	VEXTRACTI128 $1, Y1, X10
	FOLDV(X1, X10)
	VEXTRACTI128 $1, Y2, X12
	FOLDV(X10, X2)
	FOLDV(X2, X12)
	VEXTRACTI128 $1, Y3, X10
	FOLDV(X12, X3)
	FOLDV(X3, X10)
	VEXTRACTI128 $1, Y4, X12
	FOLDV(X10, X4)
	FOLDV(X4, X12)
	VEXTRACTI128 $1, Y5, X10
	FOLDV(X12, X5)
	FOLDV(X5, X10)
	VEXTRACTI128 $1, Y6, X12
	FOLDV(X10, X6)
	FOLDV(X6, X12)
	VEXTRACTI128 $1, Y7, X10
	FOLDV(X12, X7)
	FOLDV(X7, X10)
	VEXTRACTI128 $1, Y8, X12
	FOLDV(X10, X8)
	FOLDV(X8, X12)
	VMOVDQU X12, (DI)
	VZEROUPPER
	RET
