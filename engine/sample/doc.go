// Package sample picks the next token from a model's logits.
//
// The chain is that of llama.cpp, in its order: logit bias, penalties, top-k,
// typical, top-p, min-p, temperature, then a draw. At temperature 0 the token with
// the highest logit after bias and penalties is taken and no filter applies.
//
// Equal logits and an equal seed give equal tokens on every platform: the random
// numbers and the exponential are written here, in arithmetic that no compiler may
// fuse. After New nothing is allocated.
//
// It must not know tokens' text, models or sessions.
package sample
