package bench

import (
	"bytes"
	"fmt"
	"math"
)

// The picture's frame, in pixels, and what its axes span.
const (
	roofWidth, roofHeight    = 720.0, 460.0
	roofLeft, roofBottom     = 60.0, 410.0
	roofRight, roofTop       = 700.0, 30.0
	roofMinX, roofMaxX       = 0.5, 2048.0 // multiplications per byte of weights
	roofMinY, roofMaxYMargin = 0.5, 2.0
)

// Roofline draws results as an SVG: on the horizontal axis how many multiplications
// are done with each byte of weights, on the vertical one how many a second, both
// logarithmic. The roof is what reading (slope) and the dot instruction (ceiling) allow.
func Roofline(results []*Result) []byte {
	f := roofFrame{top: roofMinY}
	for _, r := range results {
		if r.Limits != nil {
			f.top = max(f.top, r.Limits.DotGmacs*roofMaxYMargin)
		}
	}
	fmt.Fprintf(&f.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12">`+"\n", roofWidth, roofHeight)
	fmt.Fprintf(&f.b, `<rect width="%g" height="%g" fill="white"/>`+"\n", roofWidth, roofHeight)
	f.axes()
	for i, r := range results {
		f.result(r, roofColours[i%len(roofColours)], i)
	}
	f.b.WriteString("</svg>\n")
	return f.b.Bytes()
}

var roofColours = []string{"#1f6f8b", "#c0504d", "#6a994e", "#8a5a9e"}

// roofFrame maps values to pixels.
type roofFrame struct {
	b   bytes.Buffer
	top float64
}

func (f *roofFrame) x(v float64) float64 {
	return roofLeft + (roofRight-roofLeft)*math.Log(v/roofMinX)/math.Log(roofMaxX/roofMinX)
}

func (f *roofFrame) y(v float64) float64 {
	return roofBottom - (roofBottom-roofTop)*math.Log(max(v, roofMinY)/roofMinY)/math.Log(f.top/roofMinY)
}

func (f *roofFrame) axes() {
	for v := 1.0; v <= roofMaxX; v *= 4 {
		fmt.Fprintf(&f.b, `<text x="%.0f" y="%.0f" text-anchor="middle">%g</text>`+"\n", f.x(v), roofBottom+16, v)
	}
	for v := 1.0; v <= f.top; v *= 4 {
		fmt.Fprintf(&f.b, `<text x="%.0f" y="%.0f" text-anchor="end">%g</text><path d="M%g %.1fH%g" stroke="#ddd"/>`+"\n", roofLeft-6, f.y(v)+4, v, roofLeft, f.y(v), roofRight)
	}
	fmt.Fprintf(&f.b, `<text x="%g" y="%g" text-anchor="middle">multiplications per byte of weights read</text>`+"\n", (roofLeft+roofRight)/2, roofBottom+36)
	fmt.Fprintf(&f.b, `<text x="%g" y="%g">Gmac/s</text>`+"\n", roofLeft, roofTop-12)
}

// result draws one roof and the points under it.
func (f *roofFrame) result(r *Result, colour string, i int) {
	if l := r.Limits; l != nil {
		knee := min(max(l.DotGmacs/l.ReadGBps, roofMinX), roofMaxX)
		fmt.Fprintf(&f.b, `<path d="M%.1f %.1fL%.1f %.1fH%.1f" fill="none" stroke="%s" stroke-width="2"/>`+"\n",
			f.x(roofMinX), f.y(l.ReadGBps*roofMinX), f.x(knee), f.y(l.DotGmacs), roofRight, colour)
	}
	perByte := float64(r.Work.DecodeMACs) / float64(max(r.Work.ReadBytes, 1))
	f.point(perByte, r.DecodeTokPS*float64(r.Work.DecodeMACs)/1e9, "decode", colour)
	for _, p := range r.Prefill {
		f.point(perByte*float64(p.Tokens), p.TokPS.Median*float64(r.Work.PrefillMACs)/1e9, fmt.Sprintf("prefill %d", p.Tokens), colour)
	}
	fmt.Fprintf(&f.b, `<text x="%g" y="%g" fill="%s">%s, %s, threads: %d</text>`+"\n", roofLeft+8, roofTop+16*float64(i)+4, colour, r.In, r.Executor, r.Threads)
}

func (f *roofFrame) point(x, y float64, label, colour string) {
	x = min(max(x, roofMinX), roofMaxX)
	fmt.Fprintf(&f.b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n",
		f.x(x), f.y(y), colour, f.x(x)+7, f.y(y)+4, colour, label)
}
