package evade

import (
	"math/rand/v2"
	"slices"
	"strings"

	"kingsnake/normalize"
)

func dialects() []Transform {
	return []Transform{
		{Name: "dialect: Python 2", Says: "a script for Python 3 is written for Python 2", Apply: byScript(func(s *script, _ *rand.Rand) ([]byte, bool) {
			if s.py2 {
				return nil, false
			}
			return s.toPython2()
		})},
		{Name: "dialect: Python 3", Says: "a script for Python 2 is written for Python 3", Apply: byScript(func(s *script, _ *rand.Rand) ([]byte, bool) {
			if !s.py2 {
				return nil, false
			}
			return s.toPython3()
		})},
	}
}

// moved are modules that have one name in Python 3 and another in Python 2.
var moved = []struct{ three, two string }{
	{"urllib.request", "urllib2"}, {"urllib.error", "urllib2"}, {"urllib.parse", "urllib"}, {"http.client", "httplib"}, {"http.server", "BaseHTTPServer"},
	{"queue", "Queue"}, {"configparser", "ConfigParser"}, {"winreg", "_winreg"}, {"tkinter", "Tkinter"}, {"socketserver", "SocketServer"},
	{"http.cookiejar", "cookielib"}, {"xmlrpc.client", "xmlrpclib"}, {"_thread", "thread"}, {"urllib.parse", "urlparse"},
}

// quoting are the functions of urllib.parse that Python 2 has in urllib; the
// others it has in urlparse.
var quoting = []string{"urlencode", "quote", "quote_plus", "unquote", "unquote_plus"}

// begins reports whether token i begins a simple statement.
func (s *script) begins(i int) bool {
	if s.within[i] >= 0 {
		return false
	}
	for _, part := range s.simple(s.lineOf(i)) {
		if part[0] == i {
			return true
		}
	}
	return false
}

// endOf is where the simple statement that begins at token i ends.
func (s *script) endOf(i int) int {
	for _, part := range s.simple(s.lineOf(i)) {
		if part[0] == i {
			return part[1]
		}
	}
	return i + 1
}

// arguments cuts the tokens inside of a bracket at its commas.
func (s *script) arguments(open int) [][2]int {
	var all [][2]int
	from := open + 1
	for i := open + 1; i <= s.close[open]; i++ {
		if s.within[i] == open && s.is(i, ",") || i == s.close[open] {
			if i > from {
				all = append(all, [2]int{from, i})
			}
			from = i + 1
		}
	}
	return all
}

// plain reports whether no argument is named, unpacked or a comprehension, and
// all stand on one line.
func (s *script) plain(open int) bool {
	if strings.Contains(s.text(open, s.close[open]+1), "\n") {
		return false
	}
	for i := open + 1; i < s.close[open]; i++ {
		if s.within[i] != open {
			continue
		}
		if w := s.word(i); w == "=" || w == "for" || w == "yield" || w == ":=" || (w == "*" || w == "**") && (s.is(i-1, ",") || i == open+1) {
			return false
		}
	}
	return true
}

// argumentTexts are the arguments as they are spelled.
func (s *script) argumentTexts(open int) []string {
	var all []string
	for _, a := range s.arguments(open) {
		all = append(all, s.text(a[0], a[1]))
	}
	return all
}

func (s *script) toPython2() ([]byte, bool) {
	var e edits
	b := s.bind()
	for i := 0; i < len(s.tokens); i++ {
		word := s.word(i)
		switch {
		case s.is(i-1, "."):
		case (word == "print" || word == "exec") && s.is(i+1, "(") && s.begins(i) && s.endOf(i) == s.close[i+1]+1 && s.plain(i+1):
			args := s.arguments(i + 1)
			if len(args) > 0 {
				word += " "
			}
			e.replace(s.span(i, i+2), word)
			if s.is(i, "exec") && len(args) > 1 {
				e.replace(s.span(args[0][1], args[0][1]+1), " in")
			}
			e.replace(s.span(s.close[i+1], s.close[i+1]+1), "")
		case word == "raise" && s.name(i+1) && s.is(i+2, "(") && s.endOf(i) == s.close[i+2]+1 && s.plain(i+2):
			if len(s.arguments(i+2)) == 1 {
				e.replace(s.span(i+2, i+3), ", ")
				e.replace(s.span(s.close[i+2], s.close[i+2]+1), "")
			}
		case word == "as" && s.is(s.lineOf(i).first, "except"):
			e.replace(normalize.Span{Start: int(s.tokens[i-1].End), End: int(s.tokens[i].End)}, ",")
		case word == "repr" && s.is(i+1, "(") && len(s.arguments(i+1)) == 1 && s.plain(i+1):
			if text := s.text(i+2, s.close[i+1]); !strings.Contains(text, "repr") {
				e.replace(s.span(i, i+2), "`")
				e.replace(s.span(s.close[i+1], s.close[i+1]+1), "`")
			}
		case word == "!=":
			e.replace(s.span(i, i+1), "<>")
		case word == "input" && s.is(i+1, "(") && !b.own["input"]:
			e.replace(s.span(i, i+1), "raw_input")
		case s.kind(i) == normalize.Number && (strings.HasPrefix(word, "0o") || strings.HasPrefix(word, "0O")):
			e.replace(s.span(i, i+1), "0"+word[2:])
		case s.kind(i) == normalize.String && s.tokens[i].Flags&normalize.Format != 0:
			if text, ok := s.percent(i); ok {
				e.replace(s.span(i, i+1), text)
			}
		case s.name(i):
			for _, m := range moved {
				if n := s.dotted(i, m.three); n > 0 && (s.modulePath(i) || s.is(i+n, ".") && b.imported[word]) {
					two := m.two
					switch {
					case m.three != "urllib.parse":
					case s.is(i-1, "import") || s.is(i-1, ",") && s.modulePath(i):
						two = "urllib, urlparse"
					case !slices.Contains(quoting, s.word(i+n+1)):
						two = "urlparse"
					}
					e.replace(s.span(i, i+n), two)
					i += n - 1
					break
				}
			}
		}
	}
	return e.apply(s.src)
}

// dotted returns how many tokens from i on spell a dotted name, or 0.
func (s *script) dotted(i int, name string) int {
	parts := strings.Split(name, ".")
	for k, p := range parts {
		if !s.is(i+2*k, p) || k > 0 && !s.is(i+2*k-1, ".") {
			return 0
		}
	}
	return 2*len(parts) - 1
}

// percent writes an f-string with %, if it is a simple one that stands alone.
func (s *script) percent(i int) (string, bool) {
	t := s.tokens[i]
	spelled := s.word(i)
	if s.kind(i-1) == normalize.String || s.kind(i+1) == normalize.String || t.Flags&(normalize.Triple|normalize.Raw) != 0 || spelled[0]|0x20 != 'f' {
		return "", false
	}
	spans := normalize.Embedded(s.src, t)
	var out strings.Builder
	var args []string
	at := int(t.Start) + 1
	literal := func(to int) {
		text := strings.ReplaceAll(string(s.src[at:to]), "%", "%%")
		out.WriteString(strings.ReplaceAll(strings.ReplaceAll(text, "{{", "{"), "}}", "}"))
	}
	for _, span := range spans {
		sign, end := "%s", span.End
		if strings.HasPrefix(string(s.src[end:]), "!r}") {
			sign, end = "%r", end+2
		}
		expr := string(s.src[span.Start:span.End])
		if s.src[end] != '}' || s.src[span.Start-1] != '{' || span.Start-1 < at || strings.Contains(expr, "{") || strings.HasSuffix(strings.TrimSpace(expr), "=") {
			return "", false
		}
		literal(span.Start - 1)
		out.WriteString(sign)
		args = append(args, "("+strings.TrimSpace(expr)+")")
		at = end + 1
	}
	if len(args) == 0 {
		return "", false
	}
	literal(int(t.End))
	return "(" + out.String() + " % (" + strings.Join(args, ", ") + ",))", true
}

// renamed are builtins that have another name in Python 3.
var renamed = map[string]string{"raw_input": "input", "xrange": "range", "unicode": "str", "unichr": "chr", "basestring": "str", "long": "int", "iteritems": "items", "itervalues": "values"}

func (s *script) toPython3() ([]byte, bool) {
	var e edits
	b := s.bind()
	ticks := 0
	for i := range s.tokens {
		word := s.word(i)
		switch {
		case (word == "print" || word == "exec") && s.statement(i) && s.begins(i):
			s.callOf(&e, i, s.endOf(i))
		case word == "except" && s.commaAt(i, s.lineOf(i).end) > 0:
			comma := s.commaAt(i, s.lineOf(i).end)
			e.replace(s.span(comma, comma+1), " as")
		case word == "raise" && s.commaAt(i, s.lineOf(i).end) > 0:
			comma, end := s.commaAt(i, s.lineOf(i).end), s.endOf(i)
			if s.commaAt(comma, end) > 0 {
				continue
			}
			e.replace(normalize.Span{Start: int(s.tokens[comma].Start), End: int(s.tokens[comma+1].Start)}, "(")
			e.insert(int(s.tokens[end-1].End), ")")
		case word == "<>":
			e.replace(s.span(i, i+1), "!=")
		case word == "`":
			e.replace(s.span(i, i+1), []string{"repr(", ")"}[ticks%2])
			ticks++
		case s.kind(i) == normalize.Number && strings.HasSuffix(strings.ToLower(word), "l"):
			e.replace(s.span(i, i+1), word[:len(word)-1])
		case s.kind(i) == normalize.Number && len(word) > 1 && word[0] == '0' && strings.Trim(word, "01234567") == "":
			e.replace(s.span(i, i+1), "0o"+strings.TrimLeft(word[:len(word)-1], "0")+word[len(word)-1:])
		case s.kind(i) == normalize.String && strings.HasPrefix(strings.ToLower(word), "ur"):
			e.replace(s.span(i, i+1), word[1:])
		case s.name(i) && renamed[word] != "" && !b.own[word]:
			e.replace(s.span(i, i+1), renamed[word])
		case s.name(i) && !s.is(i-1, ".") && word == "urllib":
			s.urllib3(&e, i)
		case s.name(i) && !s.is(i-1, ".") && (s.modulePath(i) || s.is(i+1, ".") && b.imported[word]):
			for _, m := range moved {
				if word == m.two && word != "urllib" {
					e.replace(s.span(i, i+1), m.three)
					break
				}
			}
		}
	}
	return e.apply(s.src)
}

// callOf makes a call of the print or exec statement in tokens [i, end).
func (s *script) callOf(e *edits, i, end int) {
	word, close := s.word(i), ")"
	first := i + 1
	if s.is(first, ">>") {
		comma := s.commaAt(i, end)
		if comma == 0 {
			comma = end
		}
		close = ", file=" + s.text(first+1, comma) + ")"
		if comma == end {
			close = close[2:]
		}
		first = min(comma+1, end)
	}
	last := end - 1
	trailing := first < end && s.is(last, ",")
	if word == "exec" {
		for k := first; k < end; k++ {
			if s.is(k, "in") && s.within[k] < 0 {
				e.replace(s.span(k, k+1), ",")
			}
		}
	}
	start := int(s.tokens[i].End)
	if first < end {
		start = int(s.tokens[first].Start)
	}
	e.replace(normalize.Span{Start: int(s.tokens[i].Start), End: max(start, int(s.tokens[max(i, first-1)].End))}, word+"(")
	if trailing {
		e.replace(s.span(last, last+1), ", end=' '"+close)
	} else {
		e.insert(int(s.tokens[last].End), close)
	}
}

// urllib3 gives a use of Python 2's urllib its place in Python 3.
func (s *script) urllib3(e *edits, i int) {
	switch {
	case s.is(i+1, ".") && slices.Contains(quoting, s.word(i+2)):
		e.replace(s.span(i, i+1), "urllib.parse")
	case s.is(i+1, "."):
		e.replace(s.span(i, i+1), "urllib.request")
	case s.is(i-1, "from") && s.is(i+1, "import") && slices.Contains(quoting, s.word(i+2)):
		e.replace(s.span(i, i+1), "urllib.parse")
	case s.is(i-1, "from"):
		e.replace(s.span(i, i+1), "urllib.request")
	case s.modulePath(i):
		e.replace(s.span(i, i+1), "urllib.request, urllib.parse")
	}
}
