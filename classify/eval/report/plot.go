package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Plot is a picture of one part of a report.
type Plot struct {
	Name string // fit for a file name
	b    strings.Builder

	title, says   string
	width, height float64
	left, right   float64 // edges of the area that is drawn in
	top, bottom   float64
	x, y          scale
}

// scale turns values into shares of an axis.
type scale struct {
	low, high float64
	warp      func(float64) float64 // nil for a linear scale
}

// at is where a value stands, from 0 to 1. What lies beyond the axis is put at
// its end.
func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	v = max(low, min(high, v))
	if s.warp != nil {
		v, low, high = s.warp(v), s.warp(low), s.warp(high)
	}
	if share := (v - low) / (high - low); share >= 0 && share <= 1 {
		return share
	}
	return 0
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

// tick is a value that an axis names.
type tick struct {
	at   float64
	says string
}

// ticks are named by format.
func ticks(format string, values ...float64) []tick {
	list := make([]tick, len(values))
	for i, v := range values {
		list[i] = tick{v, minus(fmt.Sprintf(format, v))}
	}
	return list
}

// powers are the ticks 10^from to 10^to.
func powers(from, to int) []tick {
	var list []tick
	digits := strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹")
	for e := from; e <= to; e++ {
		list = append(list, tick{math.Pow(10, float64(e)), "10" + digits.Replace(fmt.Sprint(e))})
	}
	return list
}

// newPlot is a plot with room for ticks and the names of its axes.
func newPlot(name, title, says string) *Plot {
	return &Plot{Name: name, title: title, says: says, width: 560, height: 380, left: 56, right: 540, top: 44, bottom: 330}
}

func (p *Plot) px(v float64) float64 { return p.left + (p.right-p.left)*p.x.at(v) }
func (p *Plot) py(v float64) float64 { return p.bottom - (p.bottom-p.top)*p.y.at(v) }

func (p *Plot) write(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

// text writes words. Anchor is "start", "middle" or "end".
func (p *Plot) text(x, y float64, class, anchor, says string) {
	p.write(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, class, x, y, anchor, html.EscapeString(says))
}

func (p *Plot) line(class string, x1, y1, x2, y2 float64) {
	p.write(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

func (p *Plot) dot(class string, x, y, r float64) {
	p.write(`<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"/>`, class, x, y, r)
}

// axes draws the grid, the ticks, and the names of the axes.
func (p *Plot) axes(x, y []tick, nameX, nameY string) {
	for _, t := range y {
		p.line("grid", p.left, p.py(t.at), p.right, p.py(t.at))
		p.text(p.left-8, p.py(t.at)+4, "tick", "end", t.says)
	}
	for _, t := range x {
		p.line("grid", p.px(t.at), p.top, p.px(t.at), p.bottom)
		p.text(p.px(t.at), p.bottom+18, "tick", "middle", t.says)
	}
	p.line("axis", p.left, p.bottom, p.right, p.bottom)
	p.text((p.left+p.right)/2, p.bottom+38, "name", "middle", nameX)
	if nameY != "" {
		p.text(p.left-40, p.top-12, "name", "start", nameY)
	}
}

// path draws a curve through points, as steps or straight from one to the next.
func (p *Plot) path(class string, points [][2]float64, steps bool) {
	if len(points) == 0 {
		return
	}
	p.write(`<path class="%s" d="`, class)
	for i, at := range points {
		x, y := p.px(at[0]), p.py(at[1])
		switch {
		case i == 0:
			p.write("M%.1f %.1f", x, y)
		case steps:
			p.write("H%.1fV%.1f", x, y)
		default:
			p.write("L%.1f %.1f", x, y)
		}
	}
	p.write(`"/>`)
}

// legend names the classes of what is drawn, in a corner.
func (p *Plot) legend(x, y float64, entries ...[2]string) {
	for i, e := range entries {
		at := y + float64(i)*18
		p.line(e[0], x, at-4, x+22, at-4)
		p.text(x+30, at, "label", "start", e[1])
	}
}

// svg is the picture, with style in front if there is one.
func (p *Plot) svg(style string) string {
	var b strings.Builder
	id := html.EscapeString(p.Name)
	fmt.Fprintf(&b, `<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="%s-title %s-desc">`, p.width, p.height, id, id)
	fmt.Fprintf(&b, `<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>`, id, html.EscapeString(p.title), id, html.EscapeString(p.says))
	if style != "" {
		fmt.Fprintf(&b, "<style>%s</style>", style)
	}
	fmt.Fprintf(&b, `<rect class="ground" width="%.0f" height="%.0f" rx="10"/>`, p.width, p.height)
	b.WriteString(p.b.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// File is the picture as an SVG file that stands by itself, light and dark.
func (p *Plot) File() string { return p.svg(tokens + plotStyle) }
