package normalize_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kingsnake/classify/corpus"
	"kingsnake/normalize"
)

var (
	corpusDir    = flag.String("corpus", "", "folder of the labeled corpus that TestCorpus reads")
	corpusMisses = flag.Bool("misses", false, "TestCorpus lists the scripts whose hidden text was not reached")
)

// obfuscators tell by what a script's text has how it hides another one. The
// first that matches counts.
var obfuscators = []struct {
	name string
	sign *regexp.Regexp
}{
	{"pyarmor", regexp.MustCompile(`__pyarmor|pytransform|pyarmor_runtime`)},
	{"hyperion", regexp.MustCompile(`(?i)hyperion|_sparkle`)},
	{"kramer", regexp.MustCompile(`(?i)\bkramer\b`)},
	{"fernet", regexp.MustCompile(`\bFernet\b`)},
	{"aes", regexp.MustCompile(`\bAES\b`)},
	{"marshal", regexp.MustCompile(`\bmarshal\b`)},
	{"reversed lambda", regexp.MustCompile(`lambda[^\n]{0,200}\[::-1\]`)},
	{"magic, love, god", regexp.MustCompile(`\\x72\\x6f\\x74\\x31\\x33`)},
	{"pickle", regexp.MustCompile(`\bpickle\b`)},
	{"lzma, bz2", regexp.MustCompile(`\b(lzma|bz2)\b`)},
	{"zlib, gzip", regexp.MustCompile(`\b(zlib|gzip)\b`)},
	{"base85, base32, base16", regexp.MustCompile(`\b[ab]85decode|b32decode|b16decode`)},
	{"base64", regexp.MustCompile(`b64decode|a2b_base64|['"]base64['"]`)},
	{"hex", regexp.MustCompile(`fromhex|unhexlify|['"]hex['"]`)},
	{"xor", regexp.MustCompile(`\bord\b[^\n]{0,40}\^|\^[^\n]{0,40}\bord\b|\bbytes\b[^\n]{0,60}\^`)},
	{"chr", regexp.MustCompile(`\bchr\b`)},
	{"escapes", regexp.MustCompile(`(\\x[0-9a-fA-F]{2}){20}|(\\[0-7]{2,3}){20}`)},
}

var (
	runs = regexp.MustCompile(`\b(exec|eval|execfile)\b|\bmarshal\b|\bpyarmor`)
	blob = regexp.MustCompile(`['"][^'"\s]{60,}|(\d+\s*,\s*){24}|(\\x[0-9a-fA-F]{2}){20}`)
	code = regexp.MustCompile(`\b(import|def|exec|eval|lambda|print|requests|class|socket|powershell|curl|wget|subprocess)\b|https?://|/bin/|\.exe\b`)
)

// obfuscatorOf names the way in which a text hides another one to run it, or
// is "" when it shows none.
func obfuscatorOf(text []byte) string {
	if !runs.Match(text) || !blob.Match(text) {
		return ""
	}
	for _, o := range obfuscators {
		if o.sign.Match(text) {
			return o.name
		}
	}
	return ""
}

// reach says what came of a script that hides text: whether any of it was
// reached, and the name of the obfuscator where the way ended, if it did not
// end in plain code.
func reach(text normalize.Text) (reached bool, stuck string) {
	opened := make([]bool, len(text.Layers))
	for _, l := range text.Layers[1:] {
		if l.Transform != "exec" && l.Transform != "write" && code.Match(l.Text) {
			reached = true
			opened[l.Parent] = true
		}
	}
	for i, l := range text.Layers {
		if !opened[i] && (i == 0 || code.Match(l.Text)) {
			if name := obfuscatorOf(l.Text); name != "" {
				stuck = name
			}
		}
	}
	return reached, stuck
}

// count is what became of the scripts of one obfuscator.
type count struct{ scripts, reached, stuck int }

// slowRow is one of the scripts that took longest.
type slowRow struct {
	id   string
	size int
	took time.Duration
}

// tally is what became of all scripts.
type tally struct {
	t      *testing.T
	counts map[string]*count
	slow   []slowRow
	rows   int
	bytes  int
	took   time.Duration
}

// add normalizes one script and counts what became of it.
func (y *tally) add(row corpus.Row) {
	src := []byte(row.Text)
	began := time.Now()
	text := normalize.Normalize(src)
	s := slowRow{row.ID, len(src), time.Since(began)}
	y.took += s.took
	y.rows, y.bytes = y.rows+1, y.bytes+len(src)
	if y.slow = append(y.slow, s); len(y.slow) > 64 {
		y.slow = slowest(y.slow)
	}
	for _, note := range text.Notes {
		if strings.Contains(note, "internal error") {
			y.t.Errorf("%s: %s", row.ID, note)
		}
	}
	name := obfuscatorOf(src)
	if !row.Malicious || name == "" {
		return
	}
	c := y.counts[name]
	if c == nil {
		c = &count{}
		y.counts[name] = c
	}
	c.scripts++
	reached, stuck := reach(text)
	if reached {
		c.reached++
	}
	if stuck != "" {
		c.stuck++
	}
	if *corpusMisses && (!reached || stuck != "") {
		y.t.Logf("%s: %s, reached %t, ends in %q, %d bytes, notes %q", row.ID, name, reached, stuck, len(src), text.Notes)
	}
}

// report writes down what was counted.
func (y *tally) report() {
	var report strings.Builder
	var all count
	for _, name := range slices.Sorted(maps.Keys(y.counts)) {
		c := y.counts[name]
		fmt.Fprintf(&report, "%-24s %5d scripts, %5d reached, %5d of them to the end\n", name, c.scripts, c.reached, c.scripts-c.stuck)
		all.scripts, all.reached, all.stuck = all.scripts+c.scripts, all.reached+c.reached, all.stuck+c.stuck
	}
	fmt.Fprintf(&report, "%-24s %5d scripts, %5d reached, %5d of them to the end\n", "all", all.scripts, all.reached, all.scripts-all.stuck)
	for _, s := range slowest(y.slow) {
		fmt.Fprintf(&report, "%8.1f ms %7d bytes %s\n", s.took.Seconds()*1000, s.size, s.id)
	}
	y.t.Logf("%d scripts of %d bytes in %v\n%s", y.rows, y.bytes, y.took, report.String())
}

// TestCorpus reads every script of the corpus: none may crash the evaluator,
// and it shows how much hidden text was reached.
func TestCorpus(t *testing.T) {
	if *corpusDir == "" {
		t.Skip("reads a corpus that is no part of the repository: go test ./normalize -run TestCorpus -v -corpus DIR")
	}
	dir := *corpusDir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join("..", dir)
	}
	y := tally{t: t, counts: map[string]*count{}}
	err := corpus.Read(context.Background(), dir, func(row corpus.Row) error {
		y.add(row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	y.report()
}

// slowest keeps the ten that took longest.
func slowest(all []slowRow) []slowRow {
	slices.SortFunc(all, func(a, b slowRow) int { return cmp.Compare(b.took, a.took) })
	return all[:min(len(all), 10)]
}
