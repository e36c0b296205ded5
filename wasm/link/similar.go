package main

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// gzip finds what it has seen within the last 32 KB, and the code is 2.5 MB: functions
// whose bodies have bytes in common should stand near each other. Ordered by package,
// as Go links them, they do to a degree; ordered as here engine.wasm is 26 KB smaller
// under gzip. (How the constants are chosen moves that by 2 KB.)
const (
	window      = 31 << 10 // bytes of the bodies before, that count
	maxSharing  = 100      // how many bodies at most share a phrase that counts: what all share is near anyway
	phraseBytes = 8
	preferLong  = 1000 // bytes: a share counts half in a body of that length, and less in a shorter one
)

// similarOrder returns an order for bodies in which each, as far as that can be had one
// by one, is followed by the one that has most of its phrases in the window.
func similarOrder(bodies [][]byte) []int {
	phrases, sharing := sharedPhrases(bodies)
	s := similarity{bodies: bodies, phrases: phrases, sharing: sharing, near: make([]int, len(sharing)), score: make([]int, len(bodies))}
	for range bodies {
		s.place(s.best())
	}
	return s.order
}

// sharedPhrases returns the phrases of each body, by number and each once, and the bodies
// of each phrase. A phrase is phraseBytes bytes in a row that several bodies have.
func sharedPhrases(bodies [][]byte) (phrases [][]int, sharing [][]int) {
	type use struct {
		phrase uint64
		body   int
	}
	var uses []use
	for i, body := range bodies {
		for at := 0; at+phraseBytes <= len(body); at++ {
			uses = append(uses, use{binary.LittleEndian.Uint64(body[at:]), i})
		}
	}
	slices.SortFunc(uses, func(a, b use) int {
		return cmp.Or(cmp.Compare(a.phrase, b.phrase), cmp.Compare(a.body, b.body))
	})
	uses = slices.Compact(uses)
	phrases = make([][]int, len(bodies))
	for len(uses) > 0 {
		n := slices.IndexFunc(uses, func(u use) bool { return u.phrase != uses[0].phrase })
		if n < 0 {
			n = len(uses)
		}
		if n > 1 && n <= maxSharing {
			var users []int
			for _, u := range uses[:n] {
				phrases[u.body] = append(phrases[u.body], len(sharing))
				users = append(users, u.body)
			}
			sharing = append(sharing, users)
		}
		uses = uses[n:]
	}
	return phrases, sharing
}

// A similarity is the work of ordering.
type similarity struct {
	bodies  [][]byte
	phrases [][]int // of each body
	sharing [][]int // of each phrase: its bodies
	near    []int   // of each phrase: how many bodies in the window have it
	score   []int   // of each body: how many of its phrases are in the window; -1 when placed
	order   []int
	first   int // in order: the first in the window
	bytes   int // in the window
}

// best returns the body with the greatest share of phrases in the window; the first of
// those left when none has any.
func (s *similarity) best() int {
	best, most := -1, -1.0
	for i, score := range s.score {
		if share := float64(score) / float64(len(s.bodies[i])+preferLong); score >= 0 && share > most {
			best, most = i, share
		}
	}
	return best
}

// place puts a body next and moves the window on.
func (s *similarity) place(body int) {
	s.order = append(s.order, body)
	s.score[body] = -1
	s.bytes += len(s.bodies[body])
	s.count(body, 1, 0)
	for s.bytes > window && s.first < len(s.order)-1 {
		gone := s.order[s.first]
		s.first++
		s.bytes -= len(s.bodies[gone])
		s.count(gone, -1, 1)
	}
}

// count adds d to how many bodies have each phrase of a body, and to the scores of the
// bodies that have it where that number was edge, with d, or becomes zero.
func (s *similarity) count(body, d, edge int) {
	for _, p := range s.phrases[body] {
		if s.near[p] == edge {
			for _, user := range s.sharing[p] {
				if s.score[user] >= 0 {
					s.score[user] += d
				}
			}
		}
		s.near[p] += d
	}
}
