// Package planted measures blending where the truth is known: tasks whose
// clusters, answers and users are drawn from a seed.
//
// It must not know the engine, files or the command line.
package planted
