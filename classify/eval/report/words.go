package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"kingsnake/classify"
	"kingsnake/classify/eval"
)

// funcs are the words of the page.
var funcs = template.FuncMap{
	"name": name, "short": short, "percent": percent, "signed": signed, "thousands": thousands, "plain": plain,
	"odds": odds, "rates": func() []string { return []string{rateWords(0), rateWords(1), rateWords(2)} },
	"hundredths": func(v float64) string { return fmt.Sprintf("%.1f", 100*v) },
	"logit":      func(v float64) string { return minus(fmt.Sprintf("%.1f", v)) },
	"width":      func(v float64) string { return fmt.Sprintf("%.1f", 100*(scale{low: 0, high: 1}).at(v)) },
	"hard":       func() string { return strings.Join(eval.HardFamilies, ", ") },
	"count":      func(r *eval.LoadersReport) [][]int { honest, hostile := r.Count(); return [][]int{honest, hostile} },
	"called":     func(malicious bool) string { return [...]string{"benign", "malicious"}[index(malicious)] },
	"label":      func(l classify.Label) string { return name(string(l)) },
	"listed":     func(says string, names []string) list { return list{says, names} },
	"folds":      func() int { return eval.Folds },
}

// list is names, and the words for them.
type list struct {
	Says  string
	Names []string
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// short is the beginning of an id.
func short(id string) string { return name(id[:min(12, len(id))]) }

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

// signed is a difference in hundredths.
func signed(v float64) string {
	return minus(fmt.Sprintf("%+.1f", 100*v))
}

// minus writes a number with a true minus sign.
func minus(number string) string { return strings.Replace(number, "-", "−", 1) }

// plain is a number with as few digits as it needs.
func plain(v float64) string { return fmt.Sprintf("%.4g", v) }

// thousands groups the digits of a number.
func thousands(n int) string {
	sign, s := "", fmt.Sprint(n)
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// odds says a rate as one in so many.
func odds(rate float64) string {
	if !(rate > 1e-9) {
		return "none"
	}
	return "1 in " + thousands(int(math.Round(1/rate)))
}
