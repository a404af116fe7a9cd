package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// moment is a point in time, ready to show. The zero moment is "not known".
type moment struct {
	ISO  string // for machines
	Text string // in UTC
	Ago  string // how long before the page was made
}

// at returns the moment of t as seen from now.
func at(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	return moment{
		ISO:  t.Format("2006-01-02T15:04:05.000Z"),
		Text: t.Format("2006-01-02 15:04:05 UTC"),
		Ago:  ago(now.Sub(t)),
	}
}

// ago says a duration as time past.
func ago(d time.Duration) string {
	switch {
	case d < -time.Minute:
		return "in the future"
	case d < 5*time.Second:
		return "just now"
	default:
		return span(d) + " ago"
	}
}

// span says a duration in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return plural(int64(d/time.Second), "second")
	case d < time.Hour:
		return plural(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return plural(int64(d/time.Hour), "hour")
	default:
		return plural(int64(d/(24*time.Hour)), "day")
	}
}

// plural counts a noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands writes n with a comma every three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(s, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return s[:len(s)-len(strings.TrimPrefix(s, "-"))] + digits
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return plural(n, "byte")
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
}

// kindWords says how a script reached the interpreter: in a list, and in a
// sentence.
var kindWords = map[string][2]string{
	"file":     {"File", "a script file"},
	"c":        {"-c", "code given with -c"},
	"stdin":    {"Standard input", "code read from standard input"},
	"module":   {"Module", "a module run with -m"},
	"package":  {"Package", "a package's __main__.py"},
	"zipapp":   {"Zip archive", "a zip archive"},
	"pyc":      {"Bytecode", "a compiled file"},
	"import":   {"Import", "an imported module"},
	"bundle":   {"Bundle", "the scripts in an executable that PyInstaller made"},
	"compiled": {"Compiled", "text compiled at run time"},
	"program":  {"Program", "a program"},
}

// kindOrder lists the kinds as the filter offers them.
var kindOrder = []string{"file", "c", "stdin", "module", "package", "zipapp", "pyc", "bundle", "import", "compiled", "program"}

// kindWord names a kind in a list.
func kindWord(kind string) string {
	if w, ok := kindWords[kind]; ok {
		return w[0]
	}
	return plain(kind)
}

// kindPhrase names a kind in a sentence.
func kindPhrase(kind string) string {
	if w, ok := kindWords[kind]; ok {
		return w[1]
	}
	return "code of the kind " + plain(kind)
}

// severity is a severity, ready to show: a word, and the name of its shape.
type severity struct{ Word, Class string }

// severityOf returns the severity of that name; one nobody knows is shown as it
// is.
func severityOf(name string) severity {
	switch name {
	case "CRITICAL", "HIGH", "MEDIUM", "LOW":
		return severity{Word: name[:1] + strings.ToLower(name[1:]), Class: strings.ToLower(name)}
	}
	return severity{Word: plain(name), Class: "low"}
}

// title makes the first letter a capital one.
func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
