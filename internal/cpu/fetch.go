package cpu

// FetchSize is how many bytes [Fetch] brings near.
const FetchSize = 1 << 10
