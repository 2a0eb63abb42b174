//go:build !purego

// Package cpu tells what the processor can do, for the packages that have assembly.
package cpu

import "sync"

// Features are what the processor has and the operating system allows.
type Features struct {
	SSSE3         bool // with POPCNT
	AES           bool
	PCLMULQDQ     bool // with SSSE3
	VPCLMULQDQ    bool // of 512 bits, with AVX512F
	VPCLMULQDQ256 bool // of 256 bits, with AVX2
	AVX512F       bool
	AVX512VBMI2   bool // with VBMI, BW and F of it, BMI2 and POPCNT
	AVX2          bool
	BMI2          bool
}

// X86 returns the features of this machine. It asks once; after that it costs one atomic load.
func X86() *Features {
	detectedOnce.Do(detected.detect)
	return &detected
}

var (
	detected     Features
	detectedOnce sync.Once
)

// Feature bits of the CPUID instruction and of the register XCR0, which says
// whose registers the operating system saves (Intel SDM, volumes 1 and 2).
const (
	leaf1ECXPCLMULQDQ  = 1 << 1
	leaf1ECXSSSE3      = 1 << 9
	leaf1ECXPOPCNT     = 1 << 23
	leaf1ECXAES        = 1 << 25
	leaf1ECXOSXSAVE    = 1 << 27
	leaf7EBXAVX2       = 1 << 5
	leaf7EBXBMI2       = 1 << 8
	leaf7EBXAVX512F    = 1 << 16
	leaf7EBXAVX512BW   = 1 << 30
	leaf7ECXVBMI       = 1 << 1
	leaf7ECXVBMI2      = 1 << 6
	leaf7ECXVPCLMULQDQ = 1 << 10
	xcr0AVX            = 1<<1 | 1<<2                      // SSE and AVX
	xcr0AVX512         = 1<<1 | 1<<2 | 1<<5 | 1<<6 | 1<<7 // SSE, AVX, and the three parts of AVX-512
)

func (f *Features) detect() {
	maxLeaf, _, _, _ := cpuid(0, 0)
	if maxLeaf < 1 {
		return
	}
	_, _, ecx1, _ := cpuid(1, 0)
	const shuffle = leaf1ECXSSSE3 | leaf1ECXPOPCNT
	f.SSSE3 = ecx1&shuffle == shuffle
	f.AES = ecx1&leaf1ECXAES != 0
	const narrow = leaf1ECXPCLMULQDQ | leaf1ECXSSSE3
	f.PCLMULQDQ = ecx1&narrow == narrow
	if maxLeaf < 7 {
		return
	}
	_, ebx7, ecx7, _ := cpuid(7, 0)
	if ecx1&leaf1ECXOSXSAVE == 0 {
		return
	}
	f.BMI2 = ebx7&leaf7EBXBMI2 != 0
	xcr0, _ := xgetbv()
	f.AVX512F = xcr0&xcr0AVX512 == xcr0AVX512 && ebx7&leaf7EBXAVX512F != 0
	const bytewise = leaf7ECXVBMI | leaf7ECXVBMI2
	f.AVX512VBMI2 = f.AVX512F && f.BMI2 && ebx7&leaf7EBXAVX512BW != 0 && ecx7&bytewise == bytewise && ecx1&leaf1ECXPOPCNT != 0
	wide := f.PCLMULQDQ && ecx7&leaf7ECXVPCLMULQDQ != 0
	f.VPCLMULQDQ = f.AVX512F && wide
	f.AVX2 = xcr0&xcr0AVX == xcr0AVX && ebx7&leaf7EBXAVX2 != 0
	f.VPCLMULQDQ256 = f.AVX2 && wide
}

// cpuid runs CPUID with the given EAX and ECX.
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// xgetbv reads XCR0. It faults where CPUID does not report OSXSAVE.
func xgetbv() (eax, edx uint32)

// Fetch brings the next [FetchSize] bytes from p on near, to the second cache, where they are mapped. It waits for nothing.
//
//go:noescape
func Fetch(p *byte)
