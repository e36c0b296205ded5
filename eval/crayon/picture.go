package crayon

import (
	"bytes"
	"fmt"
)

// The picture's frame, in pixels.
const (
	left, right, top, bottom = 60.0, 520.0, 20.0, 340.0
	width, height            = 680.0, 390.0
)

var colours = map[string]string{ByConfidence: "#1f6f8b", ByMargin: "#6a994e", ByScope: "#c0504d", AtRandom: "#999999", ByOracle: "#8a5a9e"}

// Picture draws the hybrid curves as an SVG: on the horizontal axis the share of
// requests sent to the server, on the vertical one accuracy, mean over seeds; the band
// is the 95% interval of the order by confidence.
func Picture(runs []*Outcome) []byte {
	p := picture{t: summary{runs}, low: 1}
	for _, name := range orders {
		for i := range Usages {
			m := p.curve(name, i)
			p.low, p.high = min(p.low, m.Mean-0.02), max(p.high, m.Mean+0.02)
		}
	}
	fmt.Fprintf(&p.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&p.b, `<rect width="%g" height="%g" fill="white"/>`+"\n", width, height)
	p.axes()
	p.band(ByConfidence)
	for i, name := range orders {
		p.line(name)
		fmt.Fprintf(&p.b, `<path d="M%g %gh20" stroke="%s" stroke-width="2"/><text x="%g" y="%g">%s</text>`+"\n",
			right+14, top+20*float64(i)+6, colours[name], right+40, top+20*float64(i)+10, legend[name])
	}
	p.b.WriteString("</svg>\n")
	return p.b.Bytes()
}

var legend = map[string]string{ByConfidence: "least sure first", ByMargin: "least margin first", ByScope: "least in scope first", AtRandom: "at random", ByOracle: "oracle"}

type picture struct {
	b         bytes.Buffer
	t         summary
	low, high float64 // accuracies at the frame's edges
}

func (p *picture) curve(name string, i int) Mean {
	return p.t.over(func(o *Outcome) float64 { return o.Hybrid.Curves[name][i] })
}

func (p *picture) x(usage float64) float64 { return left + (right-left)*usage }

func (p *picture) y(accuracy float64) float64 {
	return bottom - (bottom-top)*(accuracy-p.low)/(p.high-p.low)
}

func (p *picture) axes() {
	for v := 0.0; v <= 1; v += 0.25 {
		fmt.Fprintf(&p.b, `<text x="%.1f" y="%g" text-anchor="middle">%.0f%%</text>`+"\n", p.x(v), bottom+18, 100*v)
	}
	for v := 0; v <= 100; v += 5 {
		if a := float64(v) / 100; a >= p.low && a <= p.high {
			fmt.Fprintf(&p.b, `<text x="%g" y="%.1f" text-anchor="end">%d%%</text><path d="M%g %.1fH%g" stroke="#ddd"/>`+"\n", left-6, p.y(a)+4, v, left, p.y(a), right)
		}
	}
	fmt.Fprintf(&p.b, `<text x="%g" y="%g" text-anchor="middle">requests sent to the server</text>`+"\n", (left+right)/2, bottom+38)
	fmt.Fprintf(&p.b, `<text transform="translate(16 %g) rotate(-90)" text-anchor="middle">accuracy</text>`+"\n", (top+bottom)/2)
}

func (p *picture) line(name string) {
	fmt.Fprintf(&p.b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colours[name])
	for i, u := range Usages {
		fmt.Fprintf(&p.b, "%.1f,%.1f ", p.x(u), p.y(p.curve(name, i).Mean))
	}
	p.b.WriteString("\"/>\n")
}

// band is the interval around one curve, within the frame.
func (p *picture) band(name string) {
	fmt.Fprintf(&p.b, `<polygon fill="%s" fill-opacity="0.15" points="`, colours[name])
	edge := func(i int, sign float64) {
		m := p.curve(name, i)
		fmt.Fprintf(&p.b, "%.1f,%.1f ", p.x(Usages[i]), p.y(max(p.low, min(p.high, m.Mean+sign*m.Half))))
	}
	for i := range Usages {
		edge(i, 1)
	}
	for i := range Usages {
		edge(len(Usages)-1-i, -1)
	}
	p.b.WriteString("\"/>\n")
}
