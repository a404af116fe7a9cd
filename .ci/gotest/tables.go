package main

import (
	"fmt"
	"os"
	"strings"
)

// mark is a line of .ci/packages: what is special about some packages.
type mark struct {
	pkg    string          // "capture/sensor" or "deploy/...", without the module's name
	words  map[string]bool // "alone", "norace"
	reason string
}

// allow is a line of .ci/skips-allowed.
type allow struct{ pkg, test, reason string }

// readTable reads lines of fields, each ended by " # " and a reason.
func readTable(file string, f func(fields []string, reason string) error) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields, reason, ok := strings.Cut(line, " # ")
		if !ok || strings.TrimSpace(reason) == "" {
			return fmt.Errorf("%s:%d: want fields, then \" # \" and a reason", file, n)
		}
		if err := f(strings.Fields(fields), strings.TrimSpace(reason)); err != nil {
			return fmt.Errorf("%s:%d: %v", file, n, err)
		}
	}
	return nil
}

func readMarks(file string) ([]mark, error) {
	var marks []mark
	err := readTable(file, func(fields []string, reason string) error {
		m := mark{pkg: fields[0], words: map[string]bool{}, reason: reason}
		for _, w := range fields[1:] {
			if w != "alone" && w != "norace" {
				return fmt.Errorf("unknown word %q", w)
			}
			m.words[w] = true
		}
		if len(m.words) == 0 {
			return fmt.Errorf("%s is marked with nothing", m.pkg)
		}
		marks = append(marks, m)
		return nil
	})
	return marks, err
}

func readAllowed(file string) ([]allow, error) {
	var allowed []allow
	err := readTable(file, func(fields []string, reason string) error {
		if len(fields) != 2 {
			return fmt.Errorf("want a package and a test")
		}
		allowed = append(allowed, allow{fields[0], fields[1], reason})
		return nil
	})
	return allowed, err
}

// markOf returns the words of the first mark that fits the package.
func markOf(pkg string, marks []mark) map[string]bool {
	for _, m := range marks {
		if matches(m.pkg, pkg) {
			return m.words
		}
	}
	return nil
}

// matches reports whether a package path fits a pattern of the tables: the path
// inside the module, with "/..." at the end for a whole tree.
func matches(pattern, pkg string) bool {
	_, in, ok := strings.Cut(pkg, "/")
	if !ok {
		in = "."
	}
	tree, whole := strings.CutSuffix(pattern, "/...")
	return in == tree || whole && strings.HasPrefix(in, tree+"/")
}
