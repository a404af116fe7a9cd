package classify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"kingsnake/normalize"
)

// Bounds on the reasons of a verdict.
const (
	maxReasons = 6
	maxSpans   = 8
	maxQuote   = 80  // characters of a script quoted in a reason
	maxPlaces  = 512 // statements looked at for one reason
	maxSpan    = 400 // bytes: a longer statement is marked by its beginning
	minWeight  = 0.1 // of a reason that is worth saying, in log-odds
)

// segment is a statement of a layer: tokens [from, to), counted through all
// layers.
type segment struct {
	layer    int
	from, to int32
	weight   float64 // what its tokens add to the score
	does     behaviorSet
}

// explainer shares a score out among the statements and behaviors of a script.
type explainer struct {
	m        *Model
	text     normalize.Text
	x        *extraction
	segments []segment
	starts   []int32 // of segments
	alone    [behaviorMax]float64
	pairs    map[[2]uint8]float64
	shape    float64
}

// reasons says why the model gave score. A linear model's score is a sum: each
// feature's part goes to the statement where the feature is, each pair of
// behaviors to both of them, and the statements' parts to the behaviors seen
// in them, heaviest first. What no behavior explains is said as such, last.
func (m *Model) reasons(text normalize.Text, x *extraction, score Score) []Reason {
	e := explainer{m: m, text: text, x: x, pairs: map[[2]uint8]float64{}}
	e.cut()
	e.weighFeatures(score)
	e.weighMarks(score)
	weights, rest := e.share()
	reasons := e.combined(&weights)
	for b, w := range weights {
		if w > 0 {
			reasons = append(reasons, e.single(b, w))
		}
	}
	reasons = slices.DeleteFunc(mergeSame(reasons), func(r Reason) bool { return r.Weight < minWeight })
	slices.SortStableFunc(reasons, func(a, b Reason) int { return cmp.Compare(b.Weight, a.Weight) })
	if len(reasons) > maxReasons-1 {
		reasons = reasons[:maxReasons-1]
	}
	if r, ok := e.rest(rest, len(reasons) == 0); ok && (r.Weight >= minWeight || len(reasons) == 0) {
		reasons = append(reasons, r) // last, however heavy: it says least
	}
	return reasons
}

// cut finds the statements of all layers.
func (e *explainer) cut() {
	base := int32(0)
	for i := range e.text.Layers {
		l := &e.text.Layers[i]
		open := true
		for k, t := range l.Tokens {
			at := base + int32(k)
			if t.Flags&normalize.First != 0 || open || k == 0 {
				e.segments = append(e.segments, segment{layer: i, from: at})
				e.starts = append(e.starts, at)
			}
			e.segments[len(e.segments)-1].to = at + 1
			open = t.Kind == normalize.Op && l.Text[t.Start] == ';'
		}
		base += int32(len(l.Tokens))
	}
}

// segmentAt is the statement that a place lies in, or nil.
func (e *explainer) segmentAt(place int32) *segment {
	k, found := slices.BinarySearch(e.starts, place)
	if !found {
		k--
	}
	if k < 0 || k >= len(e.segments) {
		return nil
	}
	return &e.segments[k]
}

func (e *explainer) add(place int32, weight float64) {
	if s := e.segmentAt(place); s != nil {
		s.weight += weight
	}
}

// share adds everything up by behavior, and returns what no behavior explains.
func (e *explainer) share() (weights [behaviorMax]float64, rest float64) {
	for _, s := range e.x.seen {
		if g := e.segmentAt(s.place); g != nil {
			g.does.add(int(s.behavior))
		}
	}
	weights = e.alone
	for pair, w := range e.pairs {
		weights[pair[0]] += w / 2
		weights[pair[1]] += w / 2
	}
	var buffer [behaviorMax]uint8
	for i := range e.segments {
		s := &e.segments[i]
		does := s.does.members(buffer[:0])
		for _, b := range does {
			weights[b] += s.weight / float64(len(does))
		}
		if len(does) == 0 && s.weight > 0 {
			rest += s.weight
		}
	}
	return weights, rest
}

// combined makes reasons of pairs of behaviors that mean more together, and
// takes their weights out.
func (e *explainer) combined(weights *[behaviorMax]float64) []Reason {
	var reasons []Reason
	for _, c := range combinations {
		a, b := words.byID[c.first], words.byID[c.second]
		if weights[a] <= 0 || weights[b] <= 0 {
			continue
		}
		reasons = append(reasons, Reason{
			Text: sentence(c.says), Technique: c.technique, Weight: e.units(weights[a] + weights[b]),
			Spans: e.spans(a, b),
		})
		weights[a], weights[b] = 0, 0
	}
	return reasons
}

func (e *explainer) single(b int, w float64) Reason {
	return Reason{
		Text: sentence(behaviors[b].says), Technique: behaviors[b].technique, Weight: e.units(w), Spans: e.spans(b),
	}
}

// units turns a part of the logit into calibrated log-odds.
func (e *explainer) units(w float64) float64 { return w * e.m.calibration.Slope }

func sentence(says string) string { return "The script " + says + "." }

// mergeSame makes one reason of those that say the same.
func mergeSame(reasons []Reason) []Reason {
	var merged []Reason
	for _, r := range reasons {
		k := slices.IndexFunc(merged, func(m Reason) bool { return m.Text == r.Text })
		if k < 0 {
			merged = append(merged, r)
			continue
		}
		merged[k].Weight += r.Weight
		for _, s := range r.Spans {
			if !slices.Contains(merged[k].Spans, s) && len(merged[k].Spans) < maxSpans {
				merged[k].Spans = append(merged[k].Spans, s)
			}
		}
	}
	return merged
}

// spans lists the statements in which the behaviors were seen, those that
// weigh most first.
func (e *explainer) spans(behaviors ...int) []Span {
	type found struct {
		*segment
		place int32
	}
	var all []found
	for _, s := range e.x.seen {
		if !slices.Contains(behaviors, int(s.behavior)) || len(all) >= maxPlaces {
			continue
		}
		g := e.segmentAt(s.place)
		if g != nil && !slices.ContainsFunc(all, func(f found) bool { return f.segment == g }) {
			all = append(all, found{g, s.place})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.weight, a.weight) })
	spans := make([]Span, 0, min(len(all), maxSpans))
	for _, f := range all[:min(len(all), maxSpans)] {
		spans = append(spans, e.span(f.segment, f.place))
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Start, b.Start)) })
	return spans
}

// span is where a statement stands. A very long one is shown from place on.
func (e *explainer) span(s *segment, place int32) Span {
	base := e.base(s.layer)
	tokens := e.text.Layers[s.layer].Tokens
	last := s.to - base - 1
	for last > s.from-base && (tokens[last].Kind == normalize.Newline || tokens[last].Kind == normalize.Comment) {
		last--
	}
	start, end := int(tokens[s.from-base].Start), int(tokens[last].End)
	if end-start > maxSpan {
		start = int(tokens[place-base].Start)
		end = min(end, start+maxSpan)
	}
	origin := e.text.Origin(s.layer, normalize.Span{Start: start, End: end})
	return Span{
		Layer: s.layer, Start: start, End: end,
		Line: e.text.Line(origin.Start), EndLine: e.text.Line(max(origin.Start, origin.End-1)),
	}
}

// rest is the reason for what no behavior explains: the shape of the script,
// and statements that only resemble what was learned from.
func (e *explainer) rest(weight float64, only bool) (Reason, bool) {
	if e.shape > 0 {
		weight += e.shape
	}
	var heaviest []*segment
	for i := range e.segments {
		if s := &e.segments[i]; s.does == (behaviorSet{}) && s.weight > 0 {
			heaviest = append(heaviest, s)
		}
	}
	slices.SortStableFunc(heaviest, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(e.isImport(a), e.isImport(b)), cmp.Compare(b.weight, a.weight))
	})
	if len(heaviest) == 0 {
		if !only && e.shape <= 0 {
			return Reason{}, false
		}
		return Reason{Text: "The script is built like known malicious scripts.", Technique: "T1027", Weight: e.units(max(weight, 0)), Spans: []Span{}}, true
	}
	r := Reason{Weight: e.units(weight)}
	for _, s := range heaviest[:min(len(heaviest), 3)] {
		r.Spans = append(r.Spans, e.span(s, s.from))
	}
	first := r.Spans[0]
	r.Text = fmt.Sprintf("Other code resembles known malicious scripts: `%s`.", Quote(e.text.Layers[first.Layer].Text[first.Start:first.End]))
	return r, true
}

// isImport is 1 for an import, which says little by itself, and 0 for other
// statements.
func (e *explainer) isImport(s *segment) int {
	l := &e.text.Layers[s.layer]
	word := l.Tokens[s.from-e.base(s.layer)].Bytes(l.Text)
	if string(word) == "import" || string(word) == "from" {
		return 1
	}
	return 0
}

// base is the place of a layer's first token.
func (e *explainer) base(layer int) int32 {
	base := int32(0)
	for i := range layer {
		base += int32(len(e.text.Layers[i].Tokens))
	}
	return base
}

// Quote makes hostile text fit for a sentence: at most 80 characters on one
// line, with control characters, direction marks and invalid bytes escaped.
func Quote(text []byte) string {
	var b strings.Builder
	n := 0
	for _, r := range string(text[:min(len(text), 4*maxQuote)]) {
		if n >= maxQuote {
			b.WriteString("…")
			break
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == ' ':
			b.WriteByte(' ')
		case r == '`':
			b.WriteByte('\'')
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
		n++
	}
	return b.String()
}
