package crc64

import "testing"

// kernel is one way to compute Update on this machine.
type kernel struct {
	name   string
	update func(crc uint64, p []byte) uint64
}

// kernels lists all that this build and this processor can run: Update itself,
// the portable kernel, and each assembly kernel by itself.
func kernels() []kernel {
	return append([]kernel{{"Update", Update}, {"portable", updateGeneric}}, asmKernels()...)
}

// TestTables checks the tables against the definition.
func TestTables(t *testing.T) {
	tab := stepTables()
	zeros := make([]byte, 8*braid)
	for v := range 256 {
		for k := range 8 {
			if got, want := tab.near[k][v], bitwise(uint64(v), zeros[:k+1]); got != want {
				t.Fatalf("near[%d][%d] = %#016x, want %#016x", k, v, got, want)
			}
			if got, want := tab.far[k][v], bitwise(uint64(v), zeros[:k+1+8*(braid-1)]); got != want {
				t.Fatalf("far[%d][%d] = %#016x, want %#016x", k, v, got, want)
			}
		}
	}
}

func TestPowers(t *testing.T) {
	if got := mulMod(xPowNeg, 1<<62); got != xPow0 {
		t.Errorf("x * x^-1 = %#016x, want %#016x", got, xPow0)
	}
	p := powerTables()
	for k := range p.forward {
		if got := mulMod(p.forward[k], p.backward[k]); got != xPow0 {
			t.Errorf("digit %d: the powers are not inverse to each other: %#016x", k, got)
		}
	}
	if p.forward[0] != xPow8 {
		t.Errorf("digit 0 is %#016x, want x^8", p.forward[0])
	}
}
