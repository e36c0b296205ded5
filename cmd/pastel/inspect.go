package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"

	"pastel/engine/gguf"
)

// inspected is what inspect prints.
type inspected struct {
	Version    uint32            `json:"version"`
	Alignment  uint64            `json:"alignment"`   // bytes
	DataOffset uint64            `json:"data_offset"` // bytes from the start of the file
	Metadata   map[string]any    `json:"metadata"`
	Tensors    []inspectedTensor `json:"tensors"`
}

type inspectedTensor struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Shape  []int  `json:"shape"` // outermost first: [rows, columns]
	Offset uint64 `json:"offset"`
	Bytes  uint64 `json:"bytes"`
}

// inspectCommand prints a GGUF file's header as one JSON object. It loads nothing.
func inspectCommand(_ context.Context, e env, args []string) error {
	positional, err := parse(flag.NewFlagSet("inspect", flag.ContinueOnError), e, args, 1)
	if err != nil {
		return err
	}
	f, err := os.Open(positional[0])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header, err := gguf.Read(f, info.Size())
	if err != nil {
		return err
	}
	out := json.NewEncoder(e.stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	return out.Encode(describe(header))
}

func describe(h *gguf.File) inspected {
	d := inspected{
		Version: h.Version, Alignment: h.Alignment, DataOffset: h.DataOffset,
		Metadata: map[string]any{}, Tensors: []inspectedTensor{},
	}
	for _, key := range h.Metadata.Keys() {
		d.Metadata[key] = metadataValue(&h.Metadata, key)
	}
	for _, t := range h.Tensors {
		d.Tensors = append(d.Tensors, inspectedTensor{t.Name, t.Type.String(), t.Shape, t.Offset, t.NBytes})
	}
	return d
}

// metadataValue returns a value as the type it has in the file: what the first getter
// that accepts it returns.
func metadataValue(m *gguf.Metadata, key string) any {
	if m.IsArray(key) {
		return first(try(m.Strings(key)), try(m.Bools(key)), try(m.Ints(key)), try(m.Floats(key)))
	}
	return first(try(m.String(key, "")), try(m.Bool(key, false)), try(m.Int(key, 0)), try(m.Uint(key, 0)), try(m.Float(key, 0)))
}

// try is nil for a value that came with an error.
func try[T any](v T, err error) any {
	if err != nil {
		return nil
	}
	return v
}

func first(values ...any) any {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}
