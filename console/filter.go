package console

import (
	"net/url"
	"strings"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// maxFilter is how long the value of a filter may be.
const maxFilter = 512

// filterNames are the parameters of the list of findings, in the order of the
// address.
var filterNames = []string{"severity", "state", "kind", "namespace", "image", "node", "text", "sha256", "since", "until"}

// filter is what the address of the list asks for.
type filter struct {
	values url.Values // only known, non-empty parameters
	after  string     // the cursor
}

// filterOf reads a query. Unknown parameters and empty ones are left out, so
// that two addresses of the same list are the same.
func filterOf(q url.Values) filter {
	f := filter{values: url.Values{}, after: q.Get("after")}
	for _, name := range filterNames {
		if v := strings.TrimSpace(clip(q.Get(name), maxFilter)); v != "" {
			f.values.Set(name, v)
		}
	}
	return f
}

// url is the address of the list with this filter from its beginning.
func (f filter) url() string {
	if len(f.values) == 0 {
		return "/findings"
	}
	return "/findings?" + f.values.Encode()
}

// with is the address with one parameter set, or removed by "".
func (f filter) with(name, value string) string {
	g := filter{values: url.Values{}}
	for k, v := range f.values {
		g.values[k] = v
	}
	g.values.Set(name, value)
	if value == "" {
		g.values.Del(name)
	}
	return g.url()
}

// query is what the store is asked, as of now.
func (f filter) query(now time.Time) store.Query {
	v := f.values
	return store.Query{
		Severity: finding.Severity(v.Get("severity")), State: finding.State(v.Get("state")),
		Kind: v.Get("kind"), Namespace: v.Get("namespace"), Image: v.Get("image"), Node: v.Get("node"),
		SHA256: v.Get("sha256"), Text: v.Get("text"),
		Since: instant(v.Get("since"), now), Until: instant(v.Get("until"), now),
		Cursor: f.after,
	}
}

// presets are the times the filter offers, as durations before now.
var presets = []struct{ value, words string }{
	{"15m", "15 minutes ago"}, {"1h", "1 hour ago"}, {"24h", "24 hours ago"}, {"168h", "7 days ago"}, {"720h", "30 days ago"},
}

// instant reads a point in time: so long before now, or in RFC 3339. Anything
// else is the zero time, which does not filter.
func instant(s string, now time.Time) time.Time {
	if s == "" {
		return time.Time{}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d)
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// option is a choice of a select element.
type option struct {
	Value, Text string
	Selected    bool
}

// field is a control of the filter form.
type field struct {
	Name, Label, Value, Placeholder string
	Options                         []option // of a select; else it is a text field
}

// fields lists the controls of the form, with what is chosen.
func (f filter) fields() []field {
	choose := func(name, label, any string, options ...option) field {
		current, known := f.values.Get(name), false
		all := append([]option{{Text: any}}, options...)
		for i := range all {
			all[i].Selected = all[i].Value == current
			known = known || all[i].Selected
		}
		if !known { // a value of the address that the form does not offer stays as it is
			all = append(all, option{Value: current, Text: plain(current), Selected: true})
		}
		return field{Name: name, Label: label, Options: all}
	}
	write := func(name, label, placeholder string) field {
		return field{Name: name, Label: label, Value: f.values.Get(name), Placeholder: placeholder}
	}
	var levels, kinds, since, until []option
	for _, s := range severities {
		levels = append(levels, option{Value: string(s), Text: severityOf(string(s)).Word})
	}
	for _, k := range kindOrder {
		kinds = append(kinds, option{Value: k, Text: kindWord(k)})
	}
	for _, p := range presets {
		since = append(since, option{Value: p.value, Text: p.words})
		until = append(until, option{Value: p.value, Text: p.words})
	}
	out := []field{
		write("text", "Search", "path, image, pod, container or node"),
		choose("severity", "Severity", "Any", levels...),
		choose("state", "State", "Any", option{Value: "ACTIVE", Text: "Active"}, option{Value: "INACTIVE", Text: "Allowed"}),
		choose("kind", "How it ran", "Any", kinds...),
		choose("since", "Seen since", "Any time", since...),
		choose("until", "Seen before", "Now", until...),
		write("namespace", "Namespace", ""),
		write("image", "Image", ""),
		write("node", "Node", ""),
	}
	if f.values.Get("sha256") != "" {
		out = append(out, write("sha256", "Script SHA-256", ""))
	}
	return out
}

// chip is a filter that is set, with the address without it.
type chip struct {
	Label string
	Value evidence
	URL   string
}

// chips lists the filters that are set.
func (f filter) chips() []chip {
	var out []chip
	for _, fd := range f.fields() {
		value := f.values.Get(fd.Name)
		if value == "" {
			continue
		}
		c := chip{Label: fd.Label, Value: show(clip(value, 64)), URL: f.with(fd.Name, "")}
		for _, o := range fd.Options {
			if o.Selected {
				c.Value = show(o.Text)
			}
		}
		out = append(out, c)
	}
	return out
}
