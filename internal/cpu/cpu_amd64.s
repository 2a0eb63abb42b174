//go:build !purego

#include "textflag.h"

// func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL subleaf+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET

// func xgetbv() (eax, edx uint32)
TEXT ·xgetbv(SB), NOSPLIT, $0-8
	XORL CX, CX
	XGETBV
	MOVL AX, eax+0(FP)
	MOVL DX, edx+4(FP)
	RET

// func Fetch(p *byte)
TEXT ·Fetch(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), SI
	PREFETCHT1 0(SI)
	PREFETCHT1 64(SI)
	PREFETCHT1 128(SI)
	PREFETCHT1 192(SI)
	PREFETCHT1 256(SI)
	PREFETCHT1 320(SI)
	PREFETCHT1 384(SI)
	PREFETCHT1 448(SI)
	PREFETCHT1 512(SI)
	PREFETCHT1 576(SI)
	PREFETCHT1 640(SI)
	PREFETCHT1 704(SI)
	PREFETCHT1 768(SI)
	PREFETCHT1 832(SI)
	PREFETCHT1 896(SI)
	PREFETCHT1 960(SI)
	RET
