package normalize

import "strings"

// Names that a script has without binding them one by one.

// importAll is "from module import *".
func (p *peeler) importAll(module value) {
	if module.kind != function {
		return
	}
	prefix := symbolNames[module.num] + "."
	for k, name := range symbolNames {
		if member, ok := strings.CutPrefix(name, prefix); ok && !strings.ContainsAny(member, ".(_") {
			p.setLocal(member, value{kind: function, num: int64(k)})
		}
	}
}

// documentation binds __doc__ where the text starts with a string that stands
// alone: some scripts hide another one there.
func (p *peeler) documentation() {
	if p.kind() != String || p.i+1 < len(p.toks) && p.toks[p.i+1].Kind != Newline {
		return
	}
	v := p.str()
	p.i = -1
	p.advance()
	if v.isText() {
		p.setLocal("__doc__", v)
	}
}
