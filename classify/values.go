package classify

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kingsnake/normalize"
)

// Bounds on the values read for reasons.
const (
	maxValue     = 512     // bytes of one value
	maxBindings  = 4096    // of a layer
	maxStatement = 2048    // tokens of a statement that are read for values
	maxValues    = 64      // of a statement
	maxRead      = 1 << 19 // tokens read for values and flows, all together
)

// site is where a behavior was seen.
type site struct {
	*segment
	behavior int
	place    int32
}

// behind reports whether s stands behind t in the same layer.
func (s site) behind(t site) bool { return s.layer == t.layer && s.place > t.place }

// literal is a value that a statement names: a text or a number.
type literal struct {
	text   string
	number bool
	place  int32 // token
	bound  int32 // token of the statement that gave it a name, or -1
}

// binding is a name with a known value.
type binding struct {
	place int32
	value literal
}

// tokens is the layer of a statement and the bounds of its tokens in there, the
// first maxStatement of them.
func (e *explainer) tokens(s *segment) (l *normalize.Layer, from, to int) {
	base := e.base(s.layer)
	return &e.text.Layers[s.layer], int(s.from - base), int(min(s.to, s.from+maxStatement) - base)
}

// isOp reports whether a token is the operator c.
func isOp(l *normalize.Layer, i, to int, c byte) bool {
	return i < to && l.Tokens[i].Kind == normalize.Op && l.Text[l.Tokens[i].Start] == c && l.Tokens[i].End == l.Tokens[i].Start+1
}

// nameAt reads a dotted name at token i, and returns the token behind it.
func nameAt(l *normalize.Layer, i, to int) (name string, next int) {
	if i >= to || l.Tokens[i].Kind != normalize.Name {
		return "", i
	}
	start := l.Tokens[i].Start
	end := l.Tokens[i].End
	for i++; isOp(l, i, to, '.') && i+1 < to && l.Tokens[i+1].Kind == normalize.Name; i += 2 {
		end = l.Tokens[i+1].End
	}
	return string(l.Text[start:min(end, start+maxValue)]), i
}

// bindings are the names of a layer that stand for one text or number. Scopes
// are not told apart.
func (e *explainer) bindings(layer int) map[string][]binding {
	if b, ok := e.bound[layer]; ok {
		return b
	}
	all := map[string][]binding{}
	e.bound[layer] = all
	n := 0
	for i := range e.segments {
		s := &e.segments[i]
		if s.layer != layer || n >= maxBindings {
			continue
		}
		l, k, to := e.tokens(s)
		name, eq := nameAt(l, k, to)
		if name != "" && isOp(l, eq, to, '=') {
			if v, ok := e.whole(l, s, eq+1, to); ok {
				all[name] = append(all[name], binding{s.from, v})
				n++
			}
			continue
		}
		if k < to && string(l.Tokens[k].Bytes(l.Text)) == "def" { // parameters with defaults
			for k++; k+2 < to; k++ {
				if name, eq := nameAt(l, k, to); name != "" && isOp(l, eq, to, '=') && n < maxBindings {
					if v, ok := e.one(l, s, eq+1); ok {
						all[name] = append(all[name], binding{s.from, v})
						n++
					}
				}
			}
		}
	}
	return all
}

// whole reads the value of an expression that must be all of tokens i to to.
func (e *explainer) whole(l *normalize.Layer, s *segment, i, to int) (literal, bool) {
	for to > i && (l.Tokens[to-1].Kind == normalize.Newline || l.Tokens[to-1].Kind == normalize.Comment || isOp(l, to-1, to, ';')) {
		to--
	}
	if i >= to {
		return literal{}, false
	}
	if to == i+1 {
		return e.one(l, s, i)
	}
	if value, next := e.constantAt(s.layer, i, to); next == to {
		return literal{text: short(value), place: e.base(s.layer) + int32(i), bound: s.from}, true
	}
	return literal{}, false
}

// one reads the literal at token i.
func (e *explainer) one(l *normalize.Layer, s *segment, i int) (literal, bool) {
	if i >= len(l.Tokens) {
		return literal{}, false
	}
	t := l.Tokens[i]
	v := literal{place: e.base(s.layer) + int32(i), bound: s.from}
	switch t.Kind {
	case normalize.Number:
		v.text, v.number = short(t.Bytes(l.Text)), true
	case normalize.String:
		v.text = e.str(l, t)
	default:
		return literal{}, false
	}
	return v, true
}

// str is what a string literal means. Expressions in an f-string that are not
// known are shown as "…".
func (e *explainer) str(l *normalize.Layer, t normalize.Token) string {
	if t.Flags&normalize.Format == 0 {
		if v, ok := normalize.StringValue(l.Text, t); ok {
			return short(v)
		}
	}
	text := body(t.Bytes(l.Text))
	text = text[:min(len(text), 2*maxValue)]
	if t.Flags&normalize.Format == 0 {
		return short(text)
	}
	var b strings.Builder
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case depth == 0 && i+1 < len(text) && (c == '{' || c == '}') && text[i+1] == c:
			b.WriteByte(c)
			i++
		case c == '{':
			if depth == 0 {
				b.WriteString("…")
			}
			depth++
		case c == '}' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return short([]byte(b.String()))
}

func short(v []byte) string {
	if len(v) <= maxValue {
		return string(v)
	}
	n := maxValue
	for n > 0 && !utf8.RuneStart(v[n]) {
		n--
	}
	return string(v[:n]) + "…"
}

// known is the value that a name stands for at a place: the last before it, or
// else the first.
func (e *explainer) known(layer int, name string, place int32) (literal, bool) {
	list := e.bindings(layer)[name]
	if len(list) == 0 {
		return literal{}, false
	}
	v := list[0].value
	for _, b := range list {
		if b.place < place {
			v = b.value
		}
	}
	return v, true
}

// literals lists the values that tokens [i, to) of a statement name.
func (e *explainer) literals(s *segment, l *normalize.Layer, i, to int) []literal {
	var out []literal
	base := e.base(s.layer)
	e.read += to - i
	for i < to && len(out) < maxValues && e.read < maxRead {
		if c, next := e.constantAt(s.layer, i, to); next > i {
			out = append(out, literal{text: short(c), place: base + int32(i), bound: -1})
			i = next
			continue
		}
		switch l.Tokens[i].Kind {
		case normalize.String, normalize.Number:
			v, _ := e.one(l, s, i)
			v.bound = -1
			for i++; i < to && l.Tokens[i].Kind == normalize.String && !v.number; i++ {
				v.text += e.str(l, l.Tokens[i])
			}
			if isOp(l, i, to, '+') && !v.number {
				v.text += "…"
			}
			out = append(out, v)
		case normalize.Name:
			name, next := nameAt(l, i, to)
			if v, ok := e.known(s.layer, name, s.from); ok && !isOp(l, next, to, '=') && !isOp(l, next, to, '(') {
				v.place = base + int32(i)
				out = append(out, v)
			}
			i = next
		default:
			i++
		}
	}
	return out
}

// constantAt is the text put together by the longest expression that starts at
// token i, and the token behind it; i when there is none.
func (e *explainer) constantAt(layer, i, to int) (value []byte, next int) {
	l := &e.text.Layers[layer]
	if e.constants[layer] == nil {
		all := map[int]normalize.Constant{}
		for _, c := range l.Constants {
			if old, ok := all[c.Span.Start]; !ok || c.Span.End > old.Span.End {
				all[c.Span.Start] = c
			}
		}
		e.constants[layer] = all
	}
	c, ok := e.constants[layer][int(l.Tokens[i].Start)]
	if !ok {
		return nil, i
	}
	for next = i; next < to && int(l.Tokens[next].End) <= c.Span.End; next++ {
	}
	return c.Value, next
}

// call is the tokens between the parentheses of the call that a site is.
func (e *explainer) call(at site) (l *normalize.Layer, from, to int, ok bool) {
	l, _, end := e.tokens(at.segment)
	i := int(at.place - e.base(at.layer))
	_, next := nameAt(l, i, end)
	for i = max(next, i); i < end && i < int(at.place-e.base(at.layer))+8 && !isOp(l, i, end, '('); i++ {
	}
	if !isOp(l, i, end, '(') {
		return l, 0, 0, false
	}
	from, depth := i+1, 1
	for i = from; i < end; i++ {
		if t := l.Tokens[i]; t.Kind == normalize.Op {
			switch l.Text[t.Start] {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				if depth--; depth == 0 {
					return l, from, i, true
				}
			}
		}
	}
	return l, from, end, true
}

// argument is the first argument of a call: the strings of a list are joined.
func (e *explainer) argument(at site) (literal, bool) {
	l, from, to, ok := e.call(at)
	if !ok {
		return literal{}, false
	}
	depth, end := 0, to
	for i := from; i < to && end == to; i++ {
		if t := l.Tokens[i]; t.Kind == normalize.Op {
			switch l.Text[t.Start] {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth--
			case ',':
				if depth == 0 {
					end = i
				}
			}
		}
	}
	list := slices.DeleteFunc(e.literals(at.segment, l, from, end), func(v literal) bool { return v.number })
	if len(list) == 0 {
		return literal{}, false
	}
	v := list[0]
	first := from
	for isOp(l, first, to, '[') || isOp(l, first, to, '(') {
		first++
	}
	if v.place > e.base(at.layer)+int32(first) {
		v.text = "… " + v.text // what stands before is not known
	}
	if isOp(l, from, to, '[') || isOp(l, from, to, '(') {
		for _, more := range list[1:] {
			v.text += " " + more.text
		}
	}
	return v, true
}

// value finds what to put into a slot, looking through the sites in order.
func (e *explainer) value(slot string, sites []site) (text string, used []int32) {
	var found []string
	for _, at := range sites {
		v, place, ok := e.valueAt(slot, at)
		if !ok {
			continue
		}
		if place >= 0 {
			used = append(used, place)
		}
		if v = show(v); !slices.Contains(found, v) {
			found = append(found, v)
		}
		if len(found) == 2 {
			break
		}
	}
	return strings.Join(found, " and "), used
}

// valueAt finds a value in the statement of a site. Bound is the statement
// that gave it a name, or -1.
func (e *explainer) valueAt(slot string, at site) (v string, bound int32, ok bool) {
	id := behaviors[at.behavior].id
	switch slot {
	case slotCommand:
		if strings.HasPrefix(id, "proc.") {
			v, ok := e.argument(at)
			return v.text, v.bound, ok && strings.TrimSpace(strings.Trim(v.text, "…")) != ""
		}
		return "", -1, false
	case slotName:
		v, ok := e.argument(at)
		return v.text, v.bound, ok && v.text != ""
	}
	l, from, to := e.tokens(at.segment)
	list := e.literals(at.segment, l, from, to)
	for i, v := range list {
		if v.number {
			continue
		}
		switch slot {
		case slotURL:
			if u := urlIn(v.text); u != "" {
				return u, v.bound, true
			}
		case slotPath:
			if isPath(v.text) {
				return v.text, v.bound, true
			}
		case slotHost:
			host := hostIn(v.text)
			if host == "" {
				continue
			}
			if i+1 < len(list) {
				if port, err := strconv.Atoi(list[i+1].text); err == nil && port > 0 && port < 1<<16 && !strings.Contains(host, ":") {
					host += ":" + list[i+1].text
				}
			}
			return host, v.bound, true
		}
	}
	return "", -1, false
}

// urlIn is the first URL in a text.
func urlIn(text string) string {
	first := -1
	for _, scheme := range []string{"http://", "https://", "ftp://", "ws://", "wss://", "tcp://", "stratum+tcp://", "stratum+ssl://"} {
		if i := strings.Index(text, scheme); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first < 0 {
		return ""
	}
	url := text[first:]
	if end := strings.IndexAny(url, " \t\r\n\"'<>`|;()\\"); end >= 0 {
		url = url[:end]
	}
	if _, rest, _ := strings.Cut(url, "://"); len(strings.Trim(rest, "…/")) < 3 {
		return ""
	}
	return url
}

// hostIn is a text that is a host or a host and a port, or "".
func hostIn(text string) string {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text, _, _ = strings.Cut(rest, "/")
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return text
	}
	host, port, hasPort := strings.Cut(text, ":")
	if hasPort {
		if n, err := strconv.Atoi(port); err != nil || n <= 0 || n >= 1<<16 {
			return ""
		}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return text
	}
	labels := strings.Split(host, ".")
	if len(host) > 253 || len(labels) < 2 && host != "localhost" {
		return ""
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return ""
		}
	}
	if last := labels[len(labels)-1]; len(last) < 2 || strings.ContainsAny(last, "0123456789") {
		return ""
	}
	return text
}

// isPath reports whether a text looks like a file's name.
func isPath(text string) bool {
	if len(text) < 3 || len(text) > 200 || strings.Contains(text, "://") || strings.ContainsAny(text, "\r\n\t<>|\"'*,;={}()") {
		return false
	}
	if strings.HasPrefix(text, "~") || strings.HasPrefix(text, "/") && !strings.Contains(text, " ") || len(text) > 2 && text[1] == ':' {
		return true
	}
	if strings.ContainsAny(text, "/\\") && !strings.Contains(text, " ") {
		return true
	}
	dot := strings.LastIndexByte(text, '.')
	return dot >= 0 && len(text)-dot >= 2 && len(text)-dot <= 6 && strings.Trim(text[dot+1:], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// show makes a value fit for a sentence: plain when it can not be mistaken for
// the words around it, else quoted.
func show(v string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/:@%?&=~+#\\…[]"
	if len(v) <= maxQuote && strings.Trim(v, plain) == "" && strings.ContainsAny(v, "./:\\") {
		return v
	}
	return "`" + Quote([]byte(v)) + "`"
}

// nested reports whether one site stands in the parentheses of another, which
// passes its value on.
func (e *explainer) nested(inner, outer site) bool {
	if inner.segment != outer.segment {
		return false
	}
	_, from, to, ok := e.call(outer)
	at := int(inner.place - e.base(outer.layer))
	return ok && at >= from && at < to
}

// cutLast splits a dotted name at its last point.
func cutLast(name string) (object, attribute string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}
