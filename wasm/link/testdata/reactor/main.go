// Command reactor exercises what linking must leave whole: garbage collection, stack
// growth, maps, interfaces, goroutines, channels, defers and recovered panics.
package main

import "runtime"

func main() {}

type node struct {
	next *node
	data []byte
}

// collect makes garbage, keeps every tenth piece and sums what it kept.
//
//go:wasmexport collect
func collect(n int32) int64 {
	var head *node
	for i := range n {
		p := &node{data: make([]byte, 1+i%5000)}
		p.data[0] = byte(i)
		if i%10 == 0 {
			p.next, head = head, p
		}
		if i%4096 == 0 {
			runtime.GC()
		}
	}
	sum := int64(0)
	for p := head; p != nil; p = p.next {
		sum = sum*31 + int64(p.data[0]) + int64(len(p.data))
	}
	return sum
}

// deep grows the stack, with pointers into it, collecting at its bottom.
//
//go:wasmexport deep
func deep(n int32) int64 {
	x := int64(n)
	return down(n, &x)
}

func down(n int32, above *int64) int64 {
	if n == 0 {
		runtime.GC()
		return *above
	}
	here := [8]int64{int64(n), *above}
	sum := down(n-1, &here[0])
	return sum + here[1]
}

// tables fills and empties maps of several kinds of keys.
//
//go:wasmexport tables
func tables(n int32) int64 {
	byInt, byString, byAny := map[int32]int64{}, map[string]int64{}, map[any]int64{}
	for i := range n {
		key := string(rune('a'+i%26)) + string(rune(i))
		byInt[i] += int64(i)
		byString[key] += int64(i)
		byAny[key]++
		byAny[i]++
		if i%3 == 0 {
			delete(byInt, i/2)
		}
	}
	sum := int64(len(byInt)) + 31*int64(len(byString)) + 37*int64(len(byAny))
	for k, v := range byInt {
		sum += int64(k) ^ v
	}
	return sum
}

// talk passes numbers through goroutines.
//
//go:wasmexport talk
func talk(n int32) int64 {
	in, out := make(chan int64), make(chan int64, 4)
	for range 8 {
		go func() {
			for v := range in {
				out <- v * v
			}
		}()
	}
	go func() {
		for i := range n {
			in <- int64(i)
		}
		close(in)
	}()
	sum := int64(0)
	for range n {
		select {
		case v := <-out:
			sum += v
		}
	}
	return sum
}

type shape interface{ area() int64 }
type square int64

func (s square) area() int64 { return int64(s * s) }

// recovers panics in all the ways Go has and counts the messages' bytes.
//
//go:wasmexport recovers
func recovers(n int32) (sum int64) {
	var none map[string]int
	var nobody *node
	var nothing any = "text"
	for _, f := range []func(){
		func() { _ = make([]int, 3)[n] },
		func() { _ = "abc"[n:] },
		func() { none["x"] = 1 },
		func() { _ = nobody.data },
		func() { _ = nothing.(shape) },
		func() { _ = nothing.(int) },
		func() { _ = n / (n - n) },
		func() { panic(square(n)) },
		func() { defer func() { panic("again") }(); panic("once") },
	} {
		sum = sum*7 + caught(f)
	}
	var s any = square(n)
	return sum + s.(shape).area()
}

func caught(f func()) (n int64) {
	defer func() {
		switch v := recover().(type) {
		case error:
			n = int64(len(v.Error()))
		case string:
			n = int64(len(v))
		case shape:
			n = v.area()
		}
	}()
	f()
	return -1
}

// dies panics unrecovered.
//
//go:wasmexport dies
func dies(n int32) int64 { panic("the reason") }
