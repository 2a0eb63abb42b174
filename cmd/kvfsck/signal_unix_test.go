//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestToldToEnd says that what a shell, an init system or a closed terminal sends ends a run as an interrupt does, which cleans up.
func TestToldToEnd(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(s) {
			continue
		}
		ctx, stop := untilToldToEnd()
		require.NoError(t, syscall.Kill(os.Getpid(), s))
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Errorf("%v changes nothing", s)
		}
		stop()
	}
}
