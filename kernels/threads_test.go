package kernels_test

import (
	"testing"
	"time"

	"pastel/kernels"
	"pastel/kernels/lab"
)

// counterTape adds one to n floats: every run must touch each of them once.
func counterTape(t *testing.T, n int) (im *lab.Image, x kernels.Addr) {
	t.Helper()
	b := newBench(t, 1, 0)
	x, one := b.alloc(4*n), b.alloc(4*n)
	for i := range b.im.Mem.F32(one, n) {
		b.im.Mem.F32(one, n)[i] = 1
	}
	for range 3 { // three barriers a run
		b.add(kernels.Add{Dst: x, A: x, B: one, Count: n, Scale: 1})
	}
	return b.im, x
}

func newMachine(t *testing.T, threads int) *lab.Wazero {
	t.Helper()
	w, err := lab.NewWazero(threads, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// runs runs the image's tape n times, keeping memory between runs.
func runs(t *testing.T, w *lab.Wazero, im *lab.Image, n int) {
	t.Helper()
	for range n {
		if err := w.Run([]*lab.Image{im}); err != nil {
			t.Fatal(err)
		}
	}
}

func counted(t *testing.T, im *lab.Image, x kernels.Addr, n int, want float32) {
	t.Helper()
	for i, v := range im.Mem.F32(x, n) {
		if v != want {
			t.Fatalf("x[%d] = %g, want %g: a unit ran twice or not at all", i, v, want)
		}
	}
}

func TestManyTapesInARow(t *testing.T) {
	const n, times = 70_001, 300
	im, x := counterTape(t, n)
	w := newMachine(t, 2)
	runs(t, w, im, times)
	counted(t, im, x, n, 3*times)
	if err := w.Close(); err != nil {
		t.Errorf("a helper ended with %v", err)
	}
}

func TestHelperArrivesLate(t *testing.T) {
	const n = 70_001
	im, x := counterTape(t, n)
	w := newMachine(t, 1)
	runs(t, w, im, 5)
	for _, name := range []string{"late1", "late2"} { // while tapes run
		if err := w.AddHelper(name); err != nil {
			t.Fatal(err)
		}
		runs(t, w, im, 20)
	}
	if err := w.Await(2); err != nil {
		t.Fatal(err)
	}
	runs(t, w, im, 5)
	counted(t, im, x, n, 3*50)
	if err := w.Close(); err != nil {
		t.Errorf("a helper ended with %v", err)
	}
}

func TestStopBeforeAnyTape(t *testing.T) {
	w := newMachine(t, 3)
	if err := w.Close(); err != nil {
		t.Errorf("a helper ended with %v", err)
	}
}

// TestHelperCrashes counts a helper in that never comes, as one that trapped
// does not: run must trap when the host says so, not wait.
func TestHelperCrashes(t *testing.T) {
	im, _ := counterTape(t, 70_001)
	w := newMachine(t, 1)
	defer w.Close()
	w.SetControl(kernels.ControlArrived, 1)
	time.AfterFunc(50*time.Millisecond, func() { w.SetControl(kernels.ControlState, kernels.StateFailed) })
	start := time.Now()
	if err := w.Run([]*lab.Image{im}); err == nil {
		t.Error("run returned although a helper was missing")
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("run took %v to notice", d)
	}
}
