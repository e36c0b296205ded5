// Package stop finds stop strings in text that arrives in pieces, and says which
// text is safe to show meanwhile.
//
// All stop strings are looked for at once with the automaton of Aho and Corasick
// (1975, CACM 18(6)): the time is linear in the text, whatever the strings.
//
// It must not know tokens, models or sessions.
package stop
