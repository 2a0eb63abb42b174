package repair

// Keys of one form are used in one way: of "session:*" all expire, of "user:*" none does. So whether a key has lost its expiry shows better in
// those of its form than in all of them.

// shapesMost is how many forms are told apart.
const shapesMost = 4096

// shapeUse is what is known of the keys of one form.
type shapeUse struct{ keys, expires uint32 }

// shape is a fingerprint of a key's form, in which all numbers are the same one.
func shape(key []byte) uint32 {
	const most = 64 // bytes looked at
	h := uint32(2166136261)
	digit := false
	for _, b := range key[:min(len(key), most)] {
		if b >= '0' && b <= '9' {
			if digit {
				continue
			}
			digit, b = true, '0'
		} else {
			digit = false
		}
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}

// learnShape notes whether a key expires.
func (c *census) learnShape(key []byte, expires bool) {
	h := shape(key)
	u, known := c.shapes[h]
	if !known && len(c.shapes) >= shapesMost {
		return
	}
	u.keys++
	if expires {
		u.expires++
	}
	c.shapes[h] = u
}

// othersExpire reports whether all others of the form of a key that was counted and does not expire do.
func (c *census) othersExpire(key []byte) bool {
	u := c.shapes[shape(key)]
	return u.keys > 1 && always(u.keys-1, u.expires)
}

// always reports whether so many keys of a form say that all expire.
func always(keys, expires uint32) bool {
	const several = 3
	return keys >= several && float64(expires) > mostly*float64(keys)
}

// expiryOf says whether keys of the form of this one expire: all of several do, or none of many does. Else neither.
func (c *census) expiryOf(key []byte) (all, never bool) {
	const many = 8
	u := c.shapes[shape(key)]
	return always(u.keys, u.expires), u.keys >= many && u.expires == 0
}
