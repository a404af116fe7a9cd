package normalize

// The bounds of a text that is evaluated where it is passed to eval, and of one
// that is run where it is passed to exec: longer ones are layers alone.
const (
	maxEvaluated  = 256 << 10
	maxRun        = 4 << 10
	maxTextTokens = 1 << 12
)

// evaluateText gives the value of an expression that stands in a text.
func (p *peeler) evaluateText(v value) value {
	out := value{}
	p.readText(v, func() {
		out = p.test()
		if p.kind() != Newline && p.i < len(p.toks) {
			out = value{}
		}
	})
	return p.brought(out, v)
}

// runText runs the statements of a text, for the names it binds.
func (p *peeler) runText(v value) {
	if len(v.data) > maxRun {
		return
	}
	p.readText(v, func() { p.block(suite{0, len(p.toks)}) })
}

// readText reads a text in the stead of the layer's.
func (p *peeler) readText(v value, read func()) {
	if len(v.data) > maxEvaluated || p.calls >= maxCalls || p.nesting > maxExpression/2 || !p.step() {
		return
	}
	to := p.here()
	s := p.lexed(v.data)
	if s == nil {
		return
	}
	site := p.spanHere()
	if v.end > v.start && p.source == p.home {
		site = Span{int(v.start), int(v.end)}
	}
	p.source, p.site = s, site
	p.i, p.begin, p.again = -1, 0, true
	p.quiet++
	p.muted++ // what is executed there is found when the text is a layer itself
	p.calls++
	p.advance()
	read()
	p.calls--
	p.muted--
	p.quiet--
	p.back(to)
}

// The bounds of the texts that are kept with their tokens, as one in a loop is
// evaluated again and again.
const (
	maxKept     = 64
	maxKeptText = 512
)

// lexed gives a text and its tokens, or nil if a bound is reached.
func (p *peeler) lexed(data []byte) *source {
	if s := p.kept[string(data)]; s != nil {
		return s
	}
	if !p.u.spend(min(len(data)*4, maxTextTokens*16) + overhead) {
		return nil
	}
	text := trimSpace(data)
	s := &source{src: text, toks: lexUpTo(text, maxTextTokens)}
	p.u.steps += len(s.toks)
	if len(data) <= maxKeptText && len(p.kept) < maxKept {
		if p.kept == nil {
			p.kept = map[string]*source{}
		}
		p.kept[string(data)] = s
	}
	return s
}

// brought makes a value that was evaluated in the text of v one of the text
// that v stands in.
func (p *peeler) brought(out, v value) value {
	if out.isText() && !out.named {
		step := out.steps()
		if step == "" {
			step = "eval"
		}
		return p.derive(v, out.kind, out.data, step)
	}
	out.start, out.end = v.start, v.end
	return out
}

// trimSpace takes the spaces in front of a text off, which eval passes over.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// formatted gives the value of an f-string whose expressions are known.
func (p *peeler) formatted(t Token, spans []Span, start, end int32) value {
	open, stop, _ := quotes(p.src, t)
	out := value{kind: text, start: start, end: end}
	var data []byte
	i := open
	plain := func(to int) bool {
		for ; i < to; i++ {
			c := p.src[i]
			switch {
			case c == '\\' && t.Flags&Raw == 0:
				var n int
				data, n = appendEscape(data, p.src[i:to], false)
				i += n - 1
			case c == '{' || c == '}':
				if i+1 >= to || p.src[i+1] != c {
					return false
				}
				data = append(data, c)
				i++
			default:
				data = append(data, c)
			}
		}
		return true
	}
	for _, span := range spans {
		// Behind the expression only its brace may stand.
		if span.End >= stop || p.src[span.End] != '}' || span.Start-1 < i || !plain(span.Start-1) {
			return value{}
		}
		v := p.embedded(span, start, end)
		conversion := byte('s')
		if v.boolean {
			return value{}
		}
		var ok bool
		if data, ok = appendFormat(data, v, conversion); !ok || len(data) > p.u.left() {
			return value{}
		}
		p.use(v)
		i = span.End + 1
	}
	if !plain(stop) || !p.u.spend(len(data)+overhead) {
		return value{}
	}
	site := Span{int(start), int(end)}
	out.data = data
	out.extra = &extra{steps: "format", pieces: []piece{{0, int32(site.Start), int32(site.End)}}}
	return out
}

// mayFormat reports whether the first of the expressions may be known.
func (p *peeler) mayFormat(spans []Span) bool {
	word := p.src[spans[0].Start:spans[0].End]
	n := 0
	for n < len(word) && byteClass[word[n]] == className || n > 0 && n < len(word) && byteClass[word[n]] == classDigit {
		n++
	}
	if n == 0 {
		return len(word) > 0 && (byteClass[word[0]] == classQuote || byteClass[word[0]] == classDigit)
	}
	if _, ok := p.env[string(word[:n])]; ok {
		return true
	}
	return n < len(word) && builtinValue(word[:n]).known()
}

// embedded gives the value of an expression in an f-string: a name, or what
// starts with one that is known.
func (p *peeler) embedded(span Span, start, end int32) value {
	word := p.src[span.Start:span.End]
	if p.watching > 0 {
		p.levels = ^uint64(0) // its names are not looked up one by one
	}
	n := 0
	for n < len(word) && (byteClass[word[n]] == className || n > 0 && byteClass[word[n]] == classDigit) {
		n++
	}
	if n > 0 {
		v, ok := p.env[string(word[:n])]
		if n == len(word) {
			return v
		}
		if !ok && !builtinValue(word[:n]).known() {
			return value{}
		}
	}
	if n == 0 && (len(word) == 0 || byteClass[word[0]] != classQuote && byteClass[word[0]] != classDigit) {
		return value{}
	}
	return p.evaluateText(value{kind: text, data: word, start: start, end: end, extra: &extra{pieces: []piece{{0, start, end}}}})
}
