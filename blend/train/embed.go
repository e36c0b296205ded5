package train

// A Recipe says which embedding of a text is taken. The zero value is the
// product's: first layer, mean over tokens.
type Recipe struct {
	Layer int  // whose query is taken; 0 needs no attention at all
	Last  bool // the last token's instead of the mean
}

// Query returns the query of a layer before rope, pooled over tokens: for layer 0
// W_q·rmsnorm(embedding). It is the oracle of the engine's embedding.
//
// Shapes: the result is [heads·headDim].
// Source: crayon.md §1.2.
func (m *Model) Query(tokens []int, r Recipe) []float32 {
	n := len(tokens)
	p := &pass{m: m, n: n, tokens: tokens, layers: make([]layerPass, m.Config.Layers)}
	x := make([]float64, n*m.Dim)
	for t, id := range tokens {
		copy(x[t*m.Dim:], m.Embed[id*m.Dim:(id+1)*m.Dim])
	}
	for l := range r.Layer {
		x = p.block(l, x)
	}
	q := p.linear(r.Layer, AttnQ, rmsnorm(x, m.Layers[r.Layer].AttnNorm, m.Dim, m.Eps))
	width := m.Heads * m.HeadDim
	if r.Last {
		return narrow(q[(n-1)*width:])
	}
	mean := make([]float64, width)
	for t := range n {
		axpy(mean, 1/float64(n), q[t*width:(t+1)*width])
	}
	return narrow(mean)
}
