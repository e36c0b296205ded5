// Command pastel runs models from the command line: the module a browser runs, under
// wazero, or the plain Go reference executor.
//
// Exit codes: 0 when done, 1 when something failed, 2 for a wrong command line. An
// error is one line on standard error. Standard output holds results only.
//
// Every command has its own file and its row in the table in main.go. The package
// must not know how a model computes.
package main
