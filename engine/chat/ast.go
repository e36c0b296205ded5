package chat

// An expr is an expression; eval computes it in a scope.
type expr interface {
	eval(r *run, s *scope) value
}

// A stmt is a piece of a template's body; exec writes what it renders to r.
type stmt interface {
	exec(r *run, s *scope)
}

// Expressions.
type (
	literalExpr struct{ value value }
	nameExpr    struct{ name string }
	listExpr    struct { // [a, b] and (a, b)
		items []expr
		tuple bool
	}
	dictExpr struct {
		line         int
		keys, values []expr
	}
	memberExpr struct { // object.name, object.0, object[index]
		line          int
		object, index expr
		dotted        bool
	}
	sliceExpr struct { // object[start:stop:step]
		line                      int
		object, start, stop, step expr // nil where left out
	}
	callExpr struct {
		line   int
		callee expr
		args   []argument
	}
	filterExpr struct {
		operand expr
		filter  filterCall
	}
	testExpr struct {
		line    int
		operand expr
		name    string
		negate  bool
	}
	unaryExpr struct { // not, - and +
		line    int
		op      string
		operand expr
	}
	binaryExpr struct {
		line        int
		op          string
		left, right expr
	}
	ternaryExpr struct{ cond, then, otherwise expr } // otherwise nil: undefined
)

// An argument of a call: positional, name=value, *list or **dict.
type argument struct {
	name  string
	stars int
	value expr
}

// A filterCall is what stands after | or {% filter. hasArgs tells f() from f:
// a few filters treat them differently.
type filterCall struct {
	line    int
	name    string
	hasArgs bool
	args    []argument
}

// A param of a macro; missing may be nil.
type param struct {
	name    string
	missing expr
}

// Statements.
type (
	textStmt  struct{ text string }
	printStmt struct {
		line  int
		value expr
	}
	ifStmt struct {
		branches  []branch
		otherwise []stmt
	}
	forStmt struct {
		line        int
		target      target
		items, cond expr // cond nil: every item
		body, empty []stmt
	}
	setStmt struct {
		line   int
		target target
		value  expr // nil: the text of body
		body   []stmt
	}
	macroStmt struct {
		line  int
		name  string
		macro macro
	}
	callStmt struct { // {% call(params) callee(args) %}
		call  callExpr
		macro macro
	}
	filterStmt struct {
		filter filterCall
		body   []stmt
	}
	flowStmt struct{ flow flow }
)

type branch struct {
	cond expr
	body []stmt
}

// A target is what set and for assign to: a name, several (unpacked), or an
// attribute of a namespace.
type target struct {
	names  []string
	unpack bool
	member *memberExpr
}

// A macro is a function written in the template. It takes surplus arguments
// only if its body reads kwargs or varargs.
type macro struct {
	params          []param
	body            []stmt
	kwargs, varargs bool
}
