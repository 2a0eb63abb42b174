package rdb

// Narrow makes a verification use a window of so many bytes and take strings longer than limit in pieces.
func (o VerifyOptions) Narrow(window, limit int) VerifyOptions {
	o.window, o.limit = window, limit
	return o
}

// Narrow does the same for a reader.
func (o ReaderOptions) Narrow(window, limit int) ReaderOptions {
	o.Window, o.limit = window, limit
	return o
}

// ScanDouble is scanDouble.
func ScanDouble(p []byte) (float64, int) { return scanDouble(p) }

// PackedDouble is packedDouble.
func PackedDouble(p []byte, f Family) float64 { return packedDouble(p, f) }

// ScanfDouble is scanfDouble.
func ScanfDouble(p []byte) (float64, bool) { return scanfDouble(p) }

// Slow makes a verification pass nothing quickly.
func (o VerifyOptions) Slow() VerifyOptions {
	o.slow = true
	return o
}

// Slow makes a reader pass nothing quickly.
func (r *Reader) Slow() { r.dec.slow = true }

// Narrow makes a splitter's pieces small.
func (s *Splitter) Narrow(size int) *Splitter {
	s.cutter.start(s.src, size)
	return s
}

// Whole makes a verification with workers take b for what it reads, all at once, and guess where blocks end.
func (o VerifyOptions) Whole(b []byte) VerifyOptions {
	o.whole = b
	return o
}

// Suspect makes such a verification take all keys for duplicates before it looks again.
func (o VerifyOptions) Suspect() VerifyOptions {
	o.suspect = true
	return o
}
