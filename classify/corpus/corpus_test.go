package corpus_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"kingsnake/classify/corpus"
)

func TestOwnCorpusHasPairsOfBothLabels(t *testing.T) {
	t.Parallel()
	rows, err := corpus.Own()
	if err != nil {
		t.Fatal(err)
	}
	seen, names := map[string]string{}, map[string]bool{}
	var bad, good int
	for _, row := range rows {
		if row.Malicious {
			bad++
		} else {
			good++
		}
		if other, ok := seen[row.ID]; ok {
			t.Errorf("%s and %s are the same script", other, row.Origin)
		}
		seen[row.ID] = row.Origin
		if names[row.Origin] {
			t.Errorf("%s stands there twice: its scripts would count as one", row.Origin)
		}
		names[row.Origin] = true
		if !row.TrainOnly() {
			t.Errorf("%s may be judged; what was written for training may not", row.Origin)
		}
	}
	if bad < 60 || good < 60 {
		t.Errorf("%d malicious and %d benign scripts, want at least 60 of each", bad, good)
	}
}

var (
	address = regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`)
	host    = regexp.MustCompile(`https?://([A-Za-z0-9.-]+\.[a-z]{2,})`)
)

// TestImitationsAreInert keeps the corpus free of addresses that are somebody's.
func TestImitationsAreInert(t *testing.T) {
	t.Parallel()
	reserved := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("255.255.255.255/32"),
		netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("100.64.0.0/10"),
	}
	// Names of services that the look-alikes are about; nothing is fetched.
	known := map[string]bool{
		"api.telegram.org": true, "bootstrap.pypa.io": true, "install.python-poetry.org": true, "metadata.google.internal": true,
		"kubernetes.default.svc": true, "github.com": true, "storage.googleapis.com": true,
	}
	rows, err := corpus.Own()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range append(rows, corpus.Made()...) {
		for _, a := range address.FindAllString(row.Text, -1) {
			ip, err := netip.ParseAddr(a)
			ok := err != nil // 255 and more: no address
			for _, p := range reserved {
				ok = ok || p.Contains(ip)
			}
			if !ok {
				t.Errorf("%s: address %s is not reserved", row.Origin, a)
			}
		}
		for _, m := range host.FindAllStringSubmatch(row.Text, -1) {
			if h := m[1]; !known[h] && !strings.HasSuffix(h, "example.com") && !address.MatchString(h) {
				t.Errorf("%s: host %s is not reserved", row.Origin, h)
			}
		}
	}
}

func TestMadeRowsAreTheSameOnEveryCall(t *testing.T) {
	t.Parallel()
	first, second := corpus.Made(), corpus.Made()
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("made rows differ (-first +second):\n%s", diff)
	}
	if len(first) < 200 {
		t.Errorf("%d made rows, want at least 200", len(first))
	}
	for _, row := range first {
		if strings.Contains(row.Text, "§") || strings.Contains(row.Text, "PORT") || strings.Contains(row.Text, "HOST") {
			t.Errorf("%s: a place was not filled in: %q", row.Origin, row.Text)
		}
	}
}

// write makes a corpus in a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), z.EncodeAll([]byte(text), nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadGivesGroupsAndSources(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"groups.tsv.zst":           "id\tgroup\tsource\n1\tg7\tpypi\n",
		"train.jsonl.zst":          `{"id":"1","label":"malicious","family":"stealer","kind":"c","cluster":"c1","date":"2024-07","text":"x","ev":3}` + "\n",
		"train_extra.jsonl.zst":    `{"id":"2","label":"benign","family":"app","kind":"file","cluster":"y1","project":"p","text":"y"}` + "\n",
		"dev.jsonl.zst":            "",
		"train_variants.jsonl.zst": "",
	}
	var got []corpus.Row
	if err := corpus.Read(t.Context(), write(t, files), func(r corpus.Row) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	want := []corpus.Row{
		{ID: "1", Malicious: true, Family: "stealer", Kind: "c", Cluster: "c1", Group: "g7", Source: "pypi", Date: "2024-07", Set: "train", Evidence: 3, Text: "x"},
		{ID: "2", Family: "app", Kind: "file", Cluster: "y1", Group: "cluster:y1", Source: "p", Set: "extra", Evidence: -1, Text: "y"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	files["dev.jsonl.zst"] = "{\"id\":\"3\",\"label\":\"odd\"}\n"
	err := corpus.Read(t.Context(), write(t, files), func(corpus.Row) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "dev.jsonl.zst: line 1") {
		t.Errorf("a wrong label: %v, want an error that names the file and line", err)
	}
	stop := errors.New("stop")
	if err := corpus.Read(t.Context(), write(t, files), func(corpus.Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of yield comes back as %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := corpus.Read(ctx, write(t, files), func(corpus.Row) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled read: %v", err)
	}
}
