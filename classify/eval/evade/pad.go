package evade

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// padded is the size that padding brings a script to, in bytes.
const padded = 1 << 20

func padding(size int, h Help) []Transform {
	all := []Transform{
		{Name: "dead code", Says: "harmless functions and branches that never run stand between the statements", Apply: byScript(deadCode)},
		{Name: "comments", Says: "comments, licenses and addresses stand between the statements", Apply: byScript(comments)},
		{Name: "docstrings", Says: "strings that are thrown away stand between the statements", Apply: byScript(docstrings)},
	}
	for _, where := range []string{"before", "after", "around"} {
		all = append(all, Transform{Name: "pad: made, " + where, Says: "made-up harmless code up to 1 MiB " + where + " the script", Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			n := size - len(s.src)
			switch where {
			case "before":
				return s.surrounded(filler(n, r), ""), true
			case "after":
				return s.surrounded("", filler(n, r)), true
			}
			return s.surrounded(filler(n/2, r), filler(n/2, r)), true
		})})
	}
	if h.Benign == nil {
		return all
	}
	for _, where := range []string{"before", "after", "around"} {
		all = append(all, Transform{Name: "pad: real, " + where, Says: "harmless scripts of others up to 1 MiB " + where + " the script", Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			n := size - len(s.src)
			switch where {
			case "before":
				return s.surrounded(h.gather(n, r), ""), true
			case "after":
				return s.surrounded("", h.gather(n, r)), true
			}
			return s.surrounded(h.gather(n/2, r), h.gather(n/2, r)), true
		})})
	}
	for _, where := range []string{"first", "middle", "last"} {
		all = append(all, Transform{Name: "concatenate: hostile " + where, Says: "the script becomes part of a harmless one of somebody else's, " + where, Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			host, ok := read(h.Benign(r))
			if !ok || host.py2 != s.py2 {
				return nil, false
			}
			blocks := host.blocks()
			at := len(host.src)
			switch {
			case len(blocks) == 0:
			case where == "first":
				at = blocks[0].Start
			case where == "middle":
				at = blocks[len(blocks)/2].Start
			}
			return joined(host.src[:host.head], s.futures(), host.src[host.head:at], s.src[s.head:], host.src[at:]), true
		})})
	}
	return all
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// futures are the lines that import from __future__.
func (s *script) futures() []byte {
	var out []byte
	for _, l := range s.lines {
		if l.start < s.head && s.is(l.first, "from") {
			out = append(append(out, s.text(l.first, l.end)...), '\n')
		}
	}
	return out
}

// surrounded puts code around what is behind the head.
func (s *script) surrounded(before, after string) []byte {
	return joined(s.src[:s.head], []byte(before), s.src[s.head:], []byte(after))
}

// gather joins harmless scripts, without their imports from __future__, up to n
// bytes.
func (h Help) gather(n int, r *rand.Rand) string {
	var out strings.Builder
	for tries := 0; out.Len() < n && tries < 2000; tries++ {
		if b, ok := read(h.Benign(r)); ok && !b.py2 {
			out.Write(b.src[b.head:])
		}
	}
	return out.String()
}

// filler makes harmless code of about n bytes.
func filler(n int, r *rand.Rand) string {
	var out strings.Builder
	name := sensible(r)
	for i := 0; out.Len() < n; i++ {
		out.WriteString(sample(name(i), r))
		out.WriteString("\n\n")
	}
	return out.String()
}

// sample is one harmless definition.
func sample(name string, r *rand.Rand) string {
	a, b, c := pick(r, nouns...), pick(r, verbs...), pick(r, nouns...)+"s"
	n, m := 2+r.IntN(90), 3+r.IntN(900)
	if a+"s" == c {
		a = "row"
	}
	title := strings.ReplaceAll(name, "_", " ")
	switch r.IntN(10) {
	case 0:
		return fmt.Sprintf("def %s(%s, %s=%d):\n    \"\"\"Return the %s of a %s, at most %d.\"\"\"\n    %s = []\n    for %s_item in %s:\n        if %s_item > %s:\n            %s.append(%s_item * %d)\n    return %s\n", name, a, b, n, title, a, m, c, b, a, b, b, c, b, m, c)
	case 1:
		return fmt.Sprintf("class %s(object):\n    \"\"\"A %s with its %s.\"\"\"\n\n    limit = %d\n\n    def __init__(self, %s, %s=None):\n        self.%s = %s\n        self.%s = %s or {}\n\n    def %s(self):\n        return len(self.%s) < self.limit\n", title2(name), a, c, m, a, c, a, a, c, c, b+"_within", c)
	case 2:
		return fmt.Sprintf("%s = {\n    '%s': %d,\n    '%s': '%s %s',\n    '%s': [%d, %d, %d],\n}\n", strings.ToUpper(name), a, n, b, title, c, c, n, m, n+m)
	case 3:
		return fmt.Sprintf("def %s(text):\n    # Blank lines count for nothing.\n    %s = [line.strip() for line in text.splitlines() if line.strip()]\n    return sorted(%s, key=len)[:%d]\n", name, c, c, n)
	case 4:
		return fmt.Sprintf("def %s(%s, rate=%d.%d):\n    if not %s:\n        raise ValueError('%s needs a %s')\n    total = sum(%s) / float(len(%s))\n    return round(total * rate, %d)\n", name, c, n, m, c, title, a, c, c, 1+n%5)
	case 5:
		return fmt.Sprintf("%s = lambda %s: (%s + %d) %% %d\n", name, b, b, n, m)
	case 6:
		return fmt.Sprintf("def %s(rows, width=%d):\n    \"\"\"Lay out rows as a table of %s.\n\n    Columns are as wide as their widest cell.\n    \"\"\"\n    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows)]\n    return ['  '.join(str(cell).ljust(w) for cell, w in zip(row, widths))[:width] for row in rows]\n", name, 40+n, c)
	case 7:
		return fmt.Sprintf("def %s(day, month, year=%d):\n    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]\n    if year %% 4 == 0 and (year %% 100 or year %% 400 == 0):\n        days[1] = 29\n    return sum(days[:month - 1]) + day + %d\n", name, 1970+n, n%7)
	case 8:
		return fmt.Sprintf("def %s(%s):\n    counts = {}\n    for word in %s:\n        counts[word] = counts.get(word, 0) + 1\n    best = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))\n    return dict(best[:%d])\n", name, c, c, n)
	}
	return fmt.Sprintf("def %s(celsius, unit='%s'):\n    value = celsius * 9 / 5.0 + 32\n    if unit == '%s':\n        return '%%.1f %s' %% value\n    return str(value + %d)\n", name, a, a, title, n)
}

// title2 makes a class name of the name of a function.
func title2(name string) string {
	var out strings.Builder
	for _, word := range strings.Split(name, "_") {
		if word != "" {
			out.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return out.String()
}

// deadCode puts definitions between the outermost statements, and branches
// that are never taken everywhere.
func deadCode(s *script, r *rand.Rand) ([]byte, bool) {
	var e edits
	name := sensible(r)
	for i, block := range s.blocks() {
		if i < 200 && (i == 0 || r.IntN(2) == 0) {
			e.insert(block.Start, sample(name(i)+"_unused", r)+"\n")
		}
	}
	for i, l := range s.places() {
		if i > 400 || r.IntN(3) != 0 {
			continue
		}
		n := 3 + r.IntN(500)
		v := name(500+i) + "_x"
		body := pick(r,
			"if %[1]d * %[1]d < 0:\n    %[2]s = [k for k in range(%[1]d)]\n    print(len(%[2]s))\n",
			"%[2]s = %[1]d\nif %[2]s < 0:\n    raise ValueError('%[2]s is out of range')\n",
			"while %[1]d < 3:\n    %[2]s = str(%[1]d).zfill(8)\n    break\n",
			"%[2]s = [%[1]d, 2, 5]\n%[2]s.sort()\n",
			"if len('%[2]s') == 0:\n    %[2]s = {}\n    %[2]s['page'] = %[1]d\n",
		)
		body = fmt.Sprintf(body, n, v)
		if strings.Count(body, "%!") > 0 {
			continue
		}
		e.insert(l.start, l.indent+strings.ReplaceAll(strings.TrimSuffix(body, "\n"), "\n", "\n"+l.indent)+"\n")
	}
	return e.apply(s.src)
}

// remarks are lines for comments: words of harmless programs.
var remarks = []string{
	"Licensed to you under the terms of the license in the file LICENSE.", "Permission is hereby granted to use, copy and share this sheet.",
	"See https://docs.example.org/guide/%s for the whole story.", "Let the user choose the %s one day.", "The %s is sorted by date, newest first.",
	"This mirrors what the web page of the %s shows.", "Copyright (c) 2019 The %s developers. All rights reserved.", "SPDX-License-Identifier: BSD-3-Clause",
	"Unit tests for the %s live in tests/test_%[1]s.py.", "Pagination starts at one, as people expect of a %s.", "type: ignore", "pylint: disable=invalid-name",
	"Kept for old %s files; remove in the next release.", "A recipe for %s: read, check, render, save.", "Machine learning model for the %s, trained on public data.",
}

func remark(r *rand.Rand) string {
	text := pick(r, remarks...)
	if strings.Contains(text, "%") {
		text = fmt.Sprintf(text, pick(r, nouns...))
	}
	return text
}

func comments(s *script, r *rand.Rand) ([]byte, bool) {
	var e edits
	for i, l := range s.places() {
		if i > 4000 {
			break
		}
		for range 1 + r.IntN(4) {
			e.insert(l.start, l.indent+"# "+remark(r)+"\n")
		}
	}
	return e.apply(s.src)
}

func docstrings(s *script, r *rand.Rand) ([]byte, bool) {
	var e edits
	for i, l := range s.places() {
		if i > 2000 {
			break
		}
		var lines []string
		for range 1 + r.IntN(5) {
			lines = append(lines, remark(r))
		}
		e.insert(l.start, l.indent+`"""`+strings.Join(lines, "\n"+l.indent)+`"""`+"\n")
	}
	return e.apply(s.src)
}
