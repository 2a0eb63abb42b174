package repair

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKeySlot has the slots of the specification of Redis Cluster, and of CRC-16's check value.
func TestKeySlot(t *testing.T) {
	for key, slot := range map[string]uint64{"": 0, "123456789": 0x31C3, "foo": 12182, "{user1000}.following": 3443, "x{user1000}": 3443, "foo{}{bar}": 8363, "foo{{bar}}zap": 4015} {
		require.Equal(t, slot, keySlot([]byte(key)), key)
	}
}
