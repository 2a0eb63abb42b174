package repair

import "testing"

// TestTornCommand tears commands that take several numbers of arguments at every byte: what is left of one is no shorter command.
func TestTornCommand(t *testing.T) {
	for _, log := range []string{commands("SELECT 0", "SET a 1"), ""} {
		for _, command := range []string{
			"SET sess v PXAT 1900000000000", "RPUSH list one two three four", "MSET a 1 b 2 c 3", "HSET hash f 1 g 2", "ZADD z 1 a 2 b", "DEL one two three",
			"XADD stream 1700000000000-0 f v g w", "SADD set a b c d", "PING", "SELECT 3", "EXPIRE k 100",
		} {
			whole := commands(command)
			for n := 1; n < len(whole); n++ {
				s, got := salvageBytes(t, []byte(log+whole[:n]), AOFOptions{})
				acceptAOF(t, s, got)
				if string(got) != log || s.Healed+s.Doubtful > 0 && n < len(whole)-1 {
					t.Errorf("%q behind %d bytes: got %q, %d healed, %d doubtful, map %v", whole[:n], len(log), got, s.Healed, s.Doubtful, s.Regions)
				}
			}
		}
	}
}
