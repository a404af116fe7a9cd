package kingsnake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rule says what a package of ours may know. The first rule whose pattern
// matches is the one that counts; a package that no rule matches fails the test,
// so that a new folder comes with its rule.
//
// A pattern is a path inside the module, "cmd/..." for a whole tree.
type rule struct {
	pattern string
	may     []string // patterns of our packages it may import, itself and its children left out
	never   []string // packages of anybody it must not reach, however far; "std" means: only the standard library
	shuns   []string // packages it must not import itself, though what it imports may
	why     string
}

// Groups of packages that rules speak of.
var (
	ebpf    = []string{"github.com/cilium/ebpf/..."}
	kube    = []string{"k8s.io/client-go/...", "k8s.io/api/...", "k8s.io/apimachinery/..."}
	sql     = []string{"database/sql", "modernc.org/sqlite/...", "github.com/pressly/goose/...", "github.com/jackc/pgx/..."}
	network = []string{"net", "net/http", "google.golang.org/grpc/..."}
	running = []string{"os/exec", "plugin"}
	browser = []string{"github.com/chromedp/...", "github.com/evanw/esbuild/..."}
	files   = []string{"os", "io/ioutil", "path/filepath", "syscall", "golang.org/x/sys/..."}
	clock   = []string{"math/rand", "math/rand/v2", "crypto/rand"}
)

var rules = []rule{
	{pattern: ".", never: std, why: "documentation and these tests"},

	// Vocabulary.
	{pattern: "capture", never: std, shuns: files, why: "the classifier and the trainer build on any system"},
	{pattern: "finding", never: std, shuns: files, why: "the one type both halves know"},
	{pattern: "workload", may: []string{"capture"}, never: std, shuns: files, why: "the Kubernetes client belongs to workload/kube"},
	{pattern: "store", may: []string{"finding"}, never: std, why: "the interface knows no driver"},

	// The sensor half.
	{pattern: "capture/binary", may: []string{"capture"}, never: all(ebpf, kube, sql, network, running), why: "describes a file, and nothing more"},
	{pattern: "capture/python", may: []string{"capture"}, never: all(ebpf, kube, sql, network, running), why: "tells what belongs to Python, and touches no process"},
	{pattern: "capture/proc", may: []string{"capture"}, never: all(ebpf, kube, sql, network, running), why: "looks at processes, however they are watched"},
	{pattern: "capture/fallback", may: []string{"capture", "capture/proc", "capture/python", "capture/rights"}, never: all(ebpf, kube, sql, network, running), why: "captures where BPF cannot be used, so it must not rest on it"},
	{pattern: "capture/sensor/generate", may: []string{"capture"}, never: all(ebpf, kube, sql, network), why: "runs Python in every way for tests, and knows nothing of how it is captured"},
	{pattern: "capture/sensor", may: []string{"capture/...", "normalize/bundle"}, never: all(kube, sql, network), shuns: running, why: "as the rest of capture; and it reads the scripts out of a bundle, whose format stands once"},
	{pattern: "capture/...", may: []string{"capture/..."}, never: all(kube, sql, network), shuns: running, why: "capture knows nothing of containers, and is the only user of the eBPF library"},
	{pattern: "workload/kube/...", may: []string{"workload", "workload/kube/..."}, never: all(ebpf, kube, sql, running), why: "speaks HTTP with the Kubernetes API; its own client library would bring programs to run and megabytes (docs/adr/0018)"},
	{pattern: "workload/cgroup", may: []string{"workload"}, never: all(ebpf, kube, sql, network, running), why: "a pure reading of a path"},
	{pattern: "workload/...", may: []string{"capture", "workload/..."}, never: all(ebpf, kube, sql, running), why: "asks the container runtime, never a shell"},
	{pattern: "normalize/peak", never: std, why: "measures memory for tests"},
	{pattern: "normalize/...", may: []string{"capture", "normalize/..."}, never: all(ebpf, kube, sql, network, running), shuns: all(files, clock), why: "hostile text in, layers out: no files, no network, no chance"},
	{pattern: "classify/eval/report", may: []string{"classify", "classify/eval"}, never: all(ebpf, kube, sql, network, running), shuns: all(files, clock), why: "a page is a pure function of a report"},
	{pattern: "classify/...", may: []string{"capture", "normalize", "classify/..."}, never: all(ebpf, kube, sql, network, running), why: "a verdict is a pure function of the text and the model"},
	{pattern: "detect/apart", may: []string{"capture", "normalize"}, never: all(ebpf, kube, sql, browser, network), why: "runs the normalizer in another process, and knows nothing else"},
	{pattern: "detect/...", may: []string{"capture", "capture/binary", "workload", "normalize", "classify", "finding", "finding/redact"}, never: all(ebpf, kube, sql, browser, running, []string{"net/http"}), why: "the pipeline knows neither sensor nor store, only its own three interfaces"},

	// What both halves share.
	{pattern: "finding/redact", may: []string{"finding"}, never: all(ebpf, kube, sql, network, running), shuns: files, why: "runs on the node before anything is stored or sent"},
	{pattern: "finding/...", may: []string{"finding/..."}, never: all(ebpf, kube, sql, running), why: "wire forms of a finding"},

	// The server half.
	{pattern: "store/storetest", may: []string{"store", "finding"}, never: all(ebpf, kube, sql, browser), why: "the suite every store passes knows none of them"},
	{pattern: "store/...", may: []string{"store", "finding"}, never: all(ebpf, kube, browser), shuns: running, why: "stores do not know each other"},
	{pattern: "console/consoletest", may: []string{"finding", "finding/...", "store", "store/mem", "console/..."}, never: all(ebpf, kube), why: "drives a browser; only tests and the gallery use it"},
	{pattern: "console/gallery", may: []string{"finding", "finding/...", "store", "store/mem", "console/..."}, never: all(ebpf, kube), why: "shows every page with made-up data; only developers use it"},
	{pattern: "console/ui/...", may: []string{"console/ui/..."}, never: all(ebpf, kube, sql), why: "templates and assets, and the program that bundles them"},
	{pattern: "console/...", may: []string{"finding", "finding/...", "store", "console/..."}, never: all(ebpf, kube, running, browser, []string{"modernc.org/sqlite/..."}), why: "pages and API see findings and the store's interface, never the sensor, the model or a driver"},

	// The rest.
	{pattern: "deploy/...", may: []string{"..."}, why: "end-to-end tests see the whole"},
	{pattern: "cmd/...", may: []string{"..."}, never: all(kube, browser), why: "the wiring sees everything; nothing imports it"},
}

// exceptions are imports that break a rule above on purpose.
var exceptions = []struct{ from, to, why string }{}

// homes says which of our packages may import a heavy library themselves, tests
// included. Reading this table tells where to look when one of them changes.
var homes = []struct {
	library string
	in      []string
}{
	{"github.com/cilium/ebpf/...", []string{"capture/sensor/...", "deploy/sensorbench"}},
	{"k8s.io/cri-api/...", []string{"workload/cri/...", "deploy/node"}},
	{"google.golang.org/grpc/...", []string{"workload/cri/...", "deploy/node"}},
	{"sigs.k8s.io/yaml", []string{"workload/kube/...", "deploy/..."}},
	{"cloud.google.com/go/securitycenter/...", []string{"finding/scc"}},
	{"modernc.org/sqlite/...", []string{"store/sqlite"}},
	{"github.com/pressly/goose/...", []string{"store/sqlite"}},
	{"github.com/evanw/esbuild/...", []string{"console/..."}},
	{"github.com/chromedp/...", []string{"console/..."}},
	{"github.com/andybalholm/cascadia", []string{"console/..."}},
	{"github.com/klauspost/compress/...", []string{"classify/...", "store/sqlite", "cmd/..."}},
	{"github.com/rogpeppe/go-internal/...", []string{"cmd/..."}},
}

var std = []string{"std"}

func all(groups ...[]string) []string { return slices.Concat(groups...) }

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath, Dir                             string
	Standard                                    bool
	GoFiles, Imports, TestImports, XTestImports []string
	Deps                                        []string
	Error                                       *struct{ Err string }
	in                                          string // path inside the module
}

func TestImports(t *testing.T) {
	t.Parallel()
	ours, standard := listPackages(t)
	for _, p := range ours {
		r, ok := ruleOf(p.in)
		if !ok {
			t.Errorf("%s: no rule says what this package may import; add one to arch_test.go", p.in)
			continue
		}
		for _, msg := range broken(r, p, standard) {
			t.Errorf("%s %s (%s)", p.in, msg, r.why)
		}
	}
}

func TestHeavyLibrariesHaveAHome(t *testing.T) {
	t.Parallel()
	ours, _ := listPackages(t)
	for _, p := range ours {
		for _, to := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for _, h := range homes {
				if match(h.library, to) && !matchAny(h.in, p.in) {
					t.Errorf("%s imports %s, whose home is %s", p.in, to, strings.Join(h.in, ", "))
				}
			}
		}
	}
}

// broken returns what is wrong with the imports of p under r.
func broken(r rule, p pkg, standard map[string]bool) []string {
	var wrong []string
	for _, to := range p.Imports {
		in, mine := inside(to)
		switch {
		case mine && matchAny(r.may, in), excepted(p.in, in):
		case mine && match("cmd/...", in):
			wrong = append(wrong, "imports a command: "+to)
		case mine:
			wrong = append(wrong, "must not import "+to)
		case matchAny(r.shuns, to):
			wrong = append(wrong, "must not import "+to+" itself")
		}
	}
	for _, to := range p.Deps {
		if _, mine := inside(to); mine {
			continue
		}
		if matchAny(r.never, to) || slices.Contains(r.never, "std") && !standard[to] {
			wrong = append(wrong, "must never reach "+to)
		}
	}
	return wrong
}

func ruleOf(in string) (rule, bool) {
	for _, r := range rules {
		if match(r.pattern, in) {
			return r, true
		}
	}
	return rule{}, false
}

func excepted(from, to string) bool {
	for _, e := range exceptions {
		if e.from == from && e.to == to {
			return true
		}
	}
	return false
}

// inside returns the path of one of our packages inside the module.
func inside(path string) (string, bool) {
	if path == "kingsnake" {
		return ".", true
	}
	return strings.CutPrefix(path, "kingsnake/")
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

// match reports whether path is pattern, or lies in its tree when it ends in "...".
func match(pattern, path string) bool {
	tree, whole := strings.CutSuffix(pattern, "...")
	if !whole {
		return path == pattern
	}
	return strings.HasPrefix(path+"/", tree)
}

// listPackages returns our packages as built for Linux, and the set of standard
// packages they reach.
func listPackages(t *testing.T) ([]pkg, map[string]bool) {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Dir,Standard,GoFiles,Imports,TestImports,XTestImports,Deps,Error", "./...")
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var ours []pkg
	standard := map[string]bool{"C": true}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return ours, standard
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		standard[p.ImportPath] = p.Standard
		if in, mine := inside(p.ImportPath); mine {
			p.in = in
			ours = append(ours, p)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"store", "store", true},
		{"store", "store/mem", false},
		{"store/...", "store", true},
		{"store/...", "store/mem", true},
		{"store/...", "storefront", false},
		{"...", "anything/at/all", true},
	} {
		if got := match(test.pattern, test.path); got != test.want {
			t.Errorf("match(%q, %q): want %t, got %t", test.pattern, test.path, test.want, got)
		}
	}
}

func TestABrokenRuleIsSeen(t *testing.T) {
	t.Parallel()
	r := rule{pattern: "detect", may: []string{"finding"}, never: sql, shuns: []string{"os"}}
	p := pkg{in: "detect", Imports: []string{"kingsnake/finding", "kingsnake/store", "os", "fmt"}, Deps: []string{"os", "fmt", "database/sql"}}
	got := strings.Join(broken(r, p, map[string]bool{"os": true, "fmt": true, "database/sql": true}), "; ")
	want := "must not import kingsnake/store; must not import os itself; must never reach database/sql"
	if got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}
