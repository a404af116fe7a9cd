package evade

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// spelling is the value of a string expression in parts.
type spelling struct {
	parts      []string
	bytes, py2 bool
}

func (p spelling) literal(s string) string {
	if p.bytes {
		return quoteBytes([]byte(s))
	}
	return quote(s, p.py2)
}

func (p spelling) list(parts []string, separator string) string {
	quoted := make([]string, len(parts))
	for i, s := range parts {
		quoted[i] = p.literal(s)
	}
	return strings.Join(quoted, separator)
}

func (p spelling) join() string {
	return p.literal("") + ".join([" + p.list(p.parts, ", ") + "])"
}

// reversed is the whole value, written backwards.
func (p spelling) reversed() string {
	all := strings.Join(p.parts, "")
	if p.bytes || p.py2 {
		b := []byte(all)
		slices.Reverse(b)
		return string(b)
	}
	runes := []rune(all)
	slices.Reverse(runes)
	return string(runes)
}

func stringForms() []Transform {
	form := func(name, says string, write func(p spelling) string) Transform {
		return Transform{Name: "strings: " + name, Says: says, Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			var e edits
			for _, t := range s.texts() {
				if n := len(t.value); n >= 3 && n <= 4096 {
					e.replace(t.span(s), write(spelling{parts(t, r), t.bytes, s.py2}))
				}
			}
			return e.apply(s.src)
		})}
	}
	return []Transform{
		form("concatenation", "every string is a sum of short ones", func(p spelling) string {
			return "(" + p.list(p.parts, " + ") + ")"
		}),
		form("join", "every string is joined from a list", spelling.join),
		form("format", "every string is put together by format", func(p spelling) string {
			if p.bytes {
				return p.join()
			}
			var template strings.Builder
			n := len(p.parts)
			for i := range n {
				fmt.Fprintf(&template, "{%d}", n-1-i)
			}
			turned := slices.Clone(p.parts)
			slices.Reverse(turned)
			return "'" + template.String() + "'.format(" + p.list(turned, ", ") + ")"
		}),
		form("percent", "every string is put together by %", func(p spelling) string {
			if p.bytes {
				return p.join()
			}
			return "('" + strings.Repeat("%s", len(p.parts)) + "' % (" + p.list(p.parts, ", ") + ",))"
		}),
		form("reversed", "every string is written backwards and sliced", func(p spelling) string {
			return p.literal(p.reversed()) + "[::-1]"
		}),
		form("characters", "every string is made of character codes", func(p spelling) string {
			all := strings.Join(p.parts, "")
			switch {
			case p.bytes:
				return "bytes(bytearray([" + numbers([]byte(all), 0) + "]))"
			case p.py2:
				return "''.join(map(chr, [" + numbers([]byte(all), 0) + "]))"
			}
			return "''.join(map(chr, [" + numbers([]rune(all), 0) + "]))"
		}),
	}
}

// parts cuts the value of a text: between characters, or between bytes.
func parts(t text, r *rand.Rand) []string {
	var units []string
	if t.bytes {
		for i := range len(t.value) {
			units = append(units, t.value[i:i+1])
		}
	} else {
		units = strings.Split(t.value, "")
	}
	n := 2 + r.IntN(max(1, min(12, len(units)/4)))
	var all []string
	for ; n > 1 && len(units) > 1; n-- {
		k := 1 + r.IntN(max(1, min(len(units)-1, 2*len(units)/n)))
		all = append(all, strings.Join(units[:k], ""))
		units = units[k:]
	}
	return append(all, strings.Join(units, ""))
}

// numbers writes codes, each with something added.
func numbers[T byte | rune](codes []T, plus int) string {
	var out strings.Builder
	for i, c := range codes {
		if i > 0 {
			out.WriteString(", ")
		}
		fmt.Fprint(&out, int(c)+plus)
	}
	return out.String()
}
