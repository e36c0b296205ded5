# Everything a contributor runs. `make help` lists the targets.
#
# A machine with only Go is enough for run and test; the browser tests want Chromium,
# which `make test` installs when it may (as root, with apt-get).

GO     ?= go
SERVE  ?= 1
PAGE   ?= 127.0.0.1:8080
MODEL  ?= testdata/models/stories260K.gguf
PROMPT ?= Once upon a time

# How long each fuzz target runs.
FUZZTIME ?= 1m

# Tool versions; tools are run, not added to go.mod, so that users never download them.
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
WEB_EXT = 10.7.0

modules = wasm/bundle/bin
# What keeps engine.wasm small, each measured under gzip (see RATIONALE.md): inlining
# off 5%; Go's own runtime, which no bytes from outside can steer, without bounds and
# nil checks 2.5%; no write barriers, since marking stops the world (wasm/engine/collector.go),
# 4%; the older garbage collector and allocator 1%. Names stay for the link step.
trusted = -l -B -d=disablenil -wb=false
wasmenv = GOOS=wasip1 GOARCH=wasm GOEXPERIMENT=nogreenteagc,nosizespecializedmalloc
wasmflags = -buildmode=c-shared -trimpath -ldflags="-w -checklinkname=0" -gcflags="all=-l -wb=false" \
	-gcflags="runtime=$(trusted)" -gcflags="internal/runtime/...=$(trusted)"

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: run
run: build ## build all, answer one prompt under wazero, then serve the demo page (SERVE=0 stops before)
	./bin/pastel run $(MODEL) -p "$(PROMPT)" -n 80 --temp 0
ifneq ($(SERVE),0)
	$(GO) run ./web/build/webbuild -serve $(PAGE)
endif

.PHONY: build
build: wasm kernels ## build the modules and the command line into bin/
	@mkdir -p bin
	$(GO) build -o bin/pastel ./cmd/pastel

.PHONY: wasm
wasm: ## build engine.wasm and link its memory
	@mkdir -p build
	$(wasmenv) $(GO) build $(wasmflags) -o build/engine-go.wasm ./wasm/engine
	$(GO) run ./wasm/link build/engine-go.wasm $(modules)/engine.wasm
	@printf 'engine.wasm: %d bytes, %d under gzip\n' $$(wc -c < $(modules)/engine.wasm) $$(gzip -9 -c $(modules)/engine.wasm | wc -c)

.PHONY: kernels
kernels: ## emit kernels-simd128.wasm and kernels-relaxed.wasm
	$(GO) run ./kernels/gen $(modules)

.PHONY: web
web: build ## build the npm package (web/dist) and the demo site (build/site); needs npm
	cd web && npm ci --no-audit --no-fund
	$(GO) run ./web/build/webbuild

.PHONY: worker
worker: ## build the edge server for Cloudflare Workers into build/worker
	$(GO) run ./worker/cloudflare/build build/worker
	@printf 'app.wasm: %d bytes, %d under gzip\n' $$(wc -c < build/worker/app.wasm) $$(gzip -9 -c build/worker/app.wasm | wc -c)

.PHONY: extension
extension: build ## build the browser extension (build/extension) and its zips for Chrome and Firefox
	$(GO) run ./web/build/extbuild

.PHONY: lint-extension
lint-extension: extension ## check both extensions with Mozilla's web-ext; needs npm
	@for b in chrome firefox; do npx --yes web-ext@$(WEB_EXT) lint --source-dir build/extension/$$b --output text || exit 1; done

.PHONY: test
test: build chromium firefox ## run all tests, in Go, under wazero, in Chromium and in Firefox
	$(GO) test -timeout 15m ./...

.PHONY: test-wasm
test-wasm: build ## run only the tests of the boundary, under wazero
	$(GO) test ./wasm/...

.PHONY: test-browser
test-browser: build chromium firefox ## run only the tests in Chromium and Firefox
	$(GO) test -timeout 15m ./tests/browser/... ./kernels/...

.PHONY: test-vite
test-vite: web chromium ## install the npm package in a Vite project and open it; needs npm
	$(GO) test -tags vite ./tests/browser -run WebVite

.PHONY: test-long
test-long: test fuzz ## tests, the race detector, every fuzz target, the load test at full length
	$(GO) test -race -timeout 60m ./engine/... ./wasm/... ./worker/... ./offload/...
	PASTEL_LOAD=5m $(GO) test -timeout 30m ./worker/native

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	@set -e; for file in $$(grep -rl '^func Fuzz' --include=*_test.go .); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			echo "$$file $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$(dirname $$file); \
		done; \
	done

.PHONY: bench
bench: build chromium ## print every kernel's speed beside the machine's limits, then a model's
	@mkdir -p build
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./kernels/lab -args -lab.json=$(CURDIR)/build/bench.json
	./bin/pastel bench $(BENCH) --profile

# What bench-check compares is committed; `make bench-save` after a change that should move it.
BENCH ?= --synthetic 135m --type Q4_0
.PHONY: bench-check
bench-check: build chromium ## fail when a ratio of speeds fell below docs/benchmarks.json by more than 35%
	./bin/pastel bench $(BENCH) --check docs/benchmarks.json

.PHONY: bench-save
bench-save: build chromium ## measure and rewrite docs/benchmarks.json
	./bin/pastel bench $(BENCH) --save docs/benchmarks.json

.PHONY: bench-peers
bench-peers: build chromium ## measure beside wllama and onnxruntime-web; needs npm
	cd bench/peers && npm ci --ignore-scripts --no-audit --no-fund
	$(GO) run ./bench/peers

# Seeds whose outcomes are in docs/crayon-table.jsonl are not measured again.
.PHONY: table
table: ## rewrite docs/crayon-table.md; FRESH=1 measures every seed anew (12 minutes of CPU time)
	$(GO) run ./cmd/pastel table $(if $(FRESH),--fresh)

.PHONY: lint
lint: ## run the linters of .golangci.yml over the Go code
	$(GO) run $(GOLANGCI_LINT) run

.PHONY: check
check: build lint ## what a change must pass beside the tests
	@test -z "$$(gofmt -l $$(git ls-files "*.go") | tee /dev/stderr)" || (echo "gofmt: the files above are not formatted" && exit 1)
	$(GO) vet ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./wasm/engine
	GOOS=js GOARCH=wasm $(GO) vet ./worker/...
	$(GO) mod tidy -diff
	@if command -v npm >/dev/null; then cd web && npm ci --silent --no-audit --no-fund && npx tsc -p . && npx tsc -p extension && npx prettier --check src page test eval extension; \
	else echo "check: npm is not installed, so the TypeScript was not type-checked"; exit 1; fi

.PHONY: chromium
chromium:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium; \
	else echo "The browser tests need Chromium. On Debian: sudo apt-get install chromium" >&2; exit 1; fi

.PHONY: firefox
firefox:
	@if command -v firefox-esr >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq --no-install-recommends firefox-esr; \
	else echo "The browser tests need Firefox. On Debian: sudo apt-get install firefox-esr" >&2; exit 1; fi

.PHONY: clean
clean: ## remove what was built
	rm -rf bin build web/dist $(modules)/*.wasm
