package chat

import (
	"math"
	"strings"

	"pastel/fault"
)

// convert is int and float. With arguments a number stays as it is.
func (c *filtering) convert() value {
	isInt := c.name == "int"
	switch {
	case c.in.kind == kindString:
		return c.parseNumber(isInt)
	case c.in.isNumber() && c.hasArgs:
		return c.in
	case c.in.isNumeric() && isInt:
		return intValue(math.Floor(c.in.num))
	case c.in.isNumeric():
		return floatValue(c.in.num)
	}
	return c.fail(c.line, "filter ", fault.Quote(c.name), " cannot take ", c.in.kind)
}

func (c *filtering) parseNumber(isInt bool) value {
	if !c.scan(len(c.in.str)) {
		return undefined
	}
	number, f := floatValue, parseFloat(c.in.str)
	if isInt {
		number, f = intValue, parseInt(c.in.str)
	}
	if !math.IsNaN(f) {
		return number(f)
	}
	if otherwise := c.args.get(0, "default"); otherwise.kind != kindUndefined {
		return otherwise
	}
	return number(0)
}

func (c *filtering) ofString() value {
	switch c.name {
	case "upper", "lower", "title", "capitalize", "replace":
		return stringMethod(c.name)(c.run, c.line, c.in.str, c.args)
	case "length":
		return c.method(c.in, "length")
	case "trim":
		return mapped(trim)(c.run, c.line, c.in.str, c.args)
	case "string":
		return c.in
	case "indent":
		return c.indent()
	}
	return c.wrong()
}

// indent puts spaces before lines, but not before the first and empty ones.
func (c *filtering) indent() value {
	width := c.count(0, "width", 4)
	first, blank := c.args.get(1, "first").truth(), c.args.get(2, "blank").truth()
	lines := strings.Count(c.in.str, "\n") + 1
	if !c.scan(len(c.in.str)) || !c.makeList(lines) || !c.make(len(c.in.str)) || !c.make(lines*width) {
		return undefined
	}
	pad := strings.Repeat(" ", width)
	var out strings.Builder
	for i, line := range strings.Split(c.in.str, "\n") {
		if i > 0 {
			out.WriteByte('\n')
		}
		if (first || i > 0) && (blank || line != "") {
			out.WriteString(pad)
		}
		out.WriteString(line)
	}
	return stringValue(out.String())
}

func (c *filtering) ofDict() value {
	if c.name == "length" {
		return countValue(c.in.dict.len())
	}
	if f := dictMethod(c.name); f != nil {
		return f(c.run, c.line, c.in.dict, c.args)
	}
	return c.wrong()
}

func (c *filtering) ofScalar() value {
	switch {
	case c.name == "abs" && c.in.isNumber():
		return &cell{kind: c.in.kind, num: math.Abs(c.in.num)}
	case c.name == "string" && c.in.isNumeric():
		return c.text(c.display(c.line, c.in))
	case c.name == "bool" && c.in.kind == kindBool:
		return c.in
	}
	return c.wrong()
}
