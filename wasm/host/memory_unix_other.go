//go:build unix && !linux

package host

// mapNoReserve is not needed where overcommit is the default.
const mapNoReserve = 0
