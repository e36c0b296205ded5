package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"pastel/worker"
	"pastel/worker/native"
	"pastel/worker/poolblend"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	engineFlags
	addr     string
	model    string
	settings string
	pools    string
	origins  stringFlags
	newKey   string
}

// stringFlags collects a repeated flag.
type stringFlags []string

func (f *stringFlags) String() string     { return "" }
func (f *stringFlags) Set(s string) error { *f = append(*f, s); return nil }

// serveCommand runs the edge server: the larger model for hard queries, pools
// and blends.
func serveCommand(ctx context.Context, e env, args []string) error {
	var f serveFlags
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.registerModel(fs)
	fs.StringVar(&f.addr, "addr", "127.0.0.1:8090", "`HOST:PORT` to listen on")
	fs.StringVar(&f.model, "model", "", "`BIG.gguf` to answer with, in this process")
	fs.StringVar(&f.settings, "settings", "", "`FILE.json` with upstreams, keys, origins, hosts and limits (docs/edge-server.md)")
	fs.StringVar(&f.pools, "pools", "", "`DIR` of adapter pools, one folder each")
	fs.Var(&f.origins, "origin", "`URL` of a page that may ask; may be repeated")
	fs.StringVar(&f.newKey, "new-key", "", "print a new token for `NAME` and its entry for the settings, and exit")
	if _, err := parse(fs, e, args, 0); err != nil {
		return err
	}
	if f.newKey != "" {
		return printKey(e, f.newKey)
	}
	return f.serve(ctx, e)
}

// printKey makes a token. Only its hash is ever stored.
func printKey(e env, name string) error {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails
	token := "pk-" + base64.RawURLEncoding.EncodeToString(raw)
	entry, err := json.Marshal(worker.Key{Name: name, SHA256: worker.HashToken(token)})
	if err == nil {
		_, err = fmt.Fprintf(e.stdout, "token (give it to %s; it is not stored): %s\nkeys entry: %s\n", name, token, entry)
	}
	return err
}

func (f *serveFlags) serve(ctx context.Context, e env) error {
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	defer l.Close()
	config, release, err := f.config(ctx, e, l)
	if err != nil {
		return err
	}
	defer release()
	if len(config.Backends) == 0 && config.Pools == nil {
		return usagef("nothing to serve: give --model, --settings with upstreams, or --pools")
	}
	server, err := worker.New(config)
	if err != nil {
		return err
	}
	e.notef("serving http://%s/v1\n", l.Addr())
	return native.Serve(ctx, l, server)
}

// config puts settings, the model and the pools together. On loopback it may do
// without keys: then everything on this machine may ask, but no page that is not
// listed.
func (f *serveFlags) config(ctx context.Context, e env, l net.Listener) (c worker.Config, release func(), err error) {
	var settings worker.Settings
	if f.settings != "" {
		raw, err := os.ReadFile(f.settings)
		if err != nil {
			return c, nil, err
		}
		if settings, err = worker.ParseSettings(raw); err != nil {
			return c, nil, err
		}
	}
	settings.Origins = append(settings.Origins, f.origins...)
	if native.IsLoopback(l) {
		settings.Open = settings.Open || len(settings.Keys) == 0
		settings.Hosts = append(settings.Hosts, native.LoopbackHosts...)
	}
	c = settings.Config(&worker.Memory{}, native.Client())
	c.Log = slog.New(slog.NewJSONHandler(e.stderr, nil))
	closers := []func(){}
	release = func() {
		for _, f := range closers {
			f()
		}
	}
	if f.pools != "" {
		dir, err := native.OpenDirPools(f.pools)
		if err != nil {
			return c, nil, err
		}
		closers = append(closers, func() { _ = dir.Close() })
		c.Pools, c.Blender = dir, &poolblend.Blender{}
	}
	if f.model != "" {
		o, err := f.open(ctx, f.model)
		if err != nil {
			release()
			return c, nil, err
		}
		closers = append(closers, o.close)
		id := strings.TrimSuffix(filepath.Base(f.model), filepath.Ext(f.model))
		c.Backends = append(c.Backends, &worker.Embedded{ID: "engine", Serves: []string{id}, Engine: newAnswerer(o, f.context)})
	}
	return c, release, nil
}
