package lab

import (
	"slices"

	"pastel/kernels"
)

// handoverOps is the number of operations of a tape whose time is all hand-over: more
// than publishing the tape and calling shows, few enough for a moment without disturbance.
const handoverOps = 256

// handover adds operations so small that handing over from one to the next is what takes
// time: left to one thread, as the tape has them, and with a barrier after each.
// The difference is what threads pay to meet.
func (s *Suite) handover() {
	op := kernels.Add{Dst: s.floats[1], A: s.floats[0], B: s.floats[2], Count: 4, Scale: 1}
	ops := slices.Repeat([]kernels.Operation{op}, handoverOps)
	s.add(Case{Name: "handover/same", Work: handoverOps, Unit: "ns"}, ops...)
	s.add(Case{Name: "handover/barrier", Work: handoverOps, Unit: "ns"}, ops...)
	words := s.mem.U32(s.cases[len(s.cases)-1].Tape.Addr(), handoverOps*kernels.OpWords)
	for i := range handoverOps {
		words[i*kernels.OpWords+1] &^= kernels.FlagSame
	}
}
