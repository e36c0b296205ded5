//go:build !js

package main

import "os"

// main lets "go build ./..." pass where there is no Cloudflare.
func main() {
	os.Stderr.WriteString("build with GOOS=js GOARCH=wasm, or run: make worker\n")
	os.Exit(2)
}
