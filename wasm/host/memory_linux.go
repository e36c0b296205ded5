package host

import "syscall"

// mapNoReserve asks for address space without a promise of memory behind it.
const mapNoReserve = syscall.MAP_NORESERVE
