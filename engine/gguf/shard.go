package gguf

import (
	"strconv"
	"strings"

	"pastel/fault"
)

// The keys by which shards know each other, as llama-gguf-split writes them.
const (
	keySplitNo      = "split.no"            // u16, from 0
	keySplitCount   = "split.count"         // u16
	keySplitTensors = "split.tensors.count" // i32, over all shards
)

// MaxShards is the most files one model may be split into: split.count is a u16.
const MaxShards = 1<<16 - 1

// ParseShardName takes apart prefix-00002-of-00003.gguf; no counts from 0. ok is
// false for any other name.
func ParseShardName(name string) (prefix string, no, count int, ok bool) {
	const tail = len("-00001-of-00001.gguf")
	if len(name) < tail {
		return "", 0, 0, false
	}
	prefix, end := name[:len(name)-tail], name[len(name)-tail:]
	no, ok1 := fiveDigits(end[1:6])
	count, ok2 := fiveDigits(end[10:15])
	if !ok1 || !ok2 || end[0] != '-' || end[6:10] != "-of-" || end[15:] != ".gguf" || no < 1 || no > count {
		return "", 0, 0, false
	}
	return prefix, no - 1, count, true
}

// ShardName is the inverse of ParseShardName.
func ShardName(prefix string, no, count int) string {
	return prefix + "-" + pad5(no+1) + "-of-" + pad5(count) + ".gguf"
}

func fiveDigits(s string) (int, bool) {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

func pad5(n int) string {
	s := strconv.Itoa(n)
	return strings.Repeat("0", max(0, 5-len(s))) + s
}

// Merge joins the shards of one model, given in order, into one File. Metadata
// is that of the first shard without split.*; each tensor's Shard says which
// file its Offset counts in. A single file that is no shard is returned as it is.
//
// Errors: a shard missing or out of place, a tensor in two shards, a number of
// tensors other than promised.
func Merge(files []*File) (*File, error) {
	if len(files) == 0 {
		return nil, fault.New(fault.BadRequest, "gguf: no files to merge")
	}
	if len(files) == 1 && !files[0].Metadata.Has(keySplitCount) {
		return files[0], nil
	}
	first := files[0]
	out := &File{Version: first.Version, Alignment: first.Alignment, DataOffset: first.DataOffset}
	for _, key := range first.Metadata.Keys() {
		if !isSplitKey(key) {
			out.Metadata.Copy(key, &first.Metadata)
		}
	}
	for i, f := range files {
		if err := checkShard(f, i, len(files)); err != nil {
			return nil, err
		}
		for _, t := range f.Tensors {
			t.Shard = i
			if err := out.add(t); err != nil {
				return nil, err
			}
		}
	}
	want, err := first.Metadata.Uint(keySplitTensors, uint64(len(out.Tensors)))
	if err != nil {
		return nil, err
	}
	if want != uint64(len(out.Tensors)) {
		return nil, fault.New(fault.BadFile, "gguf: ", len(files), " shards hold ", len(out.Tensors), " tensors, want ", want)
	}
	return out, nil
}

func isSplitKey(key string) bool {
	return key == keySplitNo || key == keySplitCount || key == keySplitTensors
}

// checkShard checks that f says of itself to be shard i of n.
func checkShard(f *File, i, n int) error {
	no, err := f.Metadata.Uint(keySplitNo, 0)
	if err != nil {
		return err
	}
	count, err := f.Metadata.Uint(keySplitCount, 0)
	if err != nil {
		return err
	}
	if no != uint64(i) || count != uint64(n) {
		return fault.New(fault.BadFile, "gguf: file ", i+1, " of ", n, " says it is shard ", no+1, " of ", count)
	}
	return nil
}

// Split deals the tensors of f out to n files that Merge joins again. The first
// carries all metadata, as llama-gguf-split has it.
func Split(f *File, n int) ([]*File, error) {
	if n < 1 || n > MaxShards || n > max(len(f.Tensors), 1) {
		return nil, fault.New(fault.BadRequest, "gguf: cannot split ", len(f.Tensors), " tensors into ", n, " files")
	}
	out := make([]*File, n)
	for i := range out {
		s := &File{Version: f.Version}
		if i == 0 {
			for _, key := range f.Metadata.Keys() {
				s.Metadata.Copy(key, &f.Metadata)
			}
		}
		s.Metadata.Copy("general.alignment", &f.Metadata)
		s.Metadata.Set(keySplitNo, uint16(i))
		s.Metadata.Set(keySplitCount, uint16(n))
		s.Metadata.Set(keySplitTensors, int32(len(f.Tensors)))
		for _, t := range f.Tensors[i*len(f.Tensors)/n : (i+1)*len(f.Tensors)/n] {
			if err := s.Add(t.Name, t.Type, t.Shape...); err != nil {
				return nil, err
			}
		}
		out[i] = s
	}
	return out, nil
}
