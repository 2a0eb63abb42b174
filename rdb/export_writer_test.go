package rdb

// ScoreText is appendScoreShort.
func ScoreText(v float64) string { return string(appendScoreShort(nil, v)) }

// ScoreText17 is appendScore17.
func ScoreText17(v float64) string { return string(appendScore17(nil, v)) }

// GrisuPowers is grisuPowers, with the power of ten and the exponent that belong to each.
func GrisuPowers(yield func(power int, f uint64, e int) bool) {
	for i, f := range grisuPowers {
		k := grisuFirstPower + i*grisuPowerStep
		if !yield(k, f, k*1741647>>19-63) {
			return
		}
	}
}
