package main

import "context"

// offloadCommands is the table of offload's verbs.
var offloadCommands = []command{
	{"score", "MODEL.gguf QUERIES.jsonl", "answer queries on this device and print how sure it is", scoreCommand},
	{"calibrate", "SCORED.jsonl --budget SHARE", "choose routing thresholds for a server budget or an accuracy", calibrateCommand},
}

// offloadCommand runs one of the verbs on routing.
func offloadCommand(ctx context.Context, e env, args []string) error {
	return runVerb(ctx, e, "offload", offloadCommands, args)
}
