package console

import (
	"fmt"
	"net/http"
	"strings"

	"kingsnake/finding"
	"kingsnake/finding/scc"
)

// jsonPage is the JSON tab of a finding.
type jsonPage struct {
	findingHead
	Forms    []choice
	About    string
	Text     []evidence // line by line
	Hidden   string
	Download string
}

// jsonForm is one of the shapes a finding can be had in.
type jsonForm struct {
	name, words, about string
	marshal            func(finding.Finding, scc.Config) ([]byte, error)
}

// jsonForms are the choices, the first one being the default.
var jsonForms = []jsonForm{
	{"v2", "SCC v2", "The finding as the v2 API of Security Command Center writes it. Paths, arguments, environment and contents are JSON strings inside JSON strings there, so that any byte survives.", scc.V2JSON},
	{"legacy", "SCC console", "The finding as the older console of Security Command Center shows it, with finding, resource and sourceProperties side by side.", scc.LegacyJSON},
}

// formOf returns the form of that name, or the default one.
func formOf(name string) jsonForm {
	for _, f := range jsonForms {
		if f.name == name {
			return f
		}
	}
	return jsonForms[0]
}

// Limits on how much JSON one page shows. All of it is in the download.
const (
	maxJSONLine  = 4000
	maxJSONLines = 3000
)

// json serves the JSON tab.
func (c *console) json(w http.ResponseWriter, r *http.Request) {
	f, err := c.Store.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		c.failed(w, r, "read the finding", err)
		return
	}
	form := formOf(r.URL.Query().Get("form"))
	data, err := form.marshal(f, c.SCC)
	if err != nil {
		c.failed(w, r, "write the finding as JSON", err)
		return
	}
	head := c.head(r, f, "json")
	page := jsonPage{findingHead: head, About: form.about, Download: head.URL + "/json/" + form.name}
	for _, other := range jsonForms {
		page.Forms = append(page.Forms, choice{Text: other.words, URL: head.URL + "/json?form=" + other.name, Current: other.name == form.name})
	}
	page.Text, page.Hidden = jsonLines(string(data))
	c.render(w, r, http.StatusOK, "json", page)
}

// jsonLines prepares JSON for showing, cut where it is too much.
func jsonLines(data string) (lines []evidence, hidden string) {
	cut := 0
	for i, line := range strings.SplitAfter(data, "\n") {
		if i == maxJSONLines {
			hidden = "The rest is left out here; the download has it."
			break
		}
		kept := clip(line, maxJSONLine)
		e := marks(strings.TrimSuffix(kept, "\n"), true)
		if kept != line {
			cut++
			e = append(e, piece{Text: fmt.Sprintf("… %s more", size(int64(len(line)-len(kept)))), Note: true})
		}
		lines = append(lines, append(e, piece{Text: "\n"}))
	}
	if cut > 0 && hidden == "" {
		hidden = title(plural(int64(cut), "long line")) + " cut here; the download has all of it."
	}
	return lines, hidden
}

// jsonDownload serves GET /findings/{name}/json/{form}: the whole document.
func (c *console) jsonDownload(w http.ResponseWriter, r *http.Request) {
	form := formOf(r.PathValue("form"))
	if form.name != r.PathValue("form") {
		c.nowhere(w, r)
		return
	}
	f, err := c.Store.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		c.failed(w, r, "read the finding", err)
		return
	}
	data, err := form.marshal(f, c.SCC)
	if err != nil {
		c.failed(w, r, "write the finding as JSON", err)
		return
	}
	download(w, "application/json", "finding-"+safeName(f.Name)+"-"+form.name+".json", data)
}
