package chat

import (
	"strings"

	"pastel/fault"
)

// A filtering is one application of a filter to a value.
type filtering struct {
	*run
	line    int
	name    string
	in      value
	hasArgs bool // written f(…) and not f
	args    arguments
}

// filter applies f to in.
func (r *run) filter(f *filterCall, in value, s *scope) value {
	args := r.arguments(f.line, f.args, s)
	if r.stopped() {
		return undefined
	}
	c := filtering{r, f.line, f.name, in, f.hasArgs, args}
	switch f.name {
	case "safe":
		return in
	case "tojson":
		return c.tojson()
	case "default":
		return c.orDefault()
	case "join":
		return c.join()
	case "int", "float":
		return c.convert()
	}
	switch in.kind {
	case kindList:
		return c.ofList()
	case kindString:
		return c.ofString()
	case kindDict:
		return c.ofDict()
	}
	return c.ofScalar()
}

// filterNames are the filters that take some kinds of values and not others.
var filterNames = [...]string{"abs", "bool", "capitalize", "dictsort", "first", "get", "indent", "items", "join", "keys", "last", "length",
	"list", "lower", "map", "rejectattr", "replace", "reverse", "selectattr", "sort", "string", "title", "trim", "unique", "upper", "values"}

// wrong refuses a filter: one we do not know, or not for this kind of value.
func (c *filtering) wrong() value {
	for _, name := range filterNames {
		if name == c.name {
			return c.fail(c.line, "filter ", fault.Quote(c.name), " cannot take ", c.in.kind)
		}
	}
	return c.fail(c.line, "unsupported filter ", fault.Quote(c.name))
}

// flag returns a boolean argument.
func (c *filtering) flag(i int, name string) bool {
	v := c.args.get(i, name)
	if v.kind != kindBool && v.kind != kindUndefined {
		c.fail(c.line, "argument ", fault.Quote(name), " of filter ", fault.Quote(c.name), " is ", v.kind, ", not a boolean")
	}
	return v.truth()
}

// count returns an integer argument, otherwise if it is missing.
func (c *filtering) count(i int, name string, otherwise int) int {
	v := c.args.get(i, name)
	switch {
	case v.nullish():
		return otherwise
	case v.kind != kindInt || v.num < 0 || v.num > 1<<20:
		c.fail(c.line, "argument ", fault.Quote(name), " of filter ", fault.Quote(c.name), " is no integer from 0 to a million")
		return 0
	}
	return int(v.num)
}

func (c *filtering) tojson() value {
	named := arguments{named: c.args.named} // positional arguments do nothing
	n := filtering{c.run, c.line, c.name, c.in, true, named}
	style := jsonStyle{indent: n.count(0, "indent", 0), ascii: n.flag(0, "ensure_ascii"), sorted: n.flag(0, "sort_keys"),
		item: ", ", key: ": ", undefined: "null"}
	if style.indent > 0 {
		style.item = ","
	}
	if s := named.get(0, "separators"); !s.nullish() {
		if s.kind != kindList || len(s.list.items) != 2 || s.list.items[0].kind != kindString || s.list.items[1].kind != kindString {
			return c.fail(c.line, "separators of filter \"tojson\" are not two strings")
		}
		style.item, style.key = s.list.items[0].str, s.list.items[1].str
	}
	return c.text(c.toJSON(c.line, c.in, style))
}

func (c *filtering) orDefault() value {
	if !c.hasArgs {
		return c.fail(c.line, "filter \"default\" without arguments")
	}
	if boolean := c.flag(1, "boolean"); c.in.kind == kindUndefined || boolean && !c.in.truth() {
		if len(c.args.pos) > 0 {
			return c.args.pos[0]
		}
		return stringValue("")
	}
	return c.in
}

// join glues the items of a list, or the characters of a string.
func (c *filtering) join() value {
	separator := c.args.get(0, "separator")
	if separator.kind != kindString && separator.kind != kindUndefined {
		return c.fail(c.line, "separator of filter \"join\" is ", separator.kind)
	}
	var parts []string
	switch c.in.kind {
	case kindString:
		if !c.hasArgs || !c.makeList(len(c.in.str)) {
			return c.in
		}
		for _, r := range c.in.str {
			parts = append(parts, string(r))
		}
	case kindList:
		for _, item := range c.in.list.items {
			if !c.makeList(1) {
				return undefined
			}
			if item.nullish() {
				parts = append(parts, "")
			} else {
				parts = append(parts, c.raw(c.line, item))
			}
		}
	default:
		return c.wrong()
	}
	return c.joined(parts, separator.str)
}

func (c *filtering) joined(parts []string, separator string) value {
	total := 0.0
	for _, p := range parts {
		total += float64(len(p) + len(separator))
	}
	if total > float64(c.left.Bytes) {
		c.exceed(c.limits.Bytes, "bytes of memory")
		return undefined
	}
	return c.text(strings.Join(parts, separator))
}
