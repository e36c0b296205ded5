package host

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"pastel/wasm/protocol"
)

// A File is one file of a model or an adapter.
type File struct {
	Name   string // for messages
	Size   uint64 // bytes
	Reader io.ReaderAt
	Digest string // SHA-256 in hex, "" when not known: see protocol.Finish
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
	return call[*protocol.ModelInfo](ctx, e, &protocol.Finish{Digest: digestOf(files)})
}

// digestOf joins the files' digests; "" when one is not known.
func digestOf(files []File) string {
	var all []string
	for _, f := range files {
		if f.Digest == "" {
			return ""
		}
		all = append(all, f.Digest)
	}
	return strings.Join(all, " ")
}

// Preflight reads the headers of a model's files and estimates what it would need; the
// model that is loaded, if any, stays.
func (e *Engine) Preflight(ctx context.Context, files []File, request *protocol.Preflight) (*protocol.Estimate, error) {
	if err := e.stream(ctx, &protocol.Open{Kind: "header"}, files, nil); err != nil {
		return nil, err
	}
	return call[*protocol.Estimate](ctx, e, request)
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
	s := sender{engine: e, files: files, sent: make([]uint64, len(files)), progress: progress}
	for _, f := range files {
		open.Files = append(open.Files, protocol.File{Name: f.Name, Size: f.Size})
		s.total += f.Size
	}
	if _, err := call[*protocol.OK](ctx, e, open); err != nil {
		return err
	}
	err := s.all(ctx)
	if err != nil {
		_, _ = e.Call(context.WithoutCancel(ctx), &protocol.Discard{})
	}
	return err
}

// A sender sends the files of one stream.
type sender struct {
	engine        *Engine
	files         []File
	sent          []uint64 // bytes of each file
	loaded, total uint64   // bytes of all files
	progress      func(loaded, total uint64)
}

// all sends every file twice around: the first time, all but the last shard stop
// being taken where their header ends.
func (s *sender) all(ctx context.Context) error {
	s.report(0)
	for range 2 {
		for i := range s.files {
			if err := s.file(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// file sends a file from where it stopped, until its end or until it is not taken.
func (s *sender) file(ctx context.Context, i int) error {
	for s.sent[i] < s.files[i].Size {
		if err := ctx.Err(); err != nil {
			return aborted(err)
		}
		n := int(min(s.files[i].Size-s.sent[i], chunkBytes))
		taken, err := s.chunk(ctx, i, n)
		if err != nil {
			return err
		}
		s.sent[i] += uint64(taken)
		s.report(uint64(taken))
		if taken < n {
			return nil
		}
	}
	return nil
}

func (s *sender) report(n uint64) {
	s.loaded += n
	if s.progress != nil {
		s.progress(s.loaded, s.total)
	}
}

func (s *sender) chunk(ctx context.Context, i, n int) (taken int, err error) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	taken, reply, err := s.engine.transport.write(ctx, uint32(i), s.files[i].Reader, int64(s.sent[i]), n)
	if err == nil && reply != nil {
		_, err = decode(reply, nil)
	}
	return taken, err
}

// shardName matches a shard of a split model, as llama.cpp's gguf-split names them.
var shardName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// OpenFiles opens a model file, and with any shard of a split model all of them in
// order. close closes what was opened.
func OpenFiles(path string) (files []File, close func(), err error) {
	return openAll(shardPaths(path))
}

// OpenAdapter opens an adapter: a GGUF file, or the two files of a PEFT directory.
// close closes what was opened.
func OpenAdapter(path string) (files []File, close func(), err error) {
	paths := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		paths = []string{filepath.Join(path, "adapter_config.json"), filepath.Join(path, "adapter_model.safetensors")}
	}
	return openAll(paths)
}

func openAll(paths []string) (files []File, close func(), err error) {
	var opened []*os.File
	close = func() {
		for _, f := range opened {
			_ = f.Close() // read only: nothing to lose
		}
	}
	for _, p := range paths {
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
