package augment

import (
	"strings"

	"kingsnake/normalize"
)

// rename gives most names that the script binds itself, and the modules it
// imports, other names. Each name becomes the same everywhere, so scopes need
// not be known. Names that somebody else may know stay: attributes and methods,
// keyword arguments, and names in strings that the script may look up.
func rename(s *script, j *job) []byte {
	own := ownNames(s)
	if len(own) == 0 {
		return nil
	}
	n := j.names(s)
	keep := pick(j, 0, 0, 4, 10) // one in so many stays
	fresh := map[string]string{}
	for _, name := range own {
		if keep == 0 || !j.chance(keep) {
			fresh[name] = n.next()
		}
	}
	var edits []edit
	imports := importedNames(s)
	s.eachName(0, len(s.text), 0, func(name string, start, end int, fixed bool) {
		if with, ok := fresh[name]; ok && !fixed {
			if imports[start] {
				with = name + " as " + with
			}
			edits = append(edits, edit{start, end, with})
		}
	})
	return apply(s.text, edits)
}

// ownNames lists what may be renamed, in the order of appearance.
func ownNames(s *script) []string {
	var bound []string
	is := map[string]bool{}
	bind := func(i int) {
		if s.tokens[i].Kind != normalize.Name || s.tokens[i].Flags&normalize.NonASCII != 0 {
			return
		}
		if w := s.word(i); !is[w] {
			is[w] = true
			bound = append(bound, w)
		}
	}
	not := map[string]bool{}
	imports := importedNames(s)
	var classes []int // widths of the classes around
	classBody := -1   // the width of statements directly in a class
	for _, l := range s.lines {
		for len(classes) > 0 && l.width <= classes[len(classes)-1] {
			classes, classBody = classes[:len(classes)-1], -1
		}
		if len(classes) > 0 && classBody < 0 {
			classBody = l.width
		}
		inClass := len(classes) > 0 && l.width == classBody
		for _, one := range s.statements(l) {
			bindLine(s, one, inClass, imports, bind, func(i int) { not[s.word(i)] = true })
		}
		if s.first(l) == "class" {
			classes, classBody = append(classes, l.width), -1
		}
	}
	s.eachName(0, len(s.text), 0, func(name string, _, _ int, fixed bool) {
		if fixed {
			not[name] = true
		}
	})
	if s.any("eval", "exec", "globals", "locals", "vars", "compile", "__all__", "getattr", "setattr", "__import__", "format_map", "Template") {
		for _, t := range s.tokens {
			if t.Kind == normalize.String {
				for _, w := range strings.FieldsFunc(string(t.Bytes(s.text)), notInName) {
					not[w] = true
				}
			}
		}
	}
	own := bound[:0]
	for _, name := range bound {
		if !not[name] && !reserved[name] && !strings.HasPrefix(name, "__") && name != "_" {
			own = append(own, name)
		}
	}
	return own
}

func notInName(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
}

// bindLine tells of the names that a line binds, and of those that must stay.
func bindLine(s *script, l line, inClass bool, imports map[int]bool, bind, stay func(int)) {
	first := s.first(l)
	if first == "async" {
		first = s.word(l.from + 1)
		l.from++
	}
	if first == "import" || first == "from" {
		for i := l.from + 1; i < l.to; i++ {
			switch {
			case s.tokens[i].Kind != normalize.Name:
			case imports[int(s.tokens[i].Start)], s.word(i-1) == "as":
				if inClass {
					stay(i)
				} else {
					bind(i)
				}
			default:
				stay(i)
			}
		}
		return
	}
	header := first == "def" // until its bracket closes, "name =" is a parameter
	depth, lambda := 0, false
	targets := l.from // where the targets of an assignment begin
	for i := l.from; i < l.to; i++ {
		t := s.tokens[i]
		w := s.word(i)
		switch {
		case t.Kind == normalize.Op && (w == "(" || w == "[" || w == "{"):
			depth++
		case t.Kind == normalize.Op && (w == ")" || w == "]" || w == "}"):
			if depth--; depth == 0 {
				header = false
			}
		case t.Kind == normalize.Op && w == ";" && depth == 0:
			targets = i + 1
		case w == "lambda":
			lambda = true
		case w == ":":
			lambda = false
		case t.Kind == normalize.Op && w == "=" && depth == 0:
			for k := targets; k < i; k++ {
				if before := s.word(k - 1); s.tokens[k].Kind == normalize.Name && before != "." && s.word(k+1) != "." && s.word(k+1) != "(" && s.word(k+1) != "[" {
					if inClass {
						stay(k)
					} else {
						bind(k)
					}
				}
			}
			targets = i + 1
		case t.Kind != normalize.Name:
		case (w == "print" || w == "exec") && i == l.from:
		default:
			before, after := s.word(i-1), s.word(i+1)
			switch {
			case before == "def" || before == "class":
				if inClass {
					stay(i)
				} else {
					bind(i)
				}
			case lambda && (before == "lambda" || before == "," || before == "*" || before == "**"):
				bind(i)
			case header && depth == 1 && (before == "(" || before == "," || before == "*" || before == "**"):
				bind(i)
			case before == "as" || before == "for" || after == ":=":
				bind(i)
			case before == "," && after == "in" || before == "," && after == ",":
				if inFor(s, l, i) {
					bind(i)
				}
			case after == "=" && depth > 0 && !lambda:
				stay(i)
			}
		}
	}
}

// inFor reports whether token i stands between "for" and "in".
func inFor(s *script, l line, i int) bool {
	for i--; i > l.from && i > 0; i-- {
		switch w := s.word(i); {
		case w == "for":
			return true
		case s.tokens[i].Kind != normalize.Name && w != "," && w != "(":
			return false
		}
	}
	return s.word(i) == "for"
}

// importedNames gives where a name is imported such that "as" may follow.
func importedNames(s *script) map[int]bool {
	at := map[int]bool{}
	for _, whole := range s.lines {
		for _, l := range s.statements(whole) {
			begin := l.from + 1
			switch s.first(l) {
			case "from":
				if s.future(l) {
					continue
				}
				for begin < l.to && s.word(begin) != "import" {
					begin++
				}
				begin++
			case "import":
			default:
				continue
			}
			for i := begin; i < l.to; i++ {
				before, after := s.word(i-1), s.word(i+1)
				if s.tokens[i].Kind == normalize.Name && before != "as" && before != "." && after != "as" && after != "." {
					at[int(s.tokens[i].Start)] = true
				}
			}
		}
	}
	return at
}

// eachName calls yield for each name in [start, end), those inside f-strings
// included, and says whether it must stay as it is, as attributes must.
func (s *script) eachName(start, end, depth int, yield func(name string, start, end int, fixed bool)) {
	text, tokens := s.text[start:end], s.tokens
	if depth > 0 {
		tokens = normalize.Lex(text)
	}
	for i, t := range tokens {
		switch {
		case t.Kind == normalize.Name:
			fixed := i > 0 && string(tokens[i-1].Bytes(text)) == "."
			if depth > 0 && i+1 < len(tokens) && string(tokens[i+1].Bytes(text)) == "=" {
				fixed = true // a keyword argument, or a name that is printed
			}
			yield(string(t.Bytes(text)), start+int(t.Start), start+int(t.End), fixed)
		case t.Kind == normalize.String && t.Flags&normalize.Format != 0 && depth < 3:
			for _, span := range normalize.Embedded(text, t) {
				s.eachName(start+span.Start, start+span.End, depth+1, yield)
			}
		}
	}
}
