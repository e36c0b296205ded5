package gguf_test

import (
	"bytes"
	"reflect"
	"testing"

	"pastel/engine/gguf"
)

// FuzzDecoder: any bytes, split anywhere, give the same header or the same
// error; an accepted header keeps its promises and can be written and read again.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte(everyKind(2)), uint8(1))
	f.Add([]byte(everyKind(3)), uint8(200))
	for i, h := range hostiles {
		f.Add([]byte(h.file), uint8(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		want, werr := gguf.Read(bytes.NewReader(b), int64(len(b)))
		d := gguf.NewDecoder(uint64(len(b)))
		var err error
		for rest := b; len(rest) > 0 && err == nil && !d.Done(); {
			n := min(len(rest), 1+int(step))
			_, err = d.Write(rest[:n])
			rest = rest[n:]
		}
		got, gerr := d.File()
		if (gerr == nil) != (werr == nil) || gerr != nil && gerr.Error() != werr.Error() {
			t.Fatalf("in pieces of %d: %v; at once: %v", 1+int(step), gerr, werr)
		}
		if gerr != nil {
			return
		}
		if !reflect.DeepEqual(got.Tensors, want.Tensors) || !bytes.Equal(got.AppendJSON(nil, 0), want.AppendJSON(nil, 0)) {
			t.Fatal("pieces give another header")
		}
		checkPromises(t, got, b)
	})
}

func checkPromises(t *testing.T, f *gguf.File, b []byte) {
	var total uint64
	for _, ti := range f.Tensors {
		if ti.Offset < f.DataOffset || ti.Offset > uint64(len(b)) || ti.NBytes > uint64(len(b))-ti.Offset {
			t.Fatalf("tensor %q at %d..+%d of %d bytes", ti.Name, ti.Offset, ti.NBytes, len(b))
		}
		total += ti.NBytes
	}
	if total > uint64(len(b)) {
		t.Fatalf("tensors of %d bytes in a file of %d", total, len(b))
	}
	again := decode(t, copyOf(t, f, b))
	if !bytes.Equal(again.Metadata.AppendJSON(nil, 0), f.Metadata.AppendJSON(nil, 0)) || len(again.Tensors) != len(f.Tensors) {
		t.Fatal("written and read again, it is another file")
	}
}
