// Package ui holds the console's templates and the assets built from its style
// sheets and TypeScript.
//
// A screen has a folder with its template, its style sheet and, where it needs
// one, its script. part holds what screens share. The first line of a template
// names the Go struct it shows, which lives in kingsnake/console.
//
// dist is built from the sources beside it by kingsnake/console/ui/build and
// is committed, so that building the program needs nothing but Go.
package ui

//go:generate go run ./build

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed *.tmpl */*.tmpl
var templates embed.FS

//go:embed dist
var dist embed.FS

// Screens are the names of the screens: screen S is the template S/S.tmpl.
var Screens = []string{"signin", "overview", "findings", "finding", "json", "investigate", "health", "sensors", "model", "settings", "problem"}

// Templates parses and returns the template set of every screen by name. The
// whole page is the template "layout"; a screen may define fragments besides.
// It panics when a template does not parse, which a test would have shown.
func Templates() map[string]*template.Template {
	base := template.Must(template.New("").Option("missingkey=error").ParseFS(templates, "layout.tmpl", "part/*.tmpl"))
	sets := make(map[string]*template.Template, len(Screens))
	for _, name := range Screens {
		set := template.Must(base.Clone())
		sets[name] = template.Must(set.ParseFS(templates, path.Join(name, name+".tmpl")))
	}
	return sets
}

// Assets serves the built files under addresses that change with their
// content. It is safe for concurrent use.
type Assets struct {
	byURL  map[string]asset
	byName map[string]string
}

type asset struct {
	kind string
	data []byte
}

// assetKinds are the media types of what dist may hold.
var assetKinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// NewAssets reads the built files. It panics when one cannot be served, which a
// test would have shown.
func NewAssets() *Assets {
	a := &Assets{byURL: map[string]asset{}, byName: map[string]string{}}
	entries, err := fs.ReadDir(dist, "dist")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		data, err := fs.ReadFile(dist, "dist/"+e.Name())
		if err != nil {
			panic(err)
		}
		ext := path.Ext(e.Name())
		kind, ok := assetKinds[ext]
		if !ok {
			panic("console/ui: dist holds " + e.Name() + ", whose type is not known")
		}
		sum := sha256.Sum256(data)
		url := "/assets/" + strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byURL[url] = asset{kind: kind, data: data}
		a.byName[e.Name()] = url
	}
	return a
}

// URL returns the address of the built file of that name, for example app.css.
// It panics when there is none.
func (a *Assets) URL(name string) string {
	url, ok := a.byName[name]
	if !ok {
		panic("console/ui: no asset " + name)
	}
	return url
}

// ServeHTTP serves one asset, to be kept by browsers for good.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.byURL[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", file.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(file.data)
}
