package blend

// OrderRanks rewrites adapters so that within every tensor the ranks fall in
// importance and the first r′ of them can be used alone; every scaling becomes 1.
// The deltas stay what they were, up to rounding.
//
// For DeltaSpace each adapter gets its own singular value order. For FactorSpace
// that would turn each adapter's factors into another basis and change what the
// sums of A's and B's mean; there one change of basis is shared by the pool: the
// singular value order of all Bᵢ·Aⱼ side by side, so every cross term of every
// blend is kept.
//
// Errors: in FactorSpace fault.LoRAMismatch unless all adapters have the same
// targets, shapes and ranks.
func OrderRanks(adapters []*Adapter, space Space) ([]*Adapter, error) {
	if space == FactorSpace {
		return orderShared(adapters)
	}
	var out []*Adapter
	for _, a := range adapters {
		b := *a
		b.Pairs = nil
		for i := range a.Pairs {
			b.Pairs = append(b.Pairs, Compress(&a.Pairs[i], a.Pairs[i].Rank))
		}
		out = append(out, &b)
	}
	return out, nil
}

func orderShared(adapters []*Adapter) ([]*Adapter, error) {
	var out []*Adapter
	for _, a := range adapters {
		if err := sameLayout(adapters[0], a); err != nil {
			return nil, err
		}
		b := *a
		b.Pairs = nil
		out = append(out, &b)
	}
	if len(adapters) == 0 {
		return nil, nil
	}
	for i := range adapters[0].Pairs {
		big := sideBySide(adapters, i)
		big = Compress(&big, big.Rank)
		for n, a := range out {
			a.Pairs = append(a.Pairs, cut(&big, adapters[n].Pairs[i], n))
		}
	}
	return out, nil
}

// sideBySide is tensor i of all adapters as one: A = [A₁ … A_N] [rank, N·in],
// B = [s₁B₁; …; s_N B_N] [N·out, rank].
func sideBySide(adapters []*Adapter, i int) Pair {
	first := adapters[0].Pairs[i]
	n := len(adapters)
	big := Pair{Target: first.Target, Rank: first.Rank, In: n * first.In, Out: n * first.Out, Scaling: 1}
	for k := range first.Rank {
		for _, a := range adapters {
			big.A = append(big.A, a.Pairs[i].A[k*first.In:(k+1)*first.In]...)
		}
	}
	for _, a := range adapters {
		for _, v := range a.Pairs[i].B {
			big.B = append(big.B, a.Pairs[i].Scaling*v)
		}
	}
	return big
}

// cut takes adapter n's part, of the shape of like, out of big.
func cut(big *Pair, like Pair, n int) Pair {
	p := Pair{Target: like.Target, Rank: big.Rank, In: like.In, Out: like.Out, Scaling: 1}
	for k := range big.Rank {
		p.A = append(p.A, big.A[k*big.In+n*p.In:][:p.In]...)
	}
	p.B = append(p.B, big.B[n*p.Out*p.Rank:][:p.Out*p.Rank]...)
	return p
}

// Truncate keeps the first rank ranks of every pair.
func Truncate(a *Adapter, rank int) *Adapter {
	b := *a
	b.Pairs = nil
	for _, p := range a.Pairs {
		r := min(rank, p.Rank)
		q := Pair{Target: p.Target, Rank: r, In: p.In, Out: p.Out, Scaling: p.Scaling, A: p.A[:r*p.In]}
		for o := range p.Out {
			q.B = append(q.B, p.B[o*p.Rank:][:r]...)
		}
		b.Pairs = append(b.Pairs, q)
	}
	return &b
}
