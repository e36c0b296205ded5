package main

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"strconv"
	"strings"
)

// parse reads flags and n positional arguments in any order and returns the latter.
//
// Errors: errUsage for an unknown flag, a bad value, or other than n positionals;
// flag.ErrHelp once the flags that -h asks for are printed.
func parse(fs *flag.FlagSet, e env, args []string, n int) ([]string, error) {
	positional, err := parseAny(fs, e, args)
	if err == nil && len(positional) != n {
		err = usagef("%d arguments, want %d: %q", len(positional), n, positional)
	}
	return positional, err
}

// parseAny is parse for any number of positional arguments.
func parseAny(fs *flag.FlagSet, e env, args []string) (positional []string, err error) {
	fs.SetOutput(io.Discard)
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			e.printf("flags of pastel %s:\n", fs.Name())
			fs.SetOutput(e.stdout)
			fs.PrintDefaults()
			return nil, err
		}
		if err != nil {
			return nil, usagef("%v", err)
		}
		rest := fs.Args()
		ended := len(rest) < len(args) && args[len(args)-len(rest)-1] == "--"
		if len(rest) == 0 || ended {
			return append(positional, rest...), nil
		}
		positional = append(positional, rest[0])
		args = rest[1:]
	}
}

// count is a number of a flag as messages carry it; what is larger than they can is as
// much as they can.
func count(n int) uint32 { return uint32(min(n, math.MaxUint32)) }

// idList reads "1,2,3", also with spaces, or a JSON array.
func idList(s string) ([]uint32, error) {
	ids := []uint32{}
	if strings.HasPrefix(strings.TrimSpace(s), "[") {
		if err := json.Unmarshal([]byte(s), &ids); err != nil {
			return nil, usagef("not an array of token ids: %v", err)
		}
		return ids, nil
	}
	s = strings.ReplaceAll(s, ",", " ")
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
	if s := float64(f.scale); math.IsNaN(s) || math.IsInf(s, 0) {
		return errors.New("a scale is finite")
	}
	if strings.HasSuffix(f.path, "=") {
		return errors.New("no scale after =")
	}
	if f.path == "" {
		return errors.New("an adapter without a file")
	}
	*a = append(*a, f)
	return nil
}
