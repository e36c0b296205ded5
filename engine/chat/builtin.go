package chat

import (
	"math"
	"strconv"

	"pastel/fault"
)

// A Date is the local time that strftime_now writes; the zero value is none.
type Date struct{ Year, Month, Day, Hour, Minute int }

func functionValue(call func(r *run, s *scope, line int, args arguments) value) value {
	return &cell{kind: kindFunction, fn: &function{call}}
}

// builtins is the outermost scope: the only names that are not the context's.
func (r *run) builtins() *scope {
	s := new(scope)
	s.set("true", boolValue(true))
	s.set("True", boolValue(true))
	s.set("false", boolValue(false))
	s.set("False", boolValue(false))
	s.set("none", noneValue)
	s.set("None", noneValue)
	s.set("namespace", functionValue(namespace))
	s.set("range", functionValue(rangeOf))
	s.set("raise_exception", functionValue(raise))
	if r.date != (Date{}) {
		s.set("strftime_now", functionValue(strftimeNow))
	}
	return s
}

// raise is how a template refuses its input.
func raise(r *run, _ *scope, line int, args arguments) value {
	return r.fail(line, "the template refuses: ", r.display(line, args.get(0, "message")))
}

// namespace copies a mapping or a list of pairs, and named arguments.
func namespace(r *run, _ *scope, line int, args arguments) value {
	ns := &cell{kind: kindNamespace, dict: new(dict)}
	if len(args.pos) > 1 {
		return r.fail(line, "namespace takes one argument, not ", len(args.pos))
	}
	if len(args.pos) == 1 {
		switch from := args.pos[0]; from.kind {
		case kindDict:
			r.copyInto(ns.dict, from.dict)
		case kindList:
			r.copyPairs(line, ns.dict, from.list.items)
		default:
			return r.fail(line, "namespace cannot take ", from.kind)
		}
	}
	r.copyInto(ns.dict, args.named)
	return ns
}

func (r *run) copyInto(to, from *dict) {
	if from == nil || !r.makeList(from.len()) {
		return
	}
	for i, key := range from.keys {
		to.set(key, from.values[i])
	}
}

func (r *run) copyPairs(line int, to *dict, pairs []value) {
	if !r.makeList(len(pairs)) {
		return
	}
	for _, p := range pairs {
		if p.kind == kindString && len([]rune(p.str)) == 2 {
			c := []rune(p.str)
			p = listValue([]value{stringValue(string(c[0])), stringValue(string(c[1]))})
		}
		if p.kind != kindList || len(p.list.items) != 2 || p.list.items[0].kind != kindString {
			r.fail(line, "namespace takes pairs of a string and a value")
			return
		}
		to.set(p.list.items[0].str, p.list.items[1])
	}
}

// rangeOf is range(stop) or range(start, stop, step).
func rangeOf(r *run, _ *scope, line int, args arguments) value {
	bounds := [3]float64{0, 0, 1}
	if n := len(args.pos); n < 1 || n > 3 || args.named.len() > 0 {
		return r.fail(line, "range takes one to three positional arguments")
	}
	for i, a := range args.pos {
		if !a.isNumeric() || math.IsNaN(a.num) {
			return r.fail(line, "range cannot take ", a.kind)
		}
		bounds[i] = a.num
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if len(args.pos) == 1 {
		start, stop = 0, start
	}
	if step == 0 {
		return r.fail(line, "range with step 0")
	}
	n := math.Max(0, math.Ceil((stop-start)/step))
	if !(n < math.MaxInt32) || !r.makeList(int(n)) {
		r.exceed(r.limits.Bytes, "bytes of memory")
		return undefined
	}
	items := make([]value, 0, int(n))
	for i := start; len(items) < int(n); i += step {
		if i == math.Trunc(i) {
			items = append(items, intValue(i))
		} else {
			items = append(items, floatValue(i))
		}
	}
	return listValue(items)
}

var months = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

// strftimeNow writes the date; %Y %m %d %b %B %H %M %% are known, others stay.
func strftimeNow(r *run, _ *scope, line int, args arguments) value {
	format := args.get(0, "format")
	if format.kind != kindString {
		return r.fail(line, "strftime_now takes ", fault.Quote("format"), ", not ", format.kind)
	}
	if !r.make(2 * len(format.str)) {
		return undefined
	}
	var out []byte
	for i := 0; i < len(format.str); i++ {
		if format.str[i] == '%' && i+1 < len(format.str) {
			i++
			out = r.date.append(out, format.str[i])
			continue
		}
		out = append(out, format.str[i])
	}
	return r.text(string(out))
}

func (d Date) append(out []byte, directive byte) []byte {
	month := months[((d.Month-1)%12+12)%12]
	switch directive {
	case 'Y':
		return strconv.AppendInt(out, int64(d.Year), 10)
	case 'm':
		return appendTwo(out, d.Month)
	case 'd':
		return appendTwo(out, d.Day)
	case 'H':
		return appendTwo(out, d.Hour)
	case 'M':
		return appendTwo(out, d.Minute)
	case 'B':
		return append(out, month...)
	case 'b':
		return append(out, month[:3]...)
	case '%':
		return append(out, '%')
	}
	return append(out, '%', directive)
}

func appendTwo(out []byte, n int) []byte {
	if n < 10 {
		out = append(out, '0')
	}
	return strconv.AppendInt(out, int64(n), 10)
}
