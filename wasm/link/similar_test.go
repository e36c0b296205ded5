package main

import (
	"slices"
	"strings"
	"testing"
)

func TestSimilarOrder(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bodies []string
		want   []int
	}{
		{"none", nil, nil},
		{"one", []string{"a"}, []int{0}},
		{"nothing in common", []string{"abcdefgh", "ijklmnop", ""}, []int{0, 1, 2}},
		{"two kinds", []string{"call the one", "come at last", "call the other", "come at least"}, []int{0, 2, 1, 3}},
		{"more of it in common", []string{"first second third", "a second word", "second third"}, []int{0, 2, 1}},
		{"beyond the window", []string{"the same", strings.Repeat("x", window) + "y", "some else", "the same!"}, []int{0, 3, 1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bodies [][]byte
			for _, body := range tt.bodies {
				bodies = append(bodies, []byte(body))
			}
			if got := similarOrder(bodies); !slices.Equal(got, tt.want) {
				t.Errorf("similarOrder(%q) = %v, want %v", tt.bodies, got, tt.want)
			}
		})
	}
}

// TestWindowForgets: what has left the window does not count.
func TestWindowForgets(t *testing.T) {
	bodies := [][]byte{[]byte("the same"), []byte(strings.Repeat("x", window+1)), []byte("the same!"), []byte("the same?")}
	s := similarity{bodies: bodies, near: nil, score: make([]int, len(bodies))}
	s.phrases, s.sharing = sharedPhrases(bodies)
	s.near = make([]int, len(s.sharing))
	s.place(0)
	if s.score[2] == 0 || s.score[2] != s.score[3] {
		t.Errorf("scores after the first = %v, want the two alike above 0", s.score)
	}
	s.place(1)
	if s.score[2] != 0 || s.score[3] != 0 {
		t.Errorf("scores after a body as long as the window = %v, want 0", s.score)
	}
}
