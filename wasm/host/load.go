package host

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"pastel/fault"
	"pastel/wasm/protocol"
)

// A File is one file of a model or an adapter.
type File struct {
	Name   string // for messages
	Size   uint64 // bytes
	Reader io.Reader
}

// chunkBytes is how much is read at a time: 1 MiB is past the size where the cost of
// a call shows, and small beside any model.
const chunkBytes = 1 << 20

// LoadModel loads a model from its files, in the order of its shards. progress may be
// nil; it is called with the bytes loaded of all files and their sum.
//
// Errors: ERR_ABORTED when ctx ends. The engine has no model afterwards.
func (e *Engine) LoadModel(ctx context.Context, files []File, progress func(loaded, total uint64)) (*protocol.ModelInfo, error) {
	if err := e.stream(ctx, &protocol.Open{Kind: "model"}, files, progress); err != nil {
		return nil, err
	}
	return call[*protocol.ModelInfo](ctx, e, &protocol.Finish{})
}

// LoadAdapter loads an adapter under a name.
func (e *Engine) LoadAdapter(ctx context.Context, id string, files []File) (*protocol.AdapterInfo, error) {
	if err := e.stream(ctx, &protocol.Open{Kind: "adapter", ID: id}, files, nil); err != nil {
		return nil, err
	}
	return call[*protocol.AdapterInfo](ctx, e, &protocol.Finish{})
}

// stream opens a stream, sends the files' bytes, and discards it if that fails.
func (e *Engine) stream(ctx context.Context, open *protocol.Open, files []File, progress func(loaded, total uint64)) error {
	var total uint64
	for _, f := range files {
		total += f.Size
	}
	if _, err := call[*protocol.OK](ctx, e, open); err != nil {
		return err
	}
	var loaded uint64
	report := func(n uint64) {
		loaded += n
		if progress != nil {
			progress(loaded, total)
		}
	}
	report(0)
	for _, f := range files {
		if err := e.sendFile(ctx, f, report); err != nil {
			_, _ = e.Call(context.WithoutCancel(ctx), &protocol.Discard{})
			return err
		}
	}
	return nil
}

func (e *Engine) sendFile(ctx context.Context, f File, report func(n uint64)) error {
	if _, err := call[*protocol.OK](ctx, e, &protocol.NextFile{Name: f.Name, Size: f.Size}); err != nil {
		return err
	}
	for left := f.Size; left > 0; {
		if err := ctx.Err(); err != nil {
			return aborted(err)
		}
		n := min(left, chunkBytes)
		if err := e.sendChunk(ctx, f.Reader, int(n)); err != nil {
			return err
		}
		left -= n
		report(n)
	}
	return nil
}

func (e *Engine) sendChunk(ctx context.Context, r io.Reader, n int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	reply, err := e.transport.write(ctx, r, n)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		return fault.New(fault.BadFile, "host: the file ends early: ", err)
	}
	if err != nil || len(reply) == 0 {
		return err
	}
	_, err = decode(reply, nil)
	return err
}

// shardName matches a shard of a split model, as llama.cpp's gguf-split names them.
var shardName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// OpenFiles opens a model file, and with any shard of a split model all of them in
// order. close closes what was opened.
func OpenFiles(path string) (files []File, close func(), err error) {
	var opened []*os.File
	close = func() {
		for _, f := range opened {
			_ = f.Close() // read only: nothing to lose
		}
	}
	for _, p := range shardPaths(path) {
		f, err := os.Open(p)
		if err != nil {
			close()
			return nil, nil, err
		}
		opened = append(opened, f)
		info, err := f.Stat()
		if err != nil {
			close()
			return nil, nil, err
		}
		files = append(files, File{Name: filepath.Base(p), Size: uint64(info.Size()), Reader: f})
	}
	return files, close, nil
}

func shardPaths(path string) []string {
	m := shardName.FindStringSubmatch(path)
	if m == nil {
		return []string{path}
	}
	n, _ := strconv.Atoi(m[3])
	var paths []string
	for i := 1; i <= n; i++ {
		paths = append(paths, m[1]+"-"+pad5(i)+"-of-"+m[3]+".gguf")
	}
	return paths
}

func pad5(i int) string {
	s := strconv.Itoa(i)
	return "00000"[min(len(s), 5):] + s
}
