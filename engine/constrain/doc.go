// Package constrain keeps a model's output inside JSON, or inside a JSON
// Schema, by telling the sampler before every token which tokens may come.
//
// A schema becomes a grammar over bytes (schema*.go), whose configurations are
// sets of stacks of frames (frame.go, automaton.go): nested JSON needs a stack,
// anyOf needs a set. A Masker runs the automaton over a trie of the vocabulary
// (vocab.go, masker.go). A mask is assembled from what each frame allows on its
// own, computed once per frame over the whole trie, and from the few tokens that
// reach past the end of the frame; masks and transitions are remembered.
//
// The subset of JSON Schema (2020-12): type, enum, const, properties, required,
// additionalProperties, items, prefixItems, minItems, maxItems, minLength,
// maxLength, minimum, maximum, exclusiveMinimum and exclusiveMaximum (of
// integers; of numbers only minimum 0), anyOf, oneOf (of alternatives that
// cannot both hold), allOf with one member, and $ref to any place in the
// document. Titles, descriptions, defaults, examples and formats say nothing
// about validity and are skipped. Every other keyword is an error naming it.
//
// Everything the mask lets through is valid. In return a valid document may be
// written in these ways only: up to MaxSpace bytes of white space at each place
// inside the document where JSON has it, none before or after; strings with any
// escapes, but keys, enum and const in their shortest spelling; object keys in
// any order, none of the declared ones twice; integers without point or
// exponent and at most 18 digits; other numbers with at most 21 digits before
// the point, 24 after it and an exponent of at most 199.
//
// It must not know models, samplers or where a schema came from.
package constrain
