package native

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"pastel/worker"
	"pastel/worker/poolblend"
	"pastel/worker/suite"
)

// A lockedBuffer collects logs.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startWith serves settings on loopback after change adapted the config.
func startWith(t testing.TB, s worker.Settings, pools string, change func(*worker.Config)) suite.Host {
	t.Helper()
	var logs lockedBuffer
	config := s.Config(&worker.Memory{}, Client())
	config.Log = slog.New(slog.NewJSONHandler(&logs, nil))
	if pools != "" {
		dir, err := OpenDirPools(pools)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dir.Close() })
		config.Pools, config.Blender = dir, &poolblend.Blender{}
	}
	if change != nil {
		change(&config)
	}
	server, err := worker.New(config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- Serve(ctx, l, server) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return suite.Host{URL: "http://" + l.Addr().String(), Logs: logs.String}
}

func start(t testing.TB, s worker.Settings, pools string) suite.Host {
	return startWith(t, s, pools, nil)
}

func TestSuite(t *testing.T) { suite.Run(t, start) }
