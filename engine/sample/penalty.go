package sample

import "math"

// penalise lowers the logits of recent tokens. However large the penalty, a
// possible token stays possible.
//
// Source: llama.cpp, llama_sampler_penalties_apply; the repeat penalty is from
// Keskar et al. 2019, arXiv:1909.05858, section 4.1, with the sign mended.
func (s *Sampler) penalise() {
	for _, id := range s.recent.distinct {
		x := s.logits[id]
		if x == never {
			continue
		}
		if s.opts.repeats() {
			if x > 0 {
				x /= s.opts.RepeatPenalty
			} else {
				x *= s.opts.RepeatPenalty
			}
		}
		n := float32(s.recent.counts[id])
		x -= float32(n*s.opts.FrequencyPenalty) + s.opts.PresencePenalty
		s.logits[id] = max(clean(x), -math.MaxFloat32)
	}
}

// window counts the last tokens accepted. The zero value keeps none.
type window struct {
	ring     []int32 // the last tokens, oldest at next once full; nil to keep all
	next     int
	counts   []int32 // [vocab] occurrences in the window
	distinct []int32 // ids with a count, in no order
	where    []int32 // [vocab] position in distinct
}

// newWindow keeps the last n tokens, all of them if n is negative.
func newWindow(n, vocab int) window {
	if n < 0 {
		return window{counts: make([]int32, vocab), distinct: make([]int32, 0, vocab), where: make([]int32, vocab)}
	}
	return window{
		ring: make([]int32, 0, n), counts: make([]int32, vocab),
		distinct: make([]int32, 0, min(n+1, vocab)), where: make([]int32, vocab),
	}
}

func (w *window) add(id int32) {
	if w.ring != nil {
		if len(w.ring) < cap(w.ring) {
			w.ring = append(w.ring, id)
		} else {
			w.drop(w.ring[w.next])
			w.ring[w.next] = id
			w.next = (w.next + 1) % len(w.ring)
		}
	}
	if w.counts[id] == 0 {
		w.where[id] = int32(len(w.distinct))
		w.distinct = append(w.distinct, id)
	}
	w.counts[id]++
}

// drop takes one occurrence of id out.
func (w *window) drop(id int32) {
	w.counts[id]--
	if w.counts[id] > 0 {
		return
	}
	last := w.distinct[len(w.distinct)-1]
	w.distinct[w.where[id]] = last
	w.where[last] = w.where[id]
	w.distinct = w.distinct[:len(w.distinct)-1]
}

func (w *window) clear() {
	for _, id := range w.distinct {
		w.counts[id] = 0
	}
	w.distinct = w.distinct[:0]
	w.ring = w.ring[:0]
	w.next = 0
}
