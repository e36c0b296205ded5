package main

import (
	"errors"
	"flag"
	"io"
	"strconv"
	"strings"
)

// parse reads flags and positional arguments in any order and returns the latter.
//
// Errors: errUsage for an unknown flag, a bad value, or other than n positionals.
func parse(fs *flag.FlagSet, e env, args []string, n int) ([]string, error) {
	fs.SetOutput(io.Discard)
	var positional []string
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(e.stderr)
			e.notef("flags of pastel %s:\n", fs.Name())
			fs.PrintDefaults()
			return nil, usagef("see above")
		}
		if err != nil {
			return nil, usagef("%v", err)
		}
		rest := fs.Args()
		ended := len(rest) < len(args) && args[len(args)-len(rest)-1] == "--"
		if len(rest) == 0 || ended {
			positional = append(positional, rest...)
			break
		}
		positional = append(positional, rest[0])
		args = rest[1:]
	}
	if len(positional) != n {
		return nil, usagef("%d arguments, want %d: %q", len(positional), n, positional)
	}
	return positional, nil
}

// idList reads "1,2,3", also with spaces or in brackets.
func idList(s string) ([]uint32, error) {
	s = strings.NewReplacer("[", " ", "]", " ", ",", " ").Replace(s)
	ids := []uint32{}
	for _, field := range strings.Fields(s) {
		id, err := strconv.ParseUint(field, 10, 32)
		if err != nil {
			return nil, usagef("%q is not a token id", field)
		}
		ids = append(ids, uint32(id))
	}
	return ids, nil
}

// An adapterFlag is FILE or FILE=SCALE.
type adapterFlag struct {
	path  string
	scale float32
}

// adapterFlags collects repeated --adapter flags.
type adapterFlags []adapterFlag

func (a *adapterFlags) String() string { return "" }

// Set takes what follows the last "=" for a scale if it is a number, since a path may hold "=" too.
func (a *adapterFlags) Set(s string) error {
	f := adapterFlag{path: s, scale: 1}
	if i := strings.LastIndexByte(s, '='); i >= 0 {
		if scale, err := strconv.ParseFloat(s[i+1:], 32); err == nil {
			f = adapterFlag{path: s[:i], scale: float32(scale)}
		}
	}
	if f.path == "" {
		return errors.New("an adapter without a file")
	}
	*a = append(*a, f)
	return nil
}
