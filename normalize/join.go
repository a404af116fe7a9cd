package normalize

import (
	"bytes"
	"slices"
)

// CompiledText is the Transform of a layer that Join added.
const CompiledText = "text compiled at run time"

// Join returns script with the texts that it is known to have compiled while it
// ran, each with its own layers, as layers it executes. One whose text the
// script has a layer of already is left out, as are those beyond the number of
// layers that Normalize makes. Spans in them lead back to the whole script. The
// arguments are not changed.
func Join(script Text, compiled []Text) Text {
	out := script
	out.Layers = slices.Clone(script.Layers)
	for _, text := range compiled {
		first := len(out.Layers)
		if first+len(text.Layers) > maxLayers || out.hasLayer(text.Layers[0].Text) {
			continue
		}
		out.Layers = append(out.Layers, text.Layers...)
		for i := first; i < len(out.Layers); i++ {
			l := &out.Layers[i]
			l.Depth++
			l.Parent += first
		}
		top := &out.Layers[first]
		top.Transform, top.Parent, top.Executed = CompiledText, 0, true
		top.Site, top.pieces = Span{End: len(out.lines.text)}, nil
	}
	return out
}

func (t *Text) hasLayer(text []byte) bool {
	return slices.ContainsFunc(t.Layers, func(l Layer) bool { return bytes.Equal(l.Text, text) })
}
