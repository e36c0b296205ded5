//go:build js && wasm

package main

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"pastel/fault"
	"pastel/worker"
)

// fetchPools are pools behind a binding that fetches: /<id>/<file>.
type fetchPools struct{ client fetcher }

// maxFile bounds a pool file in bytes: an instance has 128 MB in all.
const maxFile = 32 << 20

// A file is a pool file in memory, so that ranges of it can be served.
type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

// Read implements worker.Pools.
func (p fetchPools) Read(ctx context.Context, id, name string) (io.ReadSeekCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://pools/"+id+"/"+name, nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fault.New(fault.Internal, "cloudflare: pool ", fault.Quote(id), ": ", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fault.New(worker.CodeNotFound, "worker: pool ", fault.Quote(id), " has no file ", fault.Quote(name))
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxFile+1))
	if err != nil || len(data) > maxFile {
		return nil, fault.New(fault.Internal, "cloudflare: pool ", fault.Quote(id), ": file ", fault.Quote(name), " is unreadable or over ", maxFile, " bytes")
	}
	return file{bytes.NewReader(data)}, nil
}
