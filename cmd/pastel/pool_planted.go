package main

import (
	"context"
	"flag"
	"fmt"

	"pastel/blend/train/planted"
)

// poolPlanted measures blending on planted tasks and prints the table of
// docs/planted-tasks.md.
func poolPlanted(ctx context.Context, e env, args []string) error {
	var o planted.Options
	fs := flag.NewFlagSet("pool planted", flag.ContinueOnError)
	seeds := fs.Int("seeds", 5, "independent worlds, at least 2")
	fs.IntVar(&o.PoolSteps, "steps", 0, "optimiser steps of each pool; 0 means 1000")
	fs.IntVar(&o.Rank, "rank", 0, "rank of each adapter; 0 means 2")
	if _, err := parse(fs, e, args, 0); err != nil {
		return err
	}
	if *seeds < 2 {
		return usagef("intervals need at least 2 seeds")
	}
	var runs [][]planted.Score
	for seed := range *seeds {
		bars := map[string]func(int, int, float64){}
		o.Progress = func(stage string, step, steps int, loss float64) {
			if bars[stage] == nil {
				bars[stage] = progressBar(e, fmt.Sprintf("seed %d, %s", seed+1, stage))
			}
			bars[stage](step, steps, loss)
		}
		scores, err := planted.Run(ctx, uint64(seed+1), o)
		if err != nil {
			return err
		}
		runs = append(runs, scores)
	}
	e.printf("%s", planted.Table(planted.Summarise(runs)))
	if *seeds > 2 {
		e.printf("\nwithout seed 1, on which the world was tuned:\n\n%s", planted.Table(planted.Summarise(runs[1:])))
	}
	return nil
}
