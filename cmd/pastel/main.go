package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
)

// A command is one verb of the command line.
type command struct {
	name  string
	args  string // for the usage line
	about string
	run   func(ctx context.Context, e env, args []string) error
}

// An env is what a command may touch, so that tests can replace it.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// commands is the table of verbs, in the order of the help text.
var commands = []command{
	{"run", "MODEL.gguf -p TEXT", "continue a prompt", runCommand},
	{"logits", "MODEL.gguf --tokens 1,2,3", "print the logits after some tokens", logitsCommand},
	{"tokenize", "MODEL.gguf < TEXT", "turn text into token ids", tokenizeCommand},
	{"detokenize", "MODEL.gguf < IDS", "turn token ids into text", detokenizeCommand},
	{"render", "FILE.jinja < JSON", "run a chat template on a JSON context", renderCommand},
	{"embed", "MODEL.gguf < TEXT", "print a text's query embedding", embedCommand},
	{"inspect", "FILE.gguf", "print a file's metadata and tensors, or what it needs", inspectCommand},
	{"quantize", "IN.gguf OUT.gguf --type T", "convert a file of floats", quantizeCommand},
	{"bench", "MODEL.gguf", "measure loading, prefill, decode and memory", benchCommand},
	{"eval", "TASKS.jsonl --model M", "measure how often a model is right", evalCommand},
	{"table", "", "measure Crayon beside its rivals and rewrite docs/crayon-table.md", tableCommand},
	{"pool", "VERB ...", "train, build, inspect or blend adapter pools", poolCommand},
	{"serve", "--model BIG.gguf", "serve a larger model, adapter pools and blends over HTTP", serveCommand},
	{"offload", "calibrate FILE.jsonl", "choose routing thresholds for a server budget or an accuracy", offloadCommand},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := dispatch(ctx, env{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// errUsage marks errors of the command line itself: exit code 2.
var errUsage = errors.New("usage")

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errUsage}, args...)...)
}

// dispatch runs the command args name and returns the exit code.
func dispatch(ctx context.Context, e env, args []string) int {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		help(e.stdout)
		return 0
	}
	for _, c := range commands {
		if c.name == args[0] {
			return exitCode(e, c, c.run(ctx, e, args[1:]))
		}
	}
	fmt.Fprintf(e.stderr, "pastel: unknown command %q; \"pastel help\" lists them\n", args[0])
	return 2
}

// exitCode reports a command's error on one line.
func exitCode(e env, c command, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(e.stderr, "pastel %s: %s\n", c.name, oneLine(err.Error()))
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func help(w io.Writer) {
	fmt.Fprint(w, "usage: pastel COMMAND ...\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-11s%-28s %s\n", c.name, c.args, c.about)
	}
	fmt.Fprint(w, "\n\"pastel COMMAND -h\" lists a command's flags. Flags may come before or after the model.\n")
}
