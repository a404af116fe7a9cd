package console

import (
	"strings"
	"testing"
	"time"

	"kingsnake/finding"
)

func TestNumbersAndTimesInWords(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		thousands(0): "0", thousands(999): "999", thousands(1000): "1,000", thousands(-1234567): "-1,234,567",
		plural(1, "finding"): "1 finding", plural(2000, "finding"): "2,000 findings",
		size(1): "1 byte", size(1023): "1,023 bytes", size(1536): "1.5 KiB", size(5 << 20): "5.0 MiB", size(3 << 30): "3.0 GiB",
		ago(-time.Hour): "in the future", ago(time.Second): "just now", ago(90 * time.Second): "1 minute ago", ago(47 * time.Hour): "47 hours ago",
		ago(400 * 24 * time.Hour): "400 days ago",
		percent(1):                "100.0%", percent(0.99999): "over 99.9%", percent(0.5): "50.0%", percent(0): "under 0.1%",
		scopeWords(`owner "prod" "shop" "Deployment" "web"`):     "only in Deployment web, namespace shop",
		scopeWords(`pod "" "shop" "web-1" "web"`):                "only in pod shop/web-1, container web",
		scopeWords(`image "registry.example.com/a b:1"`):         "only in image registry.example.com/a b:1",
		scopeWords(`host "node\"1" "/usr/bin/python3"`):          `only for /usr/bin/python3 on host node"1`,
		scopeWords("something else"):                             "only in something else",
		techniqueOf("T1059.006").URL:                             "https://attack.mitre.org/techniques/T1059/006/",
		techniqueOf("T1059/../x").URL + techniqueOf("TA000").URL: "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if m := at(time.Time{}, time.Now()); m != (moment{}) {
		t.Errorf("the zero time is %+v", m)
	}
}

func TestAnActionInWords(t *testing.T) {
	t.Parallel()
	words := func(e evidence) (all string) {
		for _, p := range e {
			all += p.Text
		}
		return all
	}
	for what, want := range map[string][2]string{
		finding.Killed:   {"Killed before anything of the script ran; after the process was held for 3.2ms", " was killed before it ran on the host "},
		finding.Released: {"Released: it was not called malicious; after the process was held for 3.2ms", " ran on the host "},
		finding.TooLate:  {"None in time: the process went on, or ended, before the verdict; it had been held for its verdict", " ran on the host "},
	} {
		f := finding.Finding{Script: finding.Script{Kind: "c"}, Action: finding.Action{What: what, Held: 3200 * time.Microsecond}}
		inSight, _ := detected(f)
		last := inSight[len(inSight)-1]
		if got := words(last.Value) + "; " + words(last.Note); last.Label != "Action" || got != want[0] {
			t.Errorf("%s: %s %q, want %q", what, last.Label, got, want[0])
		}
		if got := words(sentence(f)); !strings.Contains(got, want[1]) {
			t.Errorf("%s: %q, want %q in it", what, got, want[1])
		}
	}
}

func TestWhatOfAScriptIsNotAsItWasIsSaid(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script finding.Script
		want   string // how what is said begins; "" for nothing
	}{
		"all of it":                  {finding.Script{}, ""},
		"bytes are missing":          {finding.Script{Lost: "data ring full"}, "Incomplete: bytes are missing because of “data ring full”"},
		"taken from beside it":       {finding.Script{Indirect: "the file, when it had been opened"}, "Captured without BPF: the text is that of the file, when it had been opened, and not a copy"},
		"from where nobody believes": {finding.Script{Indirect: "\x1b[2J"}, "Captured without BPF: the text is that of "},
		"perhaps read as data":       {finding.Script{MaybeData: true}, "Perhaps only read:"},
	} {
		got := strings.Join(limits(tt.script), "\n")
		if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") || strings.Contains(got, "\x1b") {
			t.Errorf("%s: want %q, got %q", name, tt.want, got)
		}
	}
}
