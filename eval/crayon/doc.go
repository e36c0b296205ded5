// Package crayon measures Crayon and its rivals on real requests, at a small scale:
// users who ask about two or three of the 150 intents of CLINC150, a tiny base that
// does not know the intents' names, pools trained on other texts, and a larger model
// as the server.
//
//	corpus.go   the requests, by domain and intent
//	words.go    words and intent names as tokens
//	users.go    training tasks and the users nobody trained on
//	models.go   the base, the pools and the server
//	methods.go  every way to an adapter, a row of the table each
//	hybrid.go   accuracy against server use
//	run.go      all of it for one seed
//	report.go   the tables; picture.go the curve
//	cache.go    outcomes that need not be computed again
//
// It must not know files or the command line, nor any engine: it trains and asks with
// package train, so that every method is asked by the same code.
package crayon
