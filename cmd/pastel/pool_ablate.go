package main

import (
	"context"
	"flag"

	"pastel/blend/keys"
	"pastel/blend/train"
)

// poolAblate prints how well each embedding recipe tells tasks apart, as a
// Markdown table: layers, mean and last token, users of 1, 5 and 10 texts.
func poolAblate(_ context.Context, e env, args []string) error {
	fs := flag.NewFlagSet("pool ablate", flag.ContinueOnError)
	data := fs.String("data", "", "`FILE.jsonl` of {\"text\", \"task\"}")
	positional, err := parse(fs, e, args, 1)
	if err != nil {
		return err
	}
	b, err := openBase(positional[0])
	if err != nil {
		return err
	}
	texts, err := b.readTexts(*data)
	if err != nil {
		return err
	}
	e.printf("| query of layer | pooling | 1 text | 5 texts | 10 texts |\n|---|---|---|---|---|\n")
	for _, last := range []bool{false, true} {
		for layer := range b.Layers {
			if err := b.ablate(e, texts, train.Recipe{Layer: layer, Last: last}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ablate prints the row of one recipe.
func (b *poolBase) ablate(e env, texts []train.Text, r train.Recipe) error {
	var groups [][][]float32
	index := map[string]int{}
	for _, t := range texts {
		if _, seen := index[t.Task]; !seen {
			index[t.Task] = len(groups)
			groups = append(groups, nil)
		}
		groups[index[t.Task]] = append(groups[index[t.Task]], b.Query(t.Embed, r))
	}
	pooling := map[bool]string{false: "mean", true: "last token"}[r.Last]
	e.printf("| %d | %s |", r.Layer, pooling)
	for _, m := range []int{1, 5, 10} {
		accuracy, err := keys.Separation(groups, m)
		if err != nil {
			return err
		}
		e.printf(" %.0f%% |", 100*accuracy)
	}
	e.printf("\n")
	return nil
}
