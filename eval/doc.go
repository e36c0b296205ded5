// Package eval measures how often a model is right: multiple choice by likelihood,
// length-normalised likelihood or letter, exact match, and perplexity, with confidence
// intervals, on the device, with an adapter, or with a larger model for the hard ones.
//
//	task.go      one question and its right answer, as a line of JSON
//	convert.go   tasks from public question sets
//	score.go     one task on one model
//	run.go       many tasks, resumed where an earlier run stopped
//	interval.go  what accuracies of so many questions can mean
//	report.go    the table, and accuracy against server use
//
// It must not know how a model computes: it sees text in and log-probabilities out.
package eval
