package chat

import (
	"strings"

	"pastel/fault"
)

// method returns the built-in attribute name of v, undefined if there is none.
func (r *run) method(v value, name string) value {
	switch v.kind {
	case kindString:
		if name == "length" {
			r.scan(len(v.str))
			return countValue(units(v.str))
		}
		if f := stringMethod(name); f != nil {
			return functionValue(func(r *run, _ *scope, line int, args arguments) value { return f(r, line, v.str, args) })
		}
	case kindList:
		if name == "length" {
			return countValue(len(v.list.items))
		}
	case kindDict:
		if f := dictMethod(name); f != nil {
			return functionValue(func(r *run, _ *scope, line int, args arguments) value { return f(r, line, v.dict, args) })
		}
	}
	return undefined
}

type stringFunc func(r *run, line int, s string, args arguments) value

func stringMethod(name string) stringFunc {
	switch name {
	case "upper":
		return mapped(upper)
	case "lower":
		return mapped(lower)
	case "title":
		return mapped(title)
	case "capitalize":
		return mapped(capitalize)
	case "strip":
		return mapped(trim)
	case "lstrip":
		return mapped(trimLeft)
	case "rstrip":
		return mapped(trimRight)
	case "startswith":
		return affix(name, strings.HasPrefix)
	case "endswith":
		return affix(name, strings.HasSuffix)
	case "split":
		return split
	case "replace":
		return replace
	}
	return nil
}

func mapped(f func(string) string) stringFunc {
	return func(r *run, _ int, s string, _ arguments) value {
		if !r.make(2 * len(s)) {
			return undefined
		}
		return stringValue(f(s))
	}
}

// affix makes startswith and endswith, which take a string or several.
func affix(name string, has func(s, part string) bool) stringFunc {
	return func(r *run, line int, s string, args arguments) value {
		parts := args.pos
		if len(parts) > 0 && parts[0].kind == kindList {
			parts = parts[0].list.items
		} else if len(parts) > 0 {
			parts = parts[:1]
		} else {
			return r.fail(line, name, " needs an argument")
		}
		for _, p := range parts {
			if p.kind != kindString {
				return r.fail(line, name, " cannot take ", p.kind)
			}
			if r.scan(len(p.str)) && has(s, p.str) {
				return boolValue(true)
			}
		}
		return boolValue(false)
	}
}

// split is Python's split(sep=None, maxsplit=-1).
func split(r *run, line int, s string, args arguments) value {
	limit := -1
	if len(args.pos) > 1 {
		if args.pos[1].kind != kindInt {
			return r.fail(line, "split cannot take ", args.pos[1].kind, " as maxsplit")
		}
		limit = int(max(-1, min(args.pos[1].num, float64(len(s)+1))))
	}
	if args.named.len() > 0 {
		return r.fail(line, "split takes no argument ", fault.Quote(args.named.keys[0]))
	}
	switch sep := args.get(0, ""); {
	case sep.nullish():
		return r.splitSpace(s, limit)
	case sep.kind != kindString || sep.str == "":
		return r.fail(line, "split takes a separator that is a string and not empty")
	default:
		return r.splitAt(s, sep.str, limit)
	}
}

func (r *run) splitAt(s, sep string, limit int) value {
	if !r.scan(len(s)) || !r.makeList(strings.Count(s, sep)+1) {
		return undefined
	}
	if limit >= 0 {
		limit++
	}
	var items []value
	for _, part := range strings.SplitN(s, sep, max(limit, -1)) {
		items = append(items, stringValue(part))
	}
	return listValue(items)
}

// splitSpace splits at runs of white space; what is left after limit splits
// keeps its own.
func (r *run) splitSpace(s string, limit int) value {
	if !r.make(len(s)) {
		return undefined
	}
	var items []value
	for rest := trimLeft(s); rest != "" && r.makeList(1); rest = trimLeft(rest) {
		end := strings.IndexFunc(rest, isSpace)
		if end < 0 || len(items) == limit {
			end = len(rest)
		}
		items = append(items, stringValue(rest[:end]))
		rest = rest[end:]
	}
	return listValue(items)
}

// replace is Python's replace(old, new, count=-1).
func replace(r *run, line int, s string, args arguments) value {
	if len(args.pos) < 2 || args.pos[0].kind != kindString || args.pos[1].kind != kindString {
		return r.fail(line, "replace takes two strings")
	}
	count := -1
	switch n := args.get(2, "count"); {
	case n.kind == kindInt:
		count = int(max(-1, min(n.num, float64(len(s)+2))))
	case !n.nullish():
		return r.fail(line, "replace cannot take ", n.kind, " as count")
	}
	before, after := args.pos[0].str, args.pos[1].str
	if !r.scan(len(s)) || !r.make(len(s)) {
		return undefined
	}
	n := strings.Count(s, before)
	if count >= 0 {
		n = min(n, count)
	}
	if float64(n)*float64(len(after)) > float64(r.left.Bytes) {
		r.exceed(r.limits.Bytes, "bytes of memory")
		return undefined
	}
	r.make(n * len(after))
	return stringValue(strings.Replace(s, before, after, count))
}

type dictFunc func(r *run, line int, d *dict, args arguments) value

func dictMethod(name string) dictFunc {
	switch name {
	case "get":
		return dictGet
	case "items":
		return func(r *run, _ int, d *dict, _ arguments) value { return r.pairList(d) }
	case "keys":
		return func(r *run, _ int, d *dict, _ arguments) value { return listValue(r.keyList(d)) }
	case "values":
		return func(r *run, _ int, d *dict, _ arguments) value { return r.slice(d.values, wholeSlice) }
	case "dictsort":
		return dictSort
	}
	return nil
}

// dictGet is d.get(key, default); without default a missing key is none.
func dictGet(r *run, line int, d *dict, args arguments) value {
	key := args.get(0, "")
	if key.kind != kindString {
		return r.fail(line, "get cannot take ", key.kind)
	}
	if v, ok := d.get(key.str); ok {
		return v
	}
	if len(args.pos) > 1 {
		return args.pos[1]
	}
	return noneValue
}

func (r *run) keyList(d *dict) []value {
	if !r.makeList(d.len()) {
		return nil
	}
	items := make([]value, d.len())
	for i, key := range d.keys {
		items[i] = stringValue(key)
	}
	return items
}

func (r *run) pairList(d *dict) value {
	if !r.makeList(3 * d.len()) {
		return undefined
	}
	items := make([]value, d.len())
	for i, key := range d.keys {
		items[i] = listValue([]value{stringValue(key), d.values[i]})
	}
	return listValue(items)
}
