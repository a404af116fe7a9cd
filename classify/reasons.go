package classify

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"kingsnake/normalize"
)

// Bounds on the reasons of a verdict.
const (
	maxReasons  = 6
	maxSpans    = 8
	maxQuote    = 80      // characters of a script quoted in a reason
	maxPlaces   = 512     // statements looked at for one reason
	maxSegments = 1 << 17 // statements that are told apart; the rest of a layer is one
	maxSpan     = 400     // bytes: a longer statement is marked by its beginning
	minWeight   = 0.1     // of a reason that is worth saying, in log-odds
	maxSites    = 3       // statements shown for one behavior
	enough      = 0.3     // of the heaviest statement's weight, to be shown as well
	maxLines    = 4       // a statement of more lines is marked by one of them
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
	sites    map[int][]site // by behavior, in order
	bases    []int32        // of each layer's tokens
	read     int            // tokens looked at for values and flows
	clauses  *clauses       // what statements say, once something is followed

	// By layer, once asked for.
	bound     map[int]map[string][]binding
	constants map[int]map[int]normalize.Constant // by where they start
}

// A draft is a reason in the making.
type draft struct {
	behaviors []int
	joint     *joint // nil for a single behavior
	weight    float64
	extra     []site // of details, and of what gives values their names
}

// reasons says why the model gave score. A linear model's score is a sum: each
// feature's part goes to the statement where the feature is, each pair of
// behaviors to both of them, and the statements' parts to the behaviors seen
// in them, heaviest first. What no behavior explains is said as such, last.
func (m *Model) reasons(text normalize.Text, x *extraction, score Score) []Reason {
	e := explainer{m: m, text: text, x: x, pairs: map[[2]uint8]float64{},
		bound: map[int]map[string][]binding{}, constants: map[int]map[int]normalize.Constant{}}
	e.cut()
	e.weighFeatures(score)
	e.weighMarks(score)
	e.find()
	weights, rest := e.share()
	var reasons []Reason
	for _, d := range e.drafts(&weights, &rest) {
		reasons = append(reasons, e.reason(d))
	}
	reasons = slices.DeleteFunc(mergeSame(reasons), func(r Reason) bool { return r.Weight < minWeight })
	slices.SortStableFunc(reasons, func(a, b Reason) int { return cmp.Compare(b.Weight, a.Weight) })
	if len(reasons) > maxReasons-1 {
		reasons = reasons[:maxReasons-1]
	}
	if r, ok := e.rest(rest, len(reasons) == 0); ok && (r.Weight >= minWeight || len(reasons) == 0) {
		reasons = append(reasons, r) // last, however heavy: it says least
	}
	for i := range reasons {
		reasons[i].Where = e.where(reasons[i].Spans)
	}
	return reasons
}

// cut finds the statements of all layers.
func (e *explainer) cut() {
	base := int32(0)
	for i := range e.text.Layers {
		l := &e.text.Layers[i]
		e.bases = append(e.bases, base)
		open := true
		for k, t := range l.Tokens {
			at := base + int32(k)
			if (t.Flags&normalize.First != 0 || open) && len(e.segments) < maxSegments || k == 0 {
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

// find notes which statements show which behaviors, each once.
func (e *explainer) find() {
	e.sites = map[int][]site{}
	for _, s := range e.x.seen {
		b := int(s.behavior)
		g := e.segmentAt(s.place)
		if g == nil {
			continue
		}
		g.does.add(b)
		if list := e.sites[b]; len(list) < maxPlaces && (len(list) == 0 || list[len(list)-1].segment != g) {
			e.sites[b] = append(list, site{g, b, s.place})
		}
	}
	for b, list := range e.sites { // an import says nothing when the thing is used
		used := slices.DeleteFunc(slices.Clone(list), func(s site) bool { return e.isImport(s.segment) == 1 })
		if len(used) > 0 {
			e.sites[b] = used
		}
	}
}

// share adds everything up by behavior, and returns what no behavior explains.
func (e *explainer) share() (weights [behaviorMax]float64, rest float64) {
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

// drafts shares the weights of behaviors out among reasons: those that mean
// more together, then the others. Details go with what they describe, and what
// is harmless by itself with the rest.
func (e *explainer) drafts(weights *[behaviorMax]float64, rest *float64) []draft {
	var list []draft
	for i := range joints {
		if d, ok := e.joined(&joints[i], weights); ok {
			list = append(list, d)
		}
	}
	for b, w := range weights {
		switch {
		case w <= 0 || b >= len(behaviors):
		case isContext(b):
			*rest += w
		case !isDetail(b):
			list = append(list, draft{behaviors: []int{b}, weight: w})
		}
	}
	whole := len(list)
	for b, w := range weights {
		if w <= 0 || b >= len(behaviors) || isContext(b) || !isDetail(b) {
			continue
		}
		if k := e.describes(b, list[:whole]); k >= 0 {
			list[k].weight += w
			list[k].extra = append(list[k].extra, e.shown(b)...)
		} else {
			list = append(list, draft{behaviors: []int{b}, weight: w})
		}
	}
	return list
}

// joined makes a draft of behaviors that mean more together, and takes their
// weights out.
func (e *explainer) joined(j *joint, weights *[behaviorMax]float64) (draft, bool) {
	d := draft{joint: j}
	for _, alternatives := range j.parts {
		best := -1
		for _, id := range alternatives {
			b := words().byID[id]
			if weights[b] <= 0 || len(e.sites[b]) == 0 || slices.Contains(d.behaviors, b) {
				continue
			}
			if best < 0 || e.fits(d.behaviors, b, best) > 0 || e.fits(d.behaviors, b, best) == 0 && weights[b] > weights[best] {
				best = b
			}
		}
		if best < 0 {
			return d, false
		}
		d.behaviors = append(d.behaviors, best)
		d.weight += weights[best]
	}
	for _, b := range d.behaviors {
		weights[b] = 0
	}
	return d, true
}

// fits compares two behaviors for the next part of a joint: one that is more
// than a detail, and one that is seen behind the part before, fits better.
func (e *explainer) fits(before []int, a, b int) int {
	rank := func(c int) (n int) {
		if !isDetail(c) {
			n += 2
		}
		if k := len(before); k > 0 && slices.ContainsFunc(e.sites[c], func(s site) bool { return s.behind(e.sites[before[k-1]][0]) }) {
			n++
		}
		return n
	}
	return rank(a) - rank(b)
}

// describes finds the heaviest draft that a detail is part of: one that is seen
// in the same statement, or uses a name that the detail's statement binds.
func (e *explainer) describes(b int, list []draft) int {
	best := -1
	for k, d := range list {
		near := slices.ContainsFunc(d.behaviors, func(c int) bool {
			return slices.ContainsFunc(e.sites[c], func(s site) bool { return s.does[b>>6]>>(b&63)&1 == 1 }) || e.reaches(e.sites[b], e.sites[c])
		})
		if near && (best < 0 || d.weight > list[best].weight) {
			best = k
		}
	}
	return best
}

// reason puts a draft into words.
func (e *explainer) reason(d draft) Reason {
	var sites []site
	r := Reason{Weight: e.units(d.weight)}
	for i, b := range d.behaviors {
		list := e.shown(b)
		if i > 0 { // values come from what is behind the part before, if anything is
			first := e.sites[d.behaviors[i-1]][0]
			slices.SortStableFunc(list, func(a, b site) int { return cmp.Compare(order(b.behind(first)), order(a.behind(first))) })
		}
		sites = append(sites, list...)
		r.Behaviors = append(r.Behaviors, behaviors[b].id)
	}
	flows := len(d.behaviors) > 1 && e.reaches(e.sites[d.behaviors[0]], e.sites[d.behaviors[1]])
	extra := d.extra
	value := func(slot string) string {
		if id, ok := strings.CutPrefix(slot, slotSeen+" "); ok {
			return e.recognized(words().byID[id])
		}
		v, used := e.value(slot, sites)
		for _, place := range used {
			if g := e.segmentAt(place); g != nil {
				extra = append(extra, site{g, d.behaviors[0], place})
			}
		}
		return v
	}
	if d.joint != nil {
		r.Technique = d.joint.technique
		r.Text, r.Plain = d.joint.predicate(d.behaviors, flows, value), d.joint.predicate(d.behaviors, flows, none)
	} else {
		b := d.behaviors[0]
		r.Text, r.Plain = predicate(b, value), predicate(b, none)
	}
	if r.Technique == "" {
		r.Technique = behaviors[d.behaviors[0]].technique
	}
	r.Text, r.Plain = sentence(r.Text), sentence(r.Plain)
	r.Spans = e.spans(append(sites, extra...))
	return r
}

func order(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// shown picks the statements that show a behavior best: the heaviest, and those
// that are not much lighter.
func (e *explainer) shown(b int) []site {
	list := slices.Clone(e.sites[b])
	slices.SortStableFunc(list, func(a, b site) int { return cmp.Compare(b.weight, a.weight) })
	n := 0
	for n < len(list) && n < maxSites && (n == 0 || list[n].weight >= enough*list[0].weight && list[n].weight > 0) {
		n++
	}
	return list[:n]
}

// recognized is the text that a behavior was recognized by, fit to be shown, or
// "".
func (e *explainer) recognized(b int) string {
	for _, at := range e.shown(b) {
		l, from, to := e.tokens(at.segment)
		for _, v := range e.literals(at.segment, l, from, to) {
			found := false
			words().texts.each([]byte(v.text), func(k int) { found = found || k == b })
			if found && !v.number {
				return show(strings.TrimSpace(v.text))
			}
		}
	}
	return ""
}

// units turns a part of the logit into calibrated log-odds.
func (e *explainer) units(w float64) float64 { return w * e.m.calibration.Slope }

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

// spans says where statements stand, each once, in order.
func (e *explainer) spans(sites []site) []Span {
	spans := make([]Span, 0, min(len(sites), maxSpans))
	for _, at := range sites {
		s := e.span(at.segment, at.place)
		if len(spans) < maxSpans && !slices.Contains(spans, s) {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Start, b.Start)) })
	return spans
}

// span is where a statement stands. A very long one is shown from place on, and
// one of many lines by the line of place alone.
func (e *explainer) span(s *segment, place int32) Span {
	base := e.base(s.layer)
	l := &e.text.Layers[s.layer]
	last := s.to - base - 1
	for last > s.from-base && (l.Tokens[last].Kind == normalize.Newline || l.Tokens[last].Kind == normalize.Comment) {
		last--
	}
	start, end := int(l.Tokens[s.from-base].Start), int(l.Tokens[last].End)
	if place >= s.from && place < s.to && (end-start > maxSpan || bytes.Count(l.Text[start:end], []byte{'\n'}) >= maxLines) {
		at := l.Tokens[place-base]
		first, stop := start, end
		start, end = int(at.Start), int(at.End)
		if k := bytes.LastIndexByte(l.Text[first:start], '\n'); k >= 0 && start-first-k <= maxSpan/2 {
			start = first + k + 1 + indent(l.Text[first+k+1:start])
		} else if k < 0 && start-first <= maxSpan/2 {
			start = first
		}
		end = min(stop, max(end, start+maxSpan))
		if k := bytes.IndexByte(l.Text[at.End:max(end, int(at.End))], '\n'); k >= 0 {
			end = int(at.End) + k
		}
		end = min(end, start+2*maxSpan)
	}
	origin := e.text.Origin(s.layer, normalize.Span{Start: start, End: end})
	return Span{
		Layer: s.layer, Start: start, End: end,
		Line: e.text.Line(origin.Start), EndLine: e.text.Line(max(origin.Start, origin.End-1)),
	}
}

func indent(text []byte) int { return len(text) - len(bytes.TrimLeft(text, " \t")) }

// where says in words where spans stand. Lines of a decoded text are its own,
// and those of compiled code the ones that were compiled, where they are known.
func (e *explainer) where(spans []Span) string {
	var out []string
	for i := 0; i < len(spans) && len(out) < 3; {
		layer := spans[i].Layer
		var lines, sources []int
		for ; i < len(spans) && spans[i].Layer == layer; i++ {
			first, last := spans[i].Line, spans[i].EndLine
			if layer > 0 {
				text := e.text.Layers[layer].Text
				first = bytes.Count(text[:spans[i].Start], []byte{'\n'}) + 1
				last = first + bytes.Count(text[spans[i].Start:spans[i].End], []byte{'\n'})
			}
			for ; first <= last && len(lines) < maxPlaces; first++ {
				lines = append(lines, first)
			}
			sources = append(sources, e.sourceLines(spans[i])...)
		}
		of := ""
		if len(sources) > 0 {
			lines, of = sources, " of the compiled source"
		}
		out = append(out, inWords(lines)+of+e.decoded(layer, spans[i-1]))
	}
	return strings.Join(out, "; ")
}

// sourceLines are the lines that the lines of a span were compiled from, as far
// as they are known.
func (e *explainer) sourceLines(s Span) []int {
	l := &e.text.Layers[s.Layer]
	var lines []int
	for at := s.Start; at < s.End && len(lines) < maxPlaces; {
		if line := l.SourceLine(at); line > 0 {
			lines = append(lines, line)
		}
		next := bytes.IndexByte(l.Text[at:s.End], '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return lines
}

// inWords is "line 3", or "lines 3-5, 9".
func inWords(lines []int) string {
	slices.Sort(lines)
	lines = slices.Compact(lines)
	var b strings.Builder
	b.WriteString("line")
	if len(lines) > 1 {
		b.WriteByte('s')
	}
	for i := 0; i < len(lines); i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %d", lines[i])
		first := i
		for i+1 < len(lines) && lines[i+1] == lines[i]+1 {
			i++
		}
		if i > first {
			fmt.Fprintf(&b, "-%d", lines[i])
		}
	}
	return b.String()
}

// decoded says in words how a layer was hidden, and where.
func (e *explainer) decoded(layer int, s Span) string {
	if layer == 0 {
		return ""
	}
	how, member := "decoded from "+e.text.Layers[layer].Transform, ""
	top := layer
	for p := layer; p > 0; p = e.text.Layers[p].Parent {
		if p != layer {
			how += " in " + e.text.Layers[p].Transform
		}
		if name := e.text.Layers[p].Name; name != "" && member == "" {
			member = " of " + Quote([]byte(name))
			if p != layer {
				member = ", inside" + strings.TrimPrefix(member, " of")
			}
		}
		top = p
	}
	how = member + ", " + Quote([]byte(how))
	if site := e.text.Layers[top].Site; site.Start == 0 && site.End == len(e.text.Layers[0].Text) {
		return how // the script is an archive or compiled code: it has no lines
	}
	return how + " at line " + strconv.Itoa(s.Line)
}

// rest is the reason for what no behavior explains: the shape of the script,
// and statements that only resemble what was learned from. It points at the
// heaviest of them that do something.
func (e *explainer) rest(weight float64, only bool) (Reason, bool) {
	if e.shape > 0 {
		weight += e.shape
	}
	if weight <= 0 && !only {
		return Reason{}, false
	}
	r := Reason{Weight: e.units(max(weight, 0)), Technique: "T1027", Spans: []Span{}, Text: "Its wording and layout resemble known malicious scripts."}
	r.Plain = r.Text
	var heaviest []*segment
	for i := range e.segments {
		if s := &e.segments[i]; s.does == (behaviorSet{}) && s.weight > 0 && (only || s.weight >= weight/4) && e.acts(s) {
			heaviest = append(heaviest, s)
		}
	}
	slices.SortStableFunc(heaviest, func(a, b *segment) int { return cmp.Compare(b.weight, a.weight) })
	if len(heaviest) == 0 {
		return r, true
	}
	for _, s := range heaviest[:min(len(heaviest), 3)] {
		r.Spans = append(r.Spans, e.span(s, s.from))
	}
	first := r.Spans[0]
	r.Technique = ""
	r.Plain = "Other code resembles known malicious scripts."
	r.Text = fmt.Sprintf("Other code resembles known malicious scripts: `%s`.", Quote(e.text.Layers[first.Layer].Text[first.Start:first.End]))
	return r, true
}

// acts reports whether a statement does something: it is no import, no
// heading of a block and no setting of a name to a plain value.
func (e *explainer) acts(s *segment) bool {
	if e.isImport(s) == 1 {
		return false
	}
	l, from, to := e.tokens(s)
	switch string(l.Tokens[from].Bytes(l.Text)) {
	case "def", "class", "except", "try", "else", "finally", "pass", "return", "@", "break", "continue", "raise", "global", "async":
		return false
	}
	for i := from; i < to; i++ {
		if isOp(l, i, to, '(') && i > from {
			return true
		}
	}
	return false
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
func (e *explainer) base(layer int) int32 { return e.bases[layer] }

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
