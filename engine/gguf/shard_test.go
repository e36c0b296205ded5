package gguf_test

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"pastel/engine/gguf"
)

func TestShardNames(t *testing.T) {
	for _, tt := range []struct {
		name   string
		prefix string
		no     int
		count  int
		ok     bool
	}{
		{"model-00001-of-00003.gguf", "model", 0, 3, true},
		{"dir/a-b-00003-of-00003.gguf", "dir/a-b", 2, 3, true},
		{"-00001-of-00001.gguf", "", 0, 1, true},
		{"model-00004-of-00003.gguf", "", 0, 0, false},
		{"model-00000-of-00003.gguf", "", 0, 0, false},
		{"model-0001-of-00003.gguf", "", 0, 0, false},
		{"model-00001-of-00003.bin", "", 0, 0, false},
		{"model-0000a-of-00003.gguf", "", 0, 0, false},
		{"model.gguf", "", 0, 0, false},
		{"", "", 0, 0, false},
	} {
		prefix, no, count, ok := gguf.ParseShardName(tt.name)
		if prefix != tt.prefix || no != tt.no || count != tt.count || ok != tt.ok {
			t.Errorf("ParseShardName(%q) = %q, %d, %d, %v", tt.name, prefix, no, count, ok)
		}
		if ok && gguf.ShardName(prefix, no, count) != tt.name {
			t.Errorf("ShardName(%q, %d, %d) = %q", prefix, no, count, gguf.ShardName(prefix, no, count))
		}
	}
}

// shards splits a real model and reads the files back.
func shards(t *testing.T, n int) (whole *gguf.File, b []byte, parts []*gguf.File, bufs [][]byte) {
	t.Helper()
	b, err := os.ReadFile("../../testdata/models/stories260K.gguf")
	if err != nil {
		t.Fatal(err)
	}
	whole = decode(t, b)
	split, err := gguf.Split(whole, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range split {
		var buf bytes.Buffer
		if err := gguf.Write(&buf, s, bytesOf(whole, b)); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, decode(t, buf.Bytes()))
		bufs = append(bufs, buf.Bytes())
	}
	return whole, b, parts, bufs
}

// TestSplitMerge: the shards of a real model are the model.
func TestSplitMerge(t *testing.T) {
	for _, n := range []int{1, 2, 3, 48} {
		whole, b, parts, bufs := shards(t, n)
		got, err := gguf.Merge(parts)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Metadata.Keys(), whole.Metadata.Keys()) || len(got.Tensors) != len(whole.Tensors) {
			t.Fatalf("%d shards: other keys or tensors", n)
		}
		for _, want := range whole.Tensors {
			ti, ok := got.Tensor(want.Name)
			if !ok || !reflect.DeepEqual(ti.Shape, want.Shape) || ti.Type != want.Type {
				t.Fatalf("%d shards: tensor %s = %+v", n, want.Name, ti)
			}
			if !bytes.Equal(bufs[ti.Shard][ti.Offset:ti.Offset+ti.NBytes], b[want.Offset:want.Offset+want.NBytes]) {
				t.Fatalf("%d shards: tensor %s holds other bytes", n, want.Name)
			}
		}
	}
}

func TestMergeErrors(t *testing.T) {
	whole, _, parts, _ := shards(t, 3)
	_, _, other, _ := shards(t, 2)
	for _, tt := range []struct {
		name  string
		files []*gguf.File
		want  string
	}{
		{"nothing", nil, "no files"},
		{"one missing", parts[:2], "says it is shard 1 of 3"},
		{"out of order", []*gguf.File{parts[1], parts[0], parts[2]}, "file 1 of 3 says it is shard 2 of 3"},
		{"one twice", []*gguf.File{parts[0], parts[1], parts[1]}, "file 3 of 3 says it is shard 2 of 3"},
		{"from two models", []*gguf.File{parts[0], other[1]}, "shard 1 of 3"},
		{"a whole file among shards", []*gguf.File{whole, parts[1]}, "shard 1 of 0"},
		{"a lone shard", parts[:1], "shard 1 of 3"},
	} {
		if _, err := gguf.Merge(tt.files); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if got, err := gguf.Merge([]*gguf.File{whole}); err != nil || got != whole {
		t.Errorf("a single file: %v", err)
	}
	parts[0].Metadata.Set("split.tensors.count", int32(49))
	if _, err := gguf.Merge(parts); err == nil || !strings.Contains(err.Error(), "hold 48 tensors, want 49") {
		t.Errorf("a tensor missing: %v", err)
	}
	for _, n := range []int{0, -1, 49} {
		if _, err := gguf.Split(whole, n); err == nil {
			t.Errorf("48 tensors split into %d files", n)
		}
	}
}
