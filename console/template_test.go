package console

import (
	"fmt"
	"html/template"
	"reflect"
	"testing"
	"text/template/parse"

	"kingsnake/console/ui"
)

// pages maps each screen to the struct its template shows.
var pages = map[string]any{
	"signin": signinPage{}, "overview": overviewPage{}, "findings": findingsPage{}, "finding": summaryPage{},
	"json": jsonPage{}, "investigate": investigatePage{}, "health": healthPage{}, "sensors": sensorsPage{}, "model": modelPage{}, "settings": settingsPage{}, "problem": problemPage{},
}

func TestEveryTemplateNamesOnlyFieldsItsStructHas(t *testing.T) {
	t.Parallel()
	sets := ui.Templates()
	if len(sets) != len(pages) {
		t.Errorf("%d screens, want %d", len(sets), len(pages))
	}
	used := map[string]bool{}
	for screen, page := range pages {
		k := &checker{set: sets[screen], seen: map[string]bool{}, used: used}
		k.template("layout", reflect.TypeOf(page))
		for _, name := range []string{"fragment-list"} {
			if sets[screen].Lookup(name) != nil {
				k.template(name, reflect.TypeOf(page))
			}
		}
		for _, problem := range k.problems {
			t.Errorf("%s: %s", screen, problem)
		}
	}
	for _, page := range pages {
		expectUsed(t, reflect.TypeOf(page), used)
	}
}

// expectUsed looks for fields of a page struct that no template shows.
func expectUsed(t *testing.T, typ reflect.Type, used map[string]bool) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Slice, reflect.Pointer:
		expectUsed(t, typ.Elem(), used)
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.IsExported() && !used[typ.String()+"."+f.Name] {
				t.Errorf("no template shows %s.%s", typ, f.Name)
				used[typ.String()+"."+f.Name] = true
			}
			expectUsed(t, f.Type, used)
		}
	}
}

func TestTheCheckerFindsAWrongField(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{{.Nope}}`, `{{range .Counts}}{{.Severity.Nope}}{{end}}`, `{{with .Chart}}{{.Nope}}{{end}}`,
		`{{if eq .Nope "x"}}{{end}}`, `{{range .Counts}}{{$.Nope}}{{end}}`, `{{range $i, $c := .Counts}}{{$c.Nope}}{{end}}`,
		`{{define "part"}}{{.Nope}}{{end}}{{template "part" .Chart}}`, `{{template "absent" .}}`,
	} {
		set, err := template.New("main").Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		k := &checker{set: set, seen: map[string]bool{}}
		k.template("main", reflect.TypeFor[overviewPage]())
		if len(k.problems) == 0 {
			t.Errorf("nothing wrong found in %s", text)
		}
	}
}

// checker follows types through a template set.
type checker struct {
	set      *template.Template
	seen     map[string]bool
	used     map[string]bool // fields, as "package.type.field"
	problems []string
}

// scope is what dot and the variables are. A nil type is not known, and not
// checked.
type scope struct {
	dot  reflect.Type
	vars map[string]reflect.Type
}

func (s scope) with(dot reflect.Type) scope { return scope{dot, s.vars} }

func (k *checker) template(name string, dot reflect.Type) {
	key := fmt.Sprint(name, " ", dot)
	if k.seen[key] {
		return
	}
	k.seen[key] = true
	t := k.set.Lookup(name)
	if t == nil || t.Tree == nil {
		k.problems = append(k.problems, "no template "+name)
		return
	}
	k.list(t.Tree.Root, scope{dot, map[string]reflect.Type{"$": dot}})
}

func (k *checker) list(list *parse.ListNode, s scope) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			k.pipe(n.Pipe, s)
		case *parse.IfNode:
			k.pipe(n.Pipe, s)
			k.list(n.List, s)
			k.list(n.ElseList, s)
		case *parse.WithNode:
			k.list(n.List, s.with(k.pipe(n.Pipe, s)))
			k.list(n.ElseList, s)
		case *parse.RangeNode:
			k.list(n.List, s.with(k.rangeOver(n.Pipe, s)))
			k.list(n.ElseList, s)
		case *parse.TemplateNode:
			k.template(n.Name, k.pipe(n.Pipe, s))
		}
	}
}

// rangeOver returns the type of the elements and declares the variables.
func (k *checker) rangeOver(p *parse.PipeNode, s scope) reflect.Type {
	decl := p.Decl
	p.Decl = nil
	over := k.pipe(p, s)
	p.Decl = decl
	var elem reflect.Type
	if over != nil && over.Kind() == reflect.Slice {
		elem = over.Elem()
	} else {
		k.problems = append(k.problems, fmt.Sprintf("range over %v in %s", over, p))
	}
	if len(decl) > 0 {
		s.vars[decl[len(decl)-1].Ident[0]] = elem
	}
	return elem
}

func (k *checker) pipe(p *parse.PipeNode, s scope) reflect.Type {
	if p == nil {
		return nil
	}
	var result reflect.Type
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			result = k.value(arg, s)
		}
		if len(cmd.Args) > 1 {
			result = nil
		}
	}
	for _, v := range p.Decl {
		s.vars[v.Ident[0]] = result
	}
	return result
}

func (k *checker) value(n parse.Node, s scope) reflect.Type {
	switch n := n.(type) {
	case *parse.DotNode:
		return s.dot
	case *parse.FieldNode:
		return k.fields(s.dot, n.Ident, n)
	case *parse.VariableNode:
		return k.fields(s.vars[n.Ident[0]], n.Ident[1:], n)
	case *parse.PipeNode:
		return k.pipe(n, s)
	}
	return nil
}

func (k *checker) fields(t reflect.Type, names []string, n parse.Node) reflect.Type {
	for _, name := range names {
		if t == nil {
			return nil
		}
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			k.problems = append(k.problems, fmt.Sprintf("%s: %v has no fields", n, t))
			return nil
		}
		f, ok := t.FieldByName(name)
		if !ok || !f.IsExported() {
			k.problems = append(k.problems, fmt.Sprintf("%s: %v has no field %s", n, t, name))
			return nil
		}
		if k.used != nil {
			owner := t
			for _, i := range f.Index[:len(f.Index)-1] {
				owner = owner.Field(i).Type
			}
			k.used[owner.String()+"."+name] = true
		}
		t = f.Type
	}
	return t
}
