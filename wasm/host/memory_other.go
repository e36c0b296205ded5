//go:build !unix

package host

import "github.com/tetratelabs/wazero/experimental"

// A reservation leaves memory to wazero.
type reservation struct{}

func newReservation() *reservation { return &reservation{} }

func (*reservation) allocator() experimental.MemoryAllocator { return nil }
func (*reservation) release() error                          { return nil }
