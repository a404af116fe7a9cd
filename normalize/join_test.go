package normalize_test

import (
	"testing"

	"kingsnake/normalize"
)

func TestJoinedTextsAreLayersOfTheScript(t *testing.T) {
	t.Parallel()
	script := normalize.Normalize([]byte("import base64\nexec(base64.b64decode('cHJpbnQoInRoZSBzY3JpcHQncyBvd24gbGF5ZXIiKQ=='))\n"))
	own := len(script.Layers)
	if own != 2 {
		t.Fatalf("want a layer in the script, got %d", own-1)
	}
	compiled := normalize.Normalize([]byte("import base64\nexec(base64.b64decode('cHJpbnQoImEgbGF5ZXIgb2YgYSBjb21waWxlZCB0ZXh0Iik='))\n"))
	again := normalize.Normalize(script.Layers[1].Text)
	whole := normalize.Join(script, []normalize.Text{compiled, again})
	if len(whole.Layers) != own+2 || len(script.Layers) != own {
		t.Fatalf("want 2 layers added to a copy, got %d of %d", len(whole.Layers), len(script.Layers))
	}
	top, below := whole.Layers[own], whole.Layers[own+1]
	if top.Transform != normalize.CompiledText || top.Parent != 0 || top.Depth != 1 || !top.Executed {
		t.Errorf("the compiled text: %+v", top)
	}
	if below.Parent != own || below.Depth != 2 || string(below.Text) != `print("a layer of a compiled text")` {
		t.Errorf("its layer: parent %d, depth %d, %q", below.Parent, below.Depth, below.Text)
	}
	if got := whole.Origin(own+1, normalize.Span{Start: 0, End: 5}); got != (normalize.Span{End: len(script.Layers[0].Text)}) {
		t.Errorf("want the whole script as the origin, got %v", got)
	}
	if compiled.Layers[1].Parent != 0 || compiled.Layers[1].Depth != 1 {
		t.Errorf("the compiled text was changed: %+v", compiled.Layers[1])
	}
}
