package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// A command is one verb of the command line.
type command struct {
	name  string
	args  string // for the usage line
	about string
	run   func(ctx context.Context, e env, args []string) error
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
	{"offload", "VERB ...", "score queries, choose routing thresholds", offloadCommand},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first asks a command to end, a second ends the process
	code := dispatch(ctx, env{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// errUsage marks errors of the command line itself: exit code 2.
var errUsage = errors.New("usage")

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errUsage}, args...)...)
}

// dispatch runs the command args name and returns the exit code. An answer that could
// not be written is an error even where the command did not look.
func dispatch(ctx context.Context, e env, args []string) int {
	answer := &heldError{Writer: e.stdout}
	e.stdout = answer
	c, found := find(args)
	if !found {
		e.notef("pastel: unknown command %q; \"pastel help\" lists them\n", args[0])
		return 2
	}
	err := c.run(ctx, e, args[min(1, len(args)):])
	if err == nil {
		err = answer.err
	}
	return exitCode(e, c, err)
}

// find returns the command of a command line; without one it is help.
func find(args []string) (command, bool) {
	if len(args) == 0 || asksHelp(args[0]) {
		return command{name: "help", run: help}, true
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		return command{}, false
	}
	return commands[i], true
}

func asksHelp(arg string) bool { return slices.Contains([]string{"help", "-h", "--help"}, arg) }

// exitCode reports a command's error on one line. Help that was asked for is none.
func exitCode(e env, c command, err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	e.notef("pastel %s: %s\n", c.name, oneLine(err.Error()))
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func help(_ context.Context, e env, _ []string) error {
	listCommands(e, "pastel", commands)
	e.printf("Flags may come before or after the model.\n")
	return nil
}

// runVerb runs the verb of a command that has several.
func runVerb(ctx context.Context, e env, of string, table []command, args []string) error {
	if len(args) == 0 {
		return usagef("%s needs one of %s", of, verbs(table))
	}
	if asksHelp(args[0]) {
		listCommands(e, "pastel "+of, table)
		return nil
	}
	for _, c := range table {
		if c.name == args[0] {
			return c.run(ctx, e, args[1:])
		}
	}
	return usagef("unknown verb %q, there are %s", args[0], verbs(table))
}

// verbs is a table's names on one line.
func verbs(table []command) string {
	var names []string
	for _, c := range table {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// listCommands prints a table of verbs.
func listCommands(e env, of string, table []command) {
	e.printf("usage: %s COMMAND ...\n\n", of)
	for _, c := range table {
		e.printf("  %-11s%-28s %s\n", c.name, c.args, c.about)
	}
	e.printf("\n\"%s COMMAND -h\" lists a command's flags.\n", of)
}
