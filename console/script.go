package console

import (
	"fmt"
	"math"
	"net/http"
	"strconv"

	"kingsnake/finding"
)

// Anchors of the lines of the script and of the layer beside it.
const (
	scriptPrefix = "L"
	layerPrefix  = "M"
)

// maxPlaces is how many places of one reason get a link.
const maxPlaces = 12

// reasons lists why, with links to the lines each points to. layer is the one
// shown beside the script.
func reasons(f finding.Finding, base string, layer int) []reasonView {
	heaviest := 0.0
	for _, r := range f.Verdict.Reasons {
		heaviest = max(heaviest, math.Abs(r.Weight))
	}
	indexes := map[int]lineIndex{0: newLineIndex(f.Script.Contents)}
	for i, l := range f.Script.Layers {
		indexes[i+1] = newLineIndex(l.Text)
	}
	var out []reasonView
	for i, r := range f.Verdict.Reasons[:min(len(f.Verdict.Reasons), 2*finding.MaxReasons)] {
		v := reasonView{Number: i + 1, Text: show(r.Text), Technique: techniqueOf(r.Technique),
			Weight: strconv.FormatFloat(r.Weight, 'f', 2, 64)}
		if heaviest > 0 {
			v.Share = int(math.Round(100 * max(r.Weight, 0) / heaviest))
		}
		v.Places = places(r.Spans, indexes, base, layer)
		if len(v.Places) == 0 {
			v.Nowhere = "This concerns the script as a whole."
			if len(r.Spans) > 0 {
				v.Nowhere = "The lines it points to are not among the text kept here."
			}
		}
		out = append(out, v)
	}
	return out
}

// places turns spans into links to lines, each line range once.
func places(spans []finding.Span, indexes map[int]lineIndex, base string, layer int) []link {
	var out []link
	seen := map[string]bool{}
	for _, s := range spans {
		from, to := spanLines(s, indexes[s.Layer])
		if from == 0 {
			continue
		}
		l := link{Text: lineRange(from, to)}
		switch {
		case s.Layer == 0:
			l.URL = fmt.Sprintf("%s#%s%d", layerURL(base, layer), scriptPrefix, from)
		default:
			l.Text = fmt.Sprintf("layer %d, %s", s.Layer, l.Text)
			l.URL = fmt.Sprintf("%s#%s%d", layerURL(base, s.Layer), layerPrefix, from)
		}
		if !seen[l.Text] && len(out) < maxPlaces {
			seen[l.Text] = true
			out = append(out, l)
		}
	}
	return out
}

// spanLines returns the lines of its own layer that a span covers; 0, 0 when
// none of them is kept.
func spanLines(s finding.Span, index lineIndex) (from, to int) {
	if index == nil {
		return 0, 0
	}
	if s.Start >= 0 && s.End > s.Start {
		return index.line(s.Start), index.line(s.End - 1)
	}
	if s.Layer == 0 && s.Line >= 1 && s.Line <= len(index) {
		return s.Line, max(s.Line, min(s.EndLine, len(index)))
	}
	return 0, 0
}

func lineRange(from, to int) string {
	if from == to {
		return fmt.Sprintf("line %d", from)
	}
	return fmt.Sprintf("lines %d–%d", from, to)
}

// layerURL is the Summary tab with that layer beside the script.
func layerURL(base string, layer int) string {
	if layer == 0 {
		return base
	}
	return fmt.Sprintf("%s?layer=%d", base, layer)
}

// allLines is the Summary tab with every line that one page can show.
func allLines(base string, layer int) string {
	if layer == 0 {
		return base + "?lines=all"
	}
	return layerURL(base, layer) + "&lines=all"
}

// flagsOf returns what the reasons flag in a layer, by bytes and, in the script
// itself, by lines: those that text in other layers came from.
func flagsOf(v finding.Verdict, layer int) (flags []flag, lines map[int][]int) {
	lines = map[int][]int{}
	for i, r := range v.Reasons[:min(len(v.Reasons), 2*finding.MaxReasons)] {
		for _, s := range r.Spans {
			if s.Layer == layer && s.End > s.Start {
				flags = append(flags, flag{s.Start, s.End, i + 1})
			} else if layer == 0 && s.Line >= 1 {
				for n := s.Line; n <= max(s.Line, s.EndLine) && n < s.Line+maxFlagLines; n++ {
					lines[n] = append(lines[n], i+1)
				}
			}
		}
	}
	return flags, lines
}

// scriptView lays out the script itself.
func scriptView(f finding.Finding, base string, layer int, all bool) codeView {
	flags, lines := flagsOf(f.Verdict, 0)
	v := newCodeView(f.Script.Contents, flags, lines, all)
	v.Caption, v.Prefix = "The script", scriptPrefix
	if v.Hidden != "" && !all {
		v.AllURL = allLines(base, layer)
	}
	return v
}

// layerCode lays out the layer shown beside the script; nil for none.
func layerCode(f finding.Finding, base string, layer int, all bool) *codeView {
	if layer == 0 {
		return nil
	}
	flags, _ := flagsOf(f.Verdict, layer)
	v := newCodeView(f.Script.Layers[layer-1].Text, flags, nil, all)
	v.Caption, v.Prefix = layerLabel(f, layer), layerPrefix
	if v.Hidden != "" && !all {
		v.AllURL = allLines(base, layer)
	}
	return &v
}

// layerLabel names a layer by how it came to be.
func layerLabel(f finding.Finding, layer int) string {
	if layer == 0 {
		return ""
	}
	l := f.Script.Layers[layer-1]
	if l.Transform == finding.CompilerLayer {
		return title(plain(l.Transform))
	}
	from := "the script"
	if l.Parent > 0 {
		from = fmt.Sprintf("layer %d", l.Parent)
	}
	return fmt.Sprintf("Layer %d: %s in %s", layer, plain(l.Transform), from)
}

// layers lists the texts peeled out of the script.
func layers(f finding.Finding, base string, current int) []layerView {
	var out []layerView
	for i, l := range f.Script.Layers {
		v := layerView{Label: layerLabel(f, i+1), Detail: size(int64(l.Size)),
			URL: layerURL(base, i+1) + "#code", Current: i+1 == current}
		if l.Size > len(l.Text) {
			v.Detail += fmt.Sprintf(", the first %s kept", size(int64(len(l.Text))))
		}
		out = append(out, v)
	}
	return out
}

// limits says what of the script is not as it was.
func limits(s finding.Script) []string {
	var out []string
	if s.Truncated {
		out = append(out, fmt.Sprintf("Cut: %s of %s are kept here. The SHA-256 above is of everything that was captured.",
			size(int64(len(s.Contents))), size(s.Size)))
	}
	if s.Lost != "" {
		out = append(out, "Incomplete: bytes are missing because of “"+plain(s.Lost)+"”. What is missing was not judged.")
	}
	if s.Indirect != "" {
		out = append(out, "Captured without BPF: the text is that of "+plain(s.Indirect)+", and not a copy of what the interpreter read. It may differ from what ran, and more may have run unseen.")
	}
	if s.MaybeData {
		out = append(out, "Perhaps only read: nothing shows that this module was imported. A linter or a scanner reads files as this process did. If its text was run after all, that is a finding of its own.")
	}
	if s.Redacted > 0 {
		out = append(out, "Redacted: "+plural(int64(s.Redacted), "secret")+" replaced by a placeholder before the text was stored. The hash is of the original.")
	}
	if s.LayersOmitted > 0 {
		out = append(out, "Left out: "+plural(int64(s.LayersOmitted), "more layer")+" beyond the number that is kept.")
	}
	return out
}

// untrusted is the content policy of a download of evidence, should a browser
// ever show it: a sandbox in which nothing runs or loads.
const untrusted = "sandbox; default-src 'none'"

// scriptDownload serves GET /findings/{name}/script: the kept bytes, as a file.
func (c *console) scriptDownload(w http.ResponseWriter, r *http.Request) {
	f, err := c.Store.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		c.failed(w, r, "read the finding", err)
		return
	}
	download(w, "application/octet-stream", "script-"+safeName(f.Script.SHA256)+".py.txt", f.Script.Contents)
}

// download writes data as a file to be saved.
func download(w http.ResponseWriter, kind, name string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	h.Set("Content-Security-Policy", untrusted)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

// safeName returns the first characters of s when they are hexadecimal digits.
func safeName(s string) string {
	n := 0
	for n < len(s) && n < 12 && (s[n] >= '0' && s[n] <= '9' || s[n] >= 'a' && s[n] <= 'f') {
		n++
	}
	return s[:n]
}
