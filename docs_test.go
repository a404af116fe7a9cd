package kingsnake

import (
	"bytes"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageAndExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	ours, _ := listPackages(t)
	for _, p := range ours {
		t.Run(p.in, func(t *testing.T) {
			t.Parallel()
			fset := token.NewFileSet()
			var files []*ast.File
			for _, name := range p.GoFiles {
				f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
				if err != nil {
					t.Fatal(err)
				}
				if !ast.IsGenerated(f) {
					files = append(files, f)
				}
			}
			if len(files) == 0 {
				return // nothing but tests, or nothing but generated files
			}
			d, err := doc.NewFromFiles(fset, files, p.ImportPath)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range undocumented(d) {
				t.Errorf("%s has no comment", name)
			}
		})
	}
}

// undocumented returns the names a reader of go doc would find bare.
func undocumented(d *doc.Package) []string {
	var bare []string
	if strings.TrimSpace(d.Doc) == "" {
		bare = append(bare, "package "+d.Name)
	}
	funcs := func(prefix string, list []*doc.Func) {
		for _, f := range list {
			if f.Doc == "" {
				bare = append(bare, prefix+f.Name)
			}
		}
	}
	values := func(list []*doc.Value) {
		for _, v := range list {
			for _, spec := range v.Decl.Specs {
				s := spec.(*ast.ValueSpec)
				if v.Doc == "" && s.Doc.Text() == "" && s.Comment.Text() == "" {
					bare = append(bare, s.Names[0].Name)
				}
			}
		}
	}
	values(d.Consts)
	values(d.Vars)
	funcs("", d.Funcs)
	for _, typ := range d.Types {
		if typ.Doc == "" {
			bare = append(bare, "type "+typ.Name)
		}
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs)
		for _, m := range typ.Methods {
			if m.Doc == "" && !wellKnown[m.Name] {
				bare = append(bare, typ.Name+"."+m.Name)
			}
		}
	}
	return bare
}

// wellKnown are methods whose meaning the standard library has fixed.
var wellKnown = map[string]bool{"Error": true, "String": true, "Unwrap": true, "Close": true, "MarshalJSON": true, "UnmarshalJSON": true, "ServeHTTP": true}

func TestEveryDirectDependencyHasItsLine(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/dependencies.md")
	direct := directRequirements(t)
	for _, path := range direct {
		if !strings.Contains(text, "| `"+path+"` |") {
			t.Errorf("docs/dependencies.md has no line for %s", path)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(text, -1) {
		if !slices.Contains(direct, m[1]) {
			t.Errorf("docs/dependencies.md describes %s, which go.mod does not require", m[1])
		}
	}
}

// directRequirements returns the modules that go.mod requires for our own sake.
func directRequirements(t *testing.T) []string {
	t.Helper()
	var paths []string
	block := false
	for line := range strings.Lines(read(t, "go.mod")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "require (":
			block = true
		case line == ")":
			block = false
		case strings.HasPrefix(line, "require ") || block:
			fields := strings.Fields(strings.TrimPrefix(line, "require "))
			if len(fields) >= 2 && !strings.Contains(line, "// indirect") {
				paths = append(paths, fields[0])
			}
		}
	}
	return paths
}

// unwanted are words that must not be in a file of the repository, and why.
var unwanted = []struct {
	re  *regexp.Regexp
	why string
}{
	{regexp.MustCompile(`/(work|farm)/[a-z]|/root/[a-z.]`), "a path of one machine"},
	{regexp.MustCompile(`proxy\.golang` + `\.org|registry\.npmjs` + `\.org|deb\.debian` + `\.org`), "the address of a package registry: the tools know it"},
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "something left undone: do it, or say what is missing where readers look"},
	{regexp.MustCompile(`not (yet )?impl` + `emented`), "something left undone"},
}

// exempt are files whose text is not ours to choose.
var exempt = regexp.MustCompile(`(^|/)(go\.sum|package-lock\.json|LICENSE|vmlinux\.h|axe\.min\.js)$|/testdata/|/corpus/|\.(png|o|gz|zst|woff2|model|bin)$`)

func TestFilesSpeakOfTheProjectAlone(t *testing.T) {
	t.Parallel()
	for _, name := range tracked(t) {
		if exempt.MatchString(name) {
			continue
		}
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // deleted and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text, 0) >= 0 {
			continue
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			for _, u := range unwanted {
				if found := u.re.Find(line); found != nil {
					t.Errorf("%s:%d: %q is %s", name, i+1, found, u.why)
				}
			}
		}
	}
}

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s#]+)(#[^)]*)?\)`)
	for _, name := range tracked(t) {
		if filepath.Ext(name) != ".md" || exempt.MatchString(name) {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}

// tracked returns the files git knows. Outside a checkout there is nothing to
// check.
func tracked(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("this is no git checkout (%v); run it in one: git clone, then go test .", err)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
