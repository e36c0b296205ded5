package main

import (
	"cmp"
	"context"
	"io"
	"slices"

	"pastel/wasm/protocol"
)

// choices generates n answers with the request's seed and those that follow it,
// the likeliest first. The session holds the prompt after the first, so that the
// others compute no more of it than its last token.
func choices(ctx context.Context, engine *opened, request *protocol.Generate, n int) ([]*runResult, error) {
	var all []*runResult
	for i := range n {
		one := *request
		one.Seed = request.Seed + uint64(i)
		one.Logprobs = true
		result, err := generate(ctx, engine, &one, io.Discard)
		if err != nil {
			return nil, err
		}
		all = append(all, result)
	}
	slices.SortStableFunc(all, func(a, b *runResult) int { return cmp.Compare(b.Logprob, a.Logprob) })
	return all, nil
}
