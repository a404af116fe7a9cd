package normalize

import "strings"

// source is a text and its tokens. Values point into the layer's own; what is
// evaluated in its stead, such as the text in eval("…"), has one of its own.
type source struct {
	src    []byte
	toks   []Token
	suites map[int32]suite // by the token of their colon
}

// code is a function of the script.
type code struct {
	*source
	names    []int32 // tokens of parameters
	defaults []value // of all parameters, as far as they have one
	at       int32   // the token that its expression starts at, or the colon before its block
	block    bool    // it is a block of statements
	method   bool    // its first parameter is the object
	failures int     // calls that came to nothing
}

// maxFailures is how often a function is called in vain.
const maxFailures = 4

// frame holds what names were bound to before a function or a loop bound them
// anew.
type frame struct {
	before []boundName
	places map[string]int // in before, once there are many
	free   []string       // names that stay bound: global and nonlocal ones
	body   bool           // it is a function's, and not a loop's
	gen    *given         // what a generator gave so far
	result value          // what a function returns
	outer  *frame
	level  int // frames around it
}

// boundName is a name and what it is bound to.
type boundName struct {
	name  string
	value value
}

// fewNames is how many names of a frame are looked through one by one.
const fewNames = 12

// has reports whether the frame holds what name was bound to.
func (f *frame) has(name string) bool {
	if f.places != nil {
		_, ok := f.places[name]
		return ok
	}
	for i := range f.before {
		if f.before[i].name == name {
			return true
		}
	}
	return false
}

// keep notes what name was bound to.
func (f *frame) keep(name string, v value) {
	f.before = append(f.before, boundName{name, v})
	switch {
	case f.places != nil:
		f.places[name] = len(f.before) - 1
	case len(f.before) > fewNames:
		f.places = map[string]int{}
		for i := range f.before {
			f.places[f.before[i].name] = i
		}
	}
}

// pushFrame starts a frame.
func (p *peeler) pushFrame() *frame {
	f := p.idle
	if f == nil {
		f = &frame{}
	}
	p.idle = nil
	if f.outer = p.frame; f.outer != nil {
		f.level = f.outer.level + 1
	}
	p.frame = f
	return f
}

// popFrame ends the frame f, which must not be used any more, and binds all
// names to what they were bound to before.
func (p *peeler) popFrame(f *frame) {
	p.frame = f.outer
	for i := range f.before {
		b := &f.before[i]
		free := false
		for _, other := range f.free {
			free = free || other == b.name
		}
		if !free {
			p.setLocal(b.name, b.value)
		}
	}
	if len(f.before) <= fewNames {
		clear(f.before)
		*f = frame{before: f.before[:0]}
		p.idle = f
	}
}

// setLocal binds a name, or unbinds it where v is not known.
func (p *peeler) setLocal(name string, v value) {
	if p.frame != nil {
		if !p.frame.has(name) {
			p.frame.keep(name, p.env[name])
		}
	}
	if !v.known() {
		delete(p.env, name)
		return
	}
	if len(p.env) >= maxNames {
		if _, ok := p.env[name]; !ok {
			p.u.note("left names of layer %d unbound: more than %d", p.layer, maxNames)
			return
		}
	}
	v.named = true
	p.ever.add(name)
	p.env[name] = v
}

// nameSet tells most names that are not in it from those that are: most names
// of a script are bound to nothing that is known.
type nameSet [64]uint64

// nameBit is the bit of a name, with a point in front for attributes.
func nameBit[T string | []byte](name T, attribute bool) (word, bit uint32) {
	n := len(name)
	if n == 0 {
		return 0, 0
	}
	h := uint32(name[0]) + uint32(name[n/2])*67 + uint32(name[n-1])*523 + uint32(n)*1201
	if attribute {
		h += 2113
	}
	return h >> 6 & 63, h & 63
}

func (s *nameSet) add(name string) {
	attribute := name != "" && name[0] == '.'
	if attribute {
		name = name[1:]
	}
	word, bit := nameBit(name, attribute)
	s[word] |= 1 << bit
}

// has reports whether a name may be in the set.
func (s *nameSet) has(name []byte, attribute bool) bool {
	word, bit := nameBit(name, attribute)
	return s[word]>>bit&1 == 1
}

// place is the state of reading, to come back to.
type place struct {
	source   *source
	site     Span
	i, begin int
	again    bool
}

// here is the place that is read.
func (p *peeler) here() place { return place{p.source, p.site, p.i, p.begin, p.again} }

// back goes back to a place.
func (p *peeler) back(to place) {
	p.source, p.site, p.i, p.begin, p.again = to.source, to.site, to.i, to.begin, to.again
}

// enter goes to a text that is read in the stead of the layer's; whatever is
// made there comes from the expression that is read now.
func (p *peeler) enter(s *source) {
	if s == p.source {
		return
	}
	if p.source == p.home {
		p.site = p.spanHere()
	}
	p.source = s
}

// spanHere is where the statement that is read stands, up to what was read of
// it.
func (p *peeler) spanHere() Span {
	if p.source != p.home {
		return p.site
	}
	start := int32(0)
	if p.begin < len(p.toks) {
		start = p.toks[max(p.begin, 0)].Start
	}
	return Span{int(start), int(max(p.lastEnd(), start+1))}
}

// maxCalls bounds how deep functions of the script call each other.
const maxCalls = 16

// callLambda calls a function of the script.
func (p *peeler) callLambda(called value, args []value) (out value) {
	c := called.extra.code
	if c.method && len(called.extra.items) == 0 && len(args) < len(c.names) {
		args = append([]value{{}}, args...)
	}
	if p.calls >= maxCalls || !p.step() || len(args) > len(c.names) || c.failures >= maxFailures {
		return value{}
	}
	known := len(c.names) == 0
	values := make([]value, len(c.names))
	for i := range values {
		if i < len(args) {
			values[i] = args[i]
			known = known || args[i].known()
		} else if i < len(c.defaults) {
			values[i] = c.defaults[i]
			if c.source != p.home {
				values[i].literal = false
			}
			known = known || values[i].known()
		}
	}
	if !known && !c.method {
		return value{}
	}
	layers := len(p.u.layers)
	to, limit := p.here(), p.stepLimit
	if p.calls == 0 {
		p.stepLimit = min(limit, p.u.steps+(limit-p.u.steps)/4)
	}
	p.enter(c.source)
	f := p.pushFrame()
	for i, name := range c.names {
		p.setLocal(string(NameValue(c.src, c.toks[name])), values[i])
	}
	p.begin, p.again = int(c.at), true
	p.calls++
	if c.block {
		p.quiet++
		f.body = true
		s := p.suite(int(c.at), p.suiteColumn(int(c.at)))
		p.block(s)
		p.quiet--
		if out = f.result; f.gen != nil {
			out = p.generated(f.gen, out)
		}
	} else {
		p.i = int(c.at)
		out = p.test()
	}
	p.calls--
	p.stepLimit = limit
	p.extended = p.extended && p.calls > 0
	p.popFrame(f)
	p.back(to)
	if out.known() {
		out.named = false
	} else if len(p.u.layers) == layers {
		c.failures++
	}
	if out.kind == none {
		return value{kind: settled}
	}
	return out
}

// suite is a block of statements: the tokens [start, end).
type suite struct{ start, end int }

// maxIndent bounds the white space that is counted in front of a line.
const maxIndent = 512

// column is how far the line of a token is indented.
func (s *source) column(at int) int {
	i := int(s.toks[at].Start)
	n := 0
	for i > 0 && n < maxIndent && (s.src[i-1] == ' ' || s.src[i-1] == '\t') {
		if s.src[i-1] == '\t' {
			n += 7
		}
		n++
		i--
	}
	return n
}

// suiteColumn is the column of the statement whose head ends in a colon.
func (p *peeler) suiteColumn(colon int) int {
	for i := colon; i >= 0 && i > colon-4096; i-- {
		if p.toks[i].Flags&First != 0 {
			return p.column(i)
		}
	}
	return 0
}

// suite finds the block behind the colon of a statement that is indented so
// far.
func (p *peeler) suite(colon, column int) suite {
	if s, ok := p.suites[int32(colon)]; ok {
		return s
	}
	i := colon + 1
	for i < len(p.toks) && p.toks[i].Kind == Comment {
		i++
	}
	s := suite{i, i}
	if i < len(p.toks) && p.toks[i].Kind != Newline {
		for s.end < len(p.toks) && p.toks[s.end].Kind != Newline && (s.end == i || p.toks[s.end].Flags&First == 0) {
			s.end++
		}
	} else if i < len(p.toks) {
		for i < len(p.toks) && p.toks[i].Flags&First == 0 {
			i++
		}
		s = suite{i, i}
		if i < len(p.toks) {
			if inside := p.column(i); inside > column {
				for s.end = i + 1; s.end < len(p.toks); s.end++ {
					if p.toks[s.end].Flags&First != 0 && p.column(s.end) < inside {
						break
					}
				}
			}
		}
	}
	p.u.steps += (s.end - s.start) / 16
	if p.again && len(p.suites) < 1<<12 {
		if p.suites == nil {
			p.suites = map[int32]suite{}
		}
		p.suites[int32(colon)] = s
	}
	return s
}

// maxSuite bounds the tokens of a block that is run.
const maxSuite = 1 << 12

// decodes reports whether a block looks as if it made text, so that running it
// is worth while: most functions and loops do other things.
func (p *peeler) decodes(s suite) bool {
	if s.end-s.start > maxSuite {
		return false
	}
	p.u.steps += (s.end - s.start) / 16
	for _, t := range p.toks[s.start:s.end] {
		word := t.Bytes(p.src)
		switch t.Kind {
		case Op:
			if word[0] == '^' {
				return true
			}
		case Name:
			if makesText(string(word)) {
				return true
			}
			if p.aliases {
				if v, ok := p.env[string(word)]; ok && v.kind == function && makesText(lastName(symbolNames[v.num])) {
					return true
				}
			}
		}
	}
	return false
}

// lastName is what stands behind the last dot of a full name.
func lastName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// makesText reports whether a function of this name makes text, or runs it.
func makesText(name string) bool {
	switch name {
	case "chr", "unichr", "ord", "exec", "eval", "compile", "bytes", "bytearray", "fromhex", "unhexlify", "decode",
		"b64decode", "decompress", "decrypt", "translate", "replace", "join", "getattr", "__import__",
		"to_bytes", "b32decode", "b85decode", "a85decode", "b16decode", "loads":
		return true
	}
	return false
}
