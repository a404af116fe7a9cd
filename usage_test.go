package kingsnake

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/usage.md with what the commands print")

// section is one command's part of docs/usage.md: its heading, what is said
// about it, and what the command prints when asked for help.
var section = regexp.MustCompile("(?ms)^## kingsnake (\\S+)\n(.*?)^```text\n(.*?)^```\n")

func TestUsageIsWhatTheCommandsPrint(t *testing.T) {
	t.Parallel()
	usage, readme := read(t, "docs/usage.md"), read(t, "README.md")
	commands := subCommands(t)
	if len(commands) == 0 {
		t.Fatal("found no sub-command in cmd/kingsnake/main.go")
	}
	described := map[string]string{}
	for _, m := range section.FindAllStringSubmatch(usage, -1) {
		described[m[1]] = m[3]
	}
	program := build(t)
	for _, name := range commands {
		if !strings.Contains(readme, "kingsnake "+name) {
			t.Errorf("README.md does not mention \"kingsnake %s\"", name)
		}
		want := help(t, program, name)
		got, ok := described[name]
		switch {
		case !ok && *update:
			usage += fmt.Sprintf("\n## kingsnake %s\n\n```text\n%s```\n", name, want)
		case !ok:
			t.Errorf("docs/usage.md has no section \"## kingsnake %s\"", name)
		case got != want && *update:
			usage = strings.Replace(usage, "```text\n"+got, "```text\n"+want, 1)
		case got != want:
			t.Errorf("docs/usage.md, kingsnake %s: not what it prints; run \"go test . -update\"\nwant:\n%s\ngot:\n%s", name, want, got)
		}
		delete(described, name)
	}
	for name := range described {
		t.Errorf("docs/usage.md describes kingsnake %s, which is not a sub-command", name)
	}
	if *update {
		if err := os.WriteFile("docs/usage.md", []byte(usage), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// build builds the program and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kingsnake")
	cmd := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/kingsnake")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return program
}

// help returns what a command prints for -h, the same on every machine.
func help(t *testing.T, program, name string) string {
	t.Helper()
	cmd := exec.Command(program, name, "-h")
	cmd.Env = []string{"KINGSNAKE_DATA=/var/lib/kingsnake"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("kingsnake %s -h: %v", name, err)
	}
	return strings.ReplaceAll(string(out), "\t", "    ")
}

// subCommands reads the names in the table that the function commands returns.
func subCommands(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "cmd/kingsnake/main.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "commands" {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if ok && lit.Type == nil && len(lit.Elts) > 0 {
				if name, ok := lit.Elts[0].(*ast.BasicLit); ok && name.Kind == token.STRING {
					names = append(names, strings.Trim(name.Value, `"`))
				}
			}
			return true
		})
	}
	return names
}
