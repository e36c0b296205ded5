// Package keys gives every adapter of a pool a place in the space of query
// embeddings, and finds how near a user's samples are to each.
//
// The embedding of a text is the query of the first self-attention layer of the
// base model, before rope, averaged over its tokens; the engine computes it. Here
// it is centred and normalised, clustered into keys, and compared.
//
// Source: Crayon, arXiv:2406.07007, as far as recovered: crayon.md §1.2 and §2.
// It must not know adapters' factors, tokens or models.
package keys
