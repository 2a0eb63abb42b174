package repair

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// generatedAOF is a log of n commands or so, of a few kinds, with values of all sizes and transactions. Of 100 values, nested hold a
// log themselves, alone or between other text.
func generatedAOF(r *rand.Rand, n, nested int) []byte {
	var b bytes.Buffer
	b.WriteString(resp("SELECT", "0"))
	for i := range n {
		key := fmt.Sprint("key:", r.IntN(500))
		if r.IntN(100) < nested {
			b.WriteString(resp("SET", key, nestedLog(r)))
			continue
		}
		switch r.IntN(13) {
		case 0, 1, 2:
			b.WriteString(resp("SET", key, letters(r, 40)))
		case 3:
			b.WriteString(resp("SET", key, string(noise(r, r.IntN(300)))))
		case 4:
			b.WriteString(resp("HSET", key, letters(r, 8), letters(r, 30), letters(r, 8), letters(r, 30)))
		case 5:
			b.WriteString(resp("RPUSH", key, letters(r, 9), letters(r, 200), "", letters(r, 9)))
		case 6:
			b.WriteString(resp("DEL", key))
		case 7:
			b.WriteString(resp("PEXPIREAT", key, "1700000000000"))
		case 8:
			b.WriteString(resp("SADD", key, letters(r, 12)))
		case 9:
			b.WriteString(resp("ZADD", key, "1.5", letters(r, 9)))
		case 10:
			if r.IntN(4) == 0 {
				b.WriteString(resp("SELECT", fmt.Sprint(r.IntN(4))))
			}
		case 11:
			if r.IntN(4) == 0 {
				b.WriteString(resp("MULTI") + resp("INCR", key) + resp("SET", key, letters(r, 20)) + resp("EXEC"))
			}
		case 12:
			fmt.Fprintf(&b, "#TS:%d\r\n", 1700000000+i)
		}
	}
	return b.Bytes()
}

// nestedLog is a value that is a log.
func nestedLog(r *rand.Rand) string {
	var b bytes.Buffer
	n := 1 + r.IntN(6)
	if r.IntN(30) == 0 {
		n = 50 + r.IntN(100)
	}
	for range n {
		switch r.IntN(3) {
		case 0:
			b.WriteString(resp("SET", "inner:"+letters(r, 6), letters(r, 20)))
		case 1:
			b.WriteString(resp("DEL", "inner:"+letters(r, 9)))
		case 2:
			b.WriteString(resp("HSET", "inner:"+letters(r, 6), letters(r, 4), letters(r, 40)))
		}
	}
	switch r.IntN(8) {
	case 0:
		return "a log:\r\n" + b.String()
	case 1:
		return b.String() + "the end of a log"
	case 2:
		return b.String()[:b.Len()-2] // as a line without its end
	default:
		return b.String()
	}
}

func letters(r *rand.Rand, n int) string {
	p := make([]byte, 1+r.IntN(n))
	for i := range p {
		p[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
	}
	return string(p)
}
