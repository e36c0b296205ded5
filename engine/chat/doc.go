// Package chat turns a conversation into a prompt by running the model's own
// chat template, a program in a subset of Jinja.
//
// The definition of the language is what @huggingface/jinja 0.5.11 does with
// trim_blocks and lstrip_blocks on, quirks included: true prints as true, none
// as nothing, 'é'|length counts UTF-16 units, strip ignores its argument. Where
// that interpreter stops on an accident of its own (unpacking a tuple, first of
// an empty list, trim() with parentheses) this one does what Python's Jinja does;
// what only shows its insides (printing a function) is an error.
//
// A template comes from a file somebody downloaded, so it is hostile until it
// has rendered: it sees only the context it is given, and Limits bound its
// steps, memory, depth and output. What it may not or cannot do is an error of
// code ERR_TEMPLATE that names the construct and the line. No template is ever
// replaced by another in silence; ChatML is there for callers that ask for it.
//
// The data path is source (source.go) → tokens (lex.go) → tree (parse*.go) →
// text (run.go, eval.go, filters*.go).
//
// It must not know tokenizers, models, files or clocks.
package chat
