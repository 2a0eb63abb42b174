package repair_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/repair"
)

// TestHealBig heals a file of 256 MiB and prints the time and memory for it. It runs if KVFSCK_BIG is set.
func TestHealBig(t *testing.T) {
	if os.Getenv("KVFSCK_BIG") == "" {
		t.Skip("KVFSCK_BIG is not set")
	}
	const size = 256 << 20
	rng := rand.New(rand.NewPCG(20, 20))
	sound := snapshot(rng, size)
	damaged := bytes.Clone(sound)
	for _, m := range mutations {
		if m.kind&(repair.DamageLatin1|repair.DamageCRLF|repair.DamageSwappedBlocks) != 0 || m.name == "two bits" {
			continue // far pairs cost too much at this size
		}
		for round := range 3 {
			kinds := []repair.Damage{m.kind, repair.DamageBurst, 0}[round]
			opt := repair.HealOptions{Kinds: kinds | m.kind}
			name := "its kind"
			switch {
			case kinds == 0:
				opt.Kinds, name = 0, "all kinds"
			case round == 1:
				name = "bursts too"
			}
			damaged = m.mutate(rng, append(damaged[:0], sound...))
			if bytes.Equal(damaged, sound) {
				continue
			}
			peak := watchHeap()
			start := time.Now()
			h, err := repair.Heal(context.Background(), bytes.NewReader(damaged), int64(len(damaged)), opt)
			took := time.Since(start)
			grew := peak()
			require.NoError(t, err)
			if h.Outcome == repair.HealSound {
				require.Equal(t, int64(len(sound)), h.End)
				continue
			}
			require.Equal(t, repair.Healed, h.Outcome, "%s: %+v", m.name, h.Candidates)
			require.True(t, bytes.Equal(sound, content(t, h.Best(), damaged)), m.name)
			fmt.Printf("%-16s %-10s %5.2f s, heap grew by %3d MiB, odds %.1e, discarded %d\n", m.name, name, took.Seconds(), grew>>20, h.Best().Odds, h.Discarded)
		}
	}
}

// watchHeap returns a function that tells by how much the heap in use grew at most since.
func watchHeap() func() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := m.HeapInuse
	var most atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapInuse))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return most.Load() - min(base, most.Load())
	}
}

// BenchmarkHeal heals one wrong byte in 32 MiB, by the kinds looked for. Verifying the file before and after is part of it.
func BenchmarkHeal(b *testing.B) {
	file := snapshot(rand.New(rand.NewPCG(21, 21)), 32<<20)
	file[len(file)/3] ^= 0x5a
	for _, c := range []struct {
		name  string
		kinds repair.Damage
	}{
		{"bit", repair.DamageFlippedBit}, {"burst", repair.DamageBurst}, {"pairs", repair.DamageSwappedBytes},
		{"block", repair.DamageInsertedBlock}, {"sectors", repair.DamageSwappedBlocks}, {"all", 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				_, err := repair.Heal(context.Background(), bytes.NewReader(file), int64(len(file)), repair.HealOptions{Kinds: c.kinds})
				require.NoError(b, err)
			}
		})
	}
}
