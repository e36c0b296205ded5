//go:build !js

package main

import "os"

// main lets "go build ./..." pass where there is no Cloudflare.
func main() {
	println("build with GOOS=js GOARCH=wasm, or run: make worker")
	os.Exit(2)
}
