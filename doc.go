// Package pastel is the root of an LLM engine in Go that runs in a web page: README.md
// says what it does, ARCHITECTURE.md how, RATIONALE.md why. The package holds only the
// tests of the whole repository's conventions and must not be imported.
package pastel
