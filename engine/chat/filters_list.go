package chat

import (
	"strings"

	"pastel/fault"
)

// ofList is the filters that take a list.
func (c *filtering) ofList() value {
	items := c.in.list.items
	switch c.name {
	case "list":
		return c.in
	case "first", "last":
		if len(items) == 0 {
			return undefined
		}
		if c.name == "first" {
			return items[0]
		}
		return items[len(items)-1]
	case "length":
		return countValue(len(items))
	case "string":
		return c.text(c.display(c.line, c.in))
	case "reverse":
		if !c.makeList(len(items)) {
			return undefined
		}
		out := make([]value, len(items))
		for i, item := range items {
			out[len(items)-1-i] = item
		}
		return listValue(out)
	case "sort":
		return c.sort()
	case "unique":
		return c.unique()
	case "selectattr", "rejectattr":
		return c.selectAttr(c.name == "selectattr")
	case "map":
		return c.mapAttribute()
	}
	return c.wrong()
}

// sort is sort(reverse=false, case_sensitive=false, attribute=none).
func (c *filtering) sort() value {
	reverse, exact := c.flag(0, "reverse"), c.flag(1, "case_sensitive")
	path := ""
	switch a := c.args.get(2, "attribute"); a.kind {
	case kindString, kindInt:
		path = c.display(c.line, a)
	case kindUndefined, kindNone:
	default:
		return c.fail(c.line, "attribute of filter \"sort\" is ", a.kind)
	}
	byPath := !c.args.get(2, "attribute").nullish()
	return c.sorted(c.in.list.items, reverse, exact, func(v value) value {
		if byPath {
			return c.attribute(v, path)
		}
		return v
	})
}

// sorted returns items in the order of key(item). Equal ones keep their order.
func (c *filtering) sorted(items []value, reverse, exact bool, key func(value) value) value {
	if !c.makeList(2 * len(items)) {
		return undefined
	}
	order, keys := make([]int, len(items)), make([]value, len(items))
	for i, item := range items {
		order[i], keys[i] = i, c.sortKey(key(item), exact)
	}
	sortStable(order, func(a, b int) int {
		if reverse {
			return -c.compare(keys[a], keys[b])
		}
		return c.compare(keys[a], keys[b])
	})
	out := make([]value, len(items))
	for i, at := range order {
		out[i] = items[at]
	}
	return listValue(out)
}

// sortStable is a merge sort. (slices.SortStableFunc would do, at 12 KB of
// WebAssembly.)
func sortStable(list []int, compare func(a, b int) int) {
	if len(list) < 2 {
		return
	}
	half := len(list) / 2
	left, right := append([]int(nil), list[:half]...), list[half:]
	sortStable(left, compare)
	sortStable(right, compare)
	for i := range list {
		if len(left) == 0 {
			return // the rest of right is in its place
		}
		if len(right) > 0 && compare(left[0], right[0]) > 0 {
			list[i], right = right[0], right[1:]
			continue
		}
		list[i], left = left[0], left[1:]
	}
}

func (c *filtering) sortKey(v value, exact bool) value {
	if v.kind == kindString && !exact && c.make(len(v.str)) {
		return stringValue(lower(v.str))
	}
	return v
}

// compare orders numbers and booleans, strings, and nothing else.
func (c *filtering) compare(a, b value) int {
	if c.stopped() || !c.spend(1) {
		return 0
	}
	switch {
	case a.isNumeric() && b.isNumeric() && a.num < b.num:
		return -1
	case a.isNumeric() && b.isNumeric() && a.num > b.num:
		return 1
	case a.isNumeric() && b.isNumeric():
		return 0
	case a.kind == kindString && b.kind == kindString:
		c.scan(min(len(a.str), len(b.str)))
		return compareText(a.str, b.str)
	case a.nullish() && a.kind == b.kind:
		return 0
	}
	c.fail(c.line, "cannot order ", a.kind, " and ", b.kind)
	return 0
}

// attribute follows a path like details.0.name.
func (r *run) attribute(v value, path string) value {
	for _, part := range strings.Split(path, ".") {
		if !r.spend(1) {
			return undefined
		}
		switch {
		case v.hasAttribute():
			v, _ = v.dict.get(part)
		case v.kind == kindList:
			i := parseInt(part)
			if !(i >= 0 && i < float64(len(v.list.items))) {
				return undefined
			}
			v = v.list.items[int(i)]
		default:
			return undefined
		}
	}
	return v
}

// unique keeps the first of every value; lists and dicts are all different.
func (c *filtering) unique() value {
	type identity struct {
		kind kind
		num  float64
		str  string
		list *list
		dict *dict
		fn   *function
	}
	seen := map[identity]bool{}
	var out []value
	for _, v := range c.in.list.items {
		id := identity(*v)
		if id.kind == kindFloat {
			id.kind = kindInt
		}
		if !c.makeList(2) || !c.scan(len(v.str)) {
			return undefined
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, v)
		}
	}
	return listValue(out)
}

// selectAttr is selectattr and rejectattr(name, test, argument). An item
// without the attribute fails the test.
func (c *filtering) selectAttr(want bool) value {
	for _, a := range c.args.pos[:min(2, len(c.args.pos))] {
		if a.kind != kindString {
			return c.fail(c.line, "filter ", fault.Quote(c.name), " takes names, not ", a.kind)
		}
	}
	if len(c.args.pos) == 0 || c.args.named.len() > 0 {
		return c.fail(c.line, "filter ", fault.Quote(c.name), " takes the name of an attribute, a test and its argument")
	}
	for _, item := range c.in.list.items {
		if !item.hasAttribute() {
			return c.fail(c.line, "filter ", fault.Quote(c.name), " cannot take a list with ", item.kind)
		}
	}
	var out []value
	for _, item := range c.in.list.items {
		if c.stopped() || !c.makeList(1) {
			return undefined
		}
		v, ok := item.dict.get(c.args.pos[0].str)
		if passed := ok && c.passes(v); passed == want {
			out = append(out, item)
		}
	}
	return listValue(out)
}

func (c *filtering) passes(v value) bool {
	if len(c.args.pos) < 2 {
		return v.truth()
	}
	return c.test(c.line, c.args.pos[1].str, v, arguments{pos: c.args.pos[2:]})
}

// mapAttribute is map(attribute=path, default=value).
func (c *filtering) mapAttribute() value {
	path, ok := c.args.named.get("attribute")
	if !ok || path.kind != kindString {
		return c.fail(c.line, "filter \"map\" is supported with attribute='…' only")
	}
	otherwise, _ := c.args.named.get("default")
	if !c.makeList(len(c.in.list.items)) {
		return undefined
	}
	out := make([]value, len(c.in.list.items))
	for i, item := range c.in.list.items {
		if !item.hasAttribute() {
			return c.fail(c.line, "filter \"map\" cannot take a list with ", item.kind)
		}
		if out[i] = c.attribute(item, path.str); out[i].kind == kindUndefined {
			out[i] = otherwise
		}
	}
	return listValue(out)
}

// dictSort is dictsort(case_sensitive=false, by='key', reverse=false).
func dictSort(r *run, line int, d *dict, args arguments) value {
	c := filtering{run: r, line: line, name: "dictsort", args: args}
	exact, reverse := c.flag(0, "case_sensitive"), c.flag(2, "reverse")
	at := 0
	switch by := args.get(1, "by"); {
	case by.kind == kindUndefined || by.kind == kindString && by.str == "key":
	case by.kind == kindString && by.str == "value":
		at = 1
	default:
		return r.fail(line, "dictsort sorts by 'key' or 'value'")
	}
	pairs := r.pairList(d)
	if r.stopped() {
		return undefined
	}
	return c.sorted(pairs.list.items, reverse, exact, func(v value) value { return v.list.items[at] })
}
