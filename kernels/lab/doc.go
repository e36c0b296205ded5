// Package lab runs and times kernels where they really run: in Chromium and in
// wazero, either flavour, with one thread or several. Tests use it to compare
// executors, make bench uses it to print the table of speeds, and rival versions
// of a kernel are timed here beside the product.
//
// Nothing in the product imports it. It must not know models, files or sessions.
package lab
