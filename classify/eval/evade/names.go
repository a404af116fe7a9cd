package evade

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"

	"kingsnake/normalize"
)

func names() []Transform {
	return []Transform{
		{Name: "rename: noise", Says: "the script's own names become meaningless ones", Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			style := r.IntN(3)
			return s.rename(func(i int) string {
				switch style {
				case 0:
					return fmt.Sprintf("_0x%04x%02x", r.IntN(1<<16), i%256) + strings.Repeat("_", i/256)
				case 1:
					b := []byte("l")
					for n := i + 64; n > 0; n /= 2 {
						b = append(b, "Il"[n%2])
					}
					return string(b)
				}
				b := make([]byte, 9)
				for k := range b {
					b[k] = byte('a' + r.IntN(26))
				}
				return fmt.Sprintf("%s%d", b, i)
			})
		})},
		{Name: "rename: sensible", Says: "the script's own names become those of an office program", Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			return s.rename(sensible(r))
		})},
	}
}

// sensible names things as harmless programs do, each name once.
func sensible(r *rand.Rand) func(i int) string {
	order := r.Perm(len(verbs) * len(nouns))
	return func(i int) string {
		k := order[i%len(order)]
		name := verbs[k%len(verbs)] + "_" + nouns[k/len(verbs)]
		if i >= len(order) {
			name += fmt.Sprint(i)
		}
		return name
	}
}

var (
	verbs = []string{"current", "sorted", "report", "monthly", "parsed", "active", "default", "pending", "total", "cached", "merged", "visible", "local", "final", "sample", "daily"}
	nouns = []string{"invoice", "column", "profile", "chapter", "ledger", "ticket", "layout", "station", "recipe", "lesson", "weather", "customer", "schedule", "catalog", "summary", "widget", "margin", "holiday"}
)

// bindings are the names that a script binds.
type bindings struct {
	own       map[string]bool // by assignment, def, class, as a parameter or target
	imported  map[string]bool // by import, without "as"
	members   map[string]bool // in the body of a class
	annotated map[string]bool
	params    map[string]bool
	star      bool // from x import *

	parameter map[int]bool // tokens that name parameters
	order     []string     // own, in order of appearance
}

func (b *bindings) add(name string, member bool) {
	if !b.own[name] {
		b.own[name] = true
		b.order = append(b.order, name)
	}
	if member {
		b.members[name] = true
	}
}

// scope is the body of a class or function, by its indentation.
type scope struct {
	class bool
	width int
}

// bind finds the names that the script binds.
func (s *script) bind() *bindings {
	b := &bindings{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, false, map[int]bool{}, nil}
	var scopes []scope
	for _, l := range s.lines {
		width := len(strings.ReplaceAll(l.indent, "\t", "        "))
		for len(scopes) > 0 && width <= scopes[len(scopes)-1].width {
			scopes = scopes[:len(scopes)-1]
		}
		member := len(scopes) > 0 && scopes[len(scopes)-1].class
		at := l.first
		if s.is(at, "async") {
			at++
		}
		if s.is(at, "class") || s.is(at, "def") {
			b.add(s.word(at+1), member)
			scopes = append(scopes, scope{s.is(at, "class"), width})
			if s.is(at, "def") && s.is(at+2, "(") {
				s.bindParameters(b, at+2, s.close[at+2])
			}
			member = member || s.is(at, "class") // of a class on one line
		}
		s.bindLine(b, l, member)
	}
	return b
}

// bindParameters reads the parameters in tokens (open, end).
func (s *script) bindParameters(b *bindings, open, end int) {
	for i := open + 1; i < end; i++ {
		if !s.name(i) || s.within[i] != s.within[open+1] && s.within[i] != open {
			continue
		}
		switch s.word(i - 1) {
		case "(", ",", "*", "**", "lambda":
			b.add(s.word(i), false)
			b.params[s.word(i)] = true
			b.parameter[i] = true
		}
	}
}

func (s *script) bindLine(b *bindings, l line, member bool) {
	for i := l.first; i < l.end; i++ {
		switch s.word(i) {
		case "for":
			for k := i + 1; k < l.end && !s.is(k, "in"); k++ {
				if s.name(k) && s.target(k) {
					b.add(s.word(k), member)
				}
			}
		case "lambda":
			end := i + 1
			for end < l.end && !(s.is(end, ":") && s.within[end] == s.within[i]) {
				end++
			}
			for k := i + 1; k < end; k++ {
				if prev := s.word(k - 1); s.name(k) && s.within[k] == s.within[i] && (k == i+1 || prev == "," || prev == "*" || prev == "**") {
					b.add(s.word(k), false)
					b.params[s.word(k)] = true
					b.parameter[k] = true
				}
			}
		case ":=":
			b.add(s.word(i-1), member)
		}
	}
	for _, part := range s.simple(l) {
		s.bindSimple(b, part[0], part[1], member)
	}
}

// bindSimple reads what one simple statement, or the head of a compound one,
// binds.
func (s *script) bindSimple(b *bindings, from, to int, member bool) {
	switch s.word(from) {
	case "import", "from":
		for i := from + 1; i < to; i++ {
			switch {
			case s.is(i, "*"):
				b.star = true
			case s.is(i, "as"):
				b.add(s.word(i+1), member)
				i++
			case s.name(i) && !s.is(i-1, ".") && (s.is(from, "import") || i > s.find(from, to, "import")):
				if !s.is(i+1, "as") {
					b.imported[s.word(i)] = true
				}
			}
		}
		return
	case "with", "except", "async":
		for i := from; i < to; i++ {
			if s.is(i, "as") || s.is(from, "except") && s.is(i, ",") && s.within[i] == s.within[from] {
				for k := i + 1; k < to && !s.is(k, ","); k++ {
					if s.name(k) && s.target(k) {
						b.add(s.word(k), member)
					}
				}
			}
		}
		return
	}
	if s.name(from) && s.is(from+1, ":") && s.tokens[from].Flags&normalize.First != 0 {
		b.add(s.word(from), member)
		b.annotated[s.word(from)] = true
		return
	}
	last := from
	for i := from; i < to; i++ {
		if s.within[i] == s.within[from] && s.is(i, "=") {
			for k := last; k < i; k++ {
				if s.name(k) && s.target(k) {
					b.add(s.word(k), member)
				}
			}
			last = i + 1
		}
	}
}

// find returns the first token in [from, to) that is spelled word, or to.
func (s *script) find(from, to int, word string) int {
	for i := from; i < to; i++ {
		if s.is(i, word) {
			return i
		}
	}
	return to
}

// target reports whether the name at i, on the left of an assignment, is
// itself what is assigned to.
func (s *script) target(i int) bool {
	if s.is(i-1, ".") || s.is(i+1, ".") || s.is(i+1, "[") || s.is(i+1, "(") {
		return false
	}
	for at := s.within[i]; at >= 0; at = s.within[at] {
		if k := s.kind(at - 1); k == normalize.Name || k == normalize.String || s.is(at-1, ")") || s.is(at-1, "]") {
			return false // an index or an argument
		}
	}
	return true
}

// keyword reports whether the name at i is that of a keyword argument.
func (s *script) keyword(b *bindings, i int) bool {
	return s.is(i+1, "=") && s.within[i] >= 0 && s.is(s.within[i], "(") && !b.parameter[i]
}

// builtins are names of Python itself that scripts like to bind anew.
var builtins = regexp.MustCompile(`^(__.*|_|self|cls|print|exec|eval|input|raw_input|unicode|xrange|range|str|bytes|int|long|float|list|dict|set|tuple|object|type|id|file|open|iter|next|map|filter|zip|sum|min|max|len|hash|hex|oct|bin|ord|chr|all|any|dir|vars|locals|globals|format|compile|super|property|match|case|async|await|nonlocal|basestring|unichr|reduce|reload|buffer|sorted|reversed|abs|pow|round|help|exit|quit|copyright|credits|license|True|False|None|FileNotFoundError|ModuleNotFoundError|ConnectionError|TimeoutError|JSONDecodeError|[A-Z]\w*Error|[A-Z]\w*Exception)$`)

// rename gives the script's own names new ones, which newName makes.
func (s *script) rename(newName func(i int) string) ([]byte, bool) {
	b := s.bind()
	keep := map[string]bool{}
	stringly, unpacks := false, false
	for i := range s.tokens {
		switch word := s.word(i); {
		case word == "locals" || word == "globals" || word == "vars" || word == "eval" || word == "exec" || word == "compile" || word == "__all__" || word == "Template" || word == "setattr" || word == "getattr" || word == "__dict__" || word == "delattr":
			stringly = true
		case word == "**" && s.within[i] >= 0 && (s.is(i-1, ",") || s.is(i-1, "(")):
			unpacks = true
		case s.name(i) && s.keyword(b, i) && b.params[word]:
			keep[word] = true // of a function of its own
		}
	}
	used := map[string]bool{}
	for _, t := range s.tokens { // f"{name=}" prints the name
		for _, span := range normalize.Embedded(s.src, t) {
			if expr := strings.TrimSpace(string(s.src[span.Start:span.End])); strings.HasSuffix(expr, "=") {
				for _, w := range identifier.FindAllString(expr, -1) {
					keep[w] = true
				}
			}
		}
	}
	if stringly {
		for i, t := range s.tokens {
			if t.Kind == normalize.String {
				for _, w := range identifier.FindAllString(s.word(i), -1) {
					keep[w] = true
				}
			}
		}
	}
	for i := range s.tokens {
		used[s.word(i)] = true
	}
	to := map[string]string{}
	for _, name := range b.order {
		if keep[name] || b.imported[name] || b.members[name] || unpacks && b.params[name] || builtins.MatchString(name) || strings.HasPrefix(name, "__") {
			continue
		}
		fresh := newName(len(to))
		for n := 1; used[fresh]; n++ {
			fresh = newName(len(to) + 1000*n)
		}
		used[fresh] = true
		to[name] = fresh
	}
	var e edits
	s.renameIn(&e, 0, b, to)
	return e.apply(s.src)
}

var identifier = regexp.MustCompile(`[A-Za-z_]\w*`)

// renameIn renames in all tokens, those of expressions in f-strings included;
// base is where the script lies in the outermost one.
func (s *script) renameIn(e *edits, base int, b *bindings, to map[string]string) {
	for i, t := range s.tokens {
		if t.Kind == normalize.String {
			for _, span := range normalize.Embedded(s.src, t) {
				inner, ok := read(s.src[span.Start:span.End])
				if ok && len(inner.lines) == 1 {
					inner.renameIn(e, base+span.Start, inner.bind(), to)
				}
			}
			continue
		}
		fresh, ok := to[s.word(i)]
		if !ok || !s.name(i) || s.is(i-1, ".") || s.keyword(b, i) || s.modulePath(i) {
			continue
		}
		e.replace(normalize.Span{Start: base + int(t.Start), End: base + int(t.End)}, fresh)
	}
}

// modulePath reports whether token i is part of an import and names what is
// imported.
func (s *script) modulePath(i int) bool {
	l := s.lineOf(i)
	for _, part := range s.simple(l) {
		if part[0] <= i && i < part[1] && (s.is(part[0], "import") || s.is(part[0], "from")) {
			return !s.is(i-1, "as")
		}
	}
	return false
}
