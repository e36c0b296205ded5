package main

import (
	"encoding/binary"

	"pastel/wasm/module"
)

// A reach finds the functions that anything still refers to, so that the rest can
// go. Go code gets hold of a function in three ways: a call instruction names it, a
// constant holds its number above pcBits, or a word of data holds the number, above
// pcBits (func values) or alone (method tables). A word that only looks like one
// keeps a function that could go; nothing is lost by it.
type reach struct {
	bodies   [][]byte
	imported uint32
	live     []bool
	todo     []int
}

// functionWords returns the numbers that words of data at an address may hold. A
// bare number counts beside another only: a method has two functions, one for
// interfaces and one for values. A segment may begin or end within a word, where the
// bytes it leaves out are zero.
func functionWords(at uint32, data []byte) (numbers []int64) {
	var last uint32 // the word before, if it may be a bare number
	for i := -int(at & 3); i < len(data); i += 4 {
		var word [4]byte
		copy(word[max(-i, 0):], data[max(i, 0):])
		w := binary.LittleEndian.Uint32(word[:])
		switch {
		case w&(1<<pcBits-1) == 0:
			numbers = append(numbers, int64(w>>pcBits))
			last = 0
		case w>>pcBits != 0 || w < pcBase:
			last = 0
		case last != 0:
			numbers = append(numbers, int64(last), int64(w))
			last = w
		default:
			last = w
		}
	}
	return numbers
}

func (r *reach) keep(i int64) {
	if i >= 0 && i < int64(len(r.live)) && !r.live[i] {
		r.live[i] = true
		r.todo = append(r.todo, int(i))
	}
}

// follow visits every kept body until nothing new is found.
func (r *reach) follow() error {
	for len(r.todo) > 0 {
		body := r.bodies[r.todo[len(r.todo)-1]]
		r.todo = r.todo[:len(r.todo)-1]
		instrs, err := module.Instrs(body)
		if err != nil {
			return err
		}
		for _, in := range instrs {
			switch in.Op {
			case module.OpCall:
				r.keep(int64(in.Index) - int64(r.imported))
			case module.OpI32Const, module.OpI64Const:
				r.keep(in.Const>>pcBits - pcBase)
			}
		}
	}
	return nil
}

// cutUnreached replaces the bodies nothing reaches by traps.
func (r *reach) cutUnreached() {
	for i := range r.bodies {
		if !r.live[i] {
			r.bodies[i] = trap
		}
	}
}
