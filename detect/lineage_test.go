package detect_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/finding"
	"kingsnake/normalize"
)

// pairs finds a script malicious that says "left" and "right", in whatever
// layers.
type pairs struct{ words }

func (p *pairs) Judge(text normalize.Text) classify.Verdict {
	v := p.words.Judge(text)
	says := func(word string) int {
		return slices.IndexFunc(text.Layers, func(l normalize.Layer) bool { return bytes.Contains(l.Text, []byte(word)) })
	}
	left, right := says("left"), says("right")
	if left >= 0 && right >= 0 {
		v.Label, v.Score = classify.Malicious, 0.99
		v.Reasons = []classify.Reason{{Text: "says both", Spans: []classify.Span{{Layer: right, Start: 0, End: 5, Line: 1, EndLine: 1}}}}
	}
	return v
}

func compiledBy(s capture.Script, text string) capture.Script {
	c := script(s.Process.PID, capture.Compiled, text)
	c.Parent = s.Digest
	return c
}

func TestACompiledTextIsReportedWithTheScriptThatCompiledIt(t *testing.T) {
	t.Parallel()
	var sink shelf
	by := script(1, capture.File, "exec(input())")
	by.Path = "/srv/load.py"
	other := script(2, capture.File, "exec(other())")
	p := pipeline(scripts{by, other, compiledBy(by, "x = 1"), compiledBy(by, "evil")}, &words{}, &sink)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(sink.kept) != 1 {
		t.Fatalf("want 1 finding, got %d", len(sink.kept))
	}
	s := sink.kept[0].Script
	want := finding.Compiler{Kind: "file", Path: "/srv/load.py", SHA256: by.Digest.String(), Size: by.Size}
	if s.Kind != "compiled" || string(s.Contents) != "evil" || s.Parent != by.Digest.String() || s.CompiledBy != want {
		t.Errorf("want the compiled text, by %+v; got %q, by %+v", want, s.Contents, s.CompiledBy)
	}
	last := s.Layers[len(s.Layers)-1]
	if last.Transform != finding.CompilerLayer || string(last.Text) != string(by.Text) {
		t.Errorf("want the script that compiled it as the last layer, got %+v", last)
	}
}

func TestTextsCompiledInPiecesAreJudgedTogether(t *testing.T) {
	t.Parallel()
	var sink shelf
	by := script(1, capture.File, "for part in parts(): exec(part)")
	p := pipeline(scripts{by, compiledBy(by, "say = 'left'"), compiledBy(by, "say = 'right'"), compiledBy(by, "say = 'more'")}, &pairs{}, &sink)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(sink.kept) != 1 {
		t.Fatalf("want 1 finding, however many texts follow; got %d", len(sink.kept))
	}
	f := sink.kept[0]
	if f.Script.SHA256 != by.Digest.String() || f.Script.Kind != "file" {
		t.Errorf("want a finding of the script that ran, got %s %s", f.Script.Kind, f.Script.Contents)
	}
	var texts []string
	for _, l := range f.Script.Layers {
		if l.Transform == normalize.CompiledText {
			texts = append(texts, string(l.Text))
		}
	}
	if !slices.Contains(texts, "say = 'left'") || !slices.Contains(texts, "say = 'right'") {
		t.Errorf("want both texts as layers, got %q", texts)
	}
	if sp := f.Verdict.Reasons[0].Spans[0]; sp.Layer == 0 || sp.Line != 0 {
		t.Errorf("want a span in a layer that no line of the script has, got %+v", sp)
	}
}

func TestAForgottenScriptLeavesItsTextsJudgedAlone(t *testing.T) {
	t.Parallel()
	var sink shelf
	by := script(1, capture.File, "exec(input())")
	source := scripts{by}
	for i := range 2000 {
		source = append(source, script(10+i, capture.File, fmt.Sprint("x = ", i)))
	}
	source = append(source, compiledBy(by, "evil"))
	p := pipeline(source, &words{}, &sink)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(sink.kept) != 1 || sink.kept[0].Script.CompiledBy != (finding.Compiler{}) || sink.kept[0].Script.Parent != by.Digest.String() {
		t.Errorf("want the text with its parent's digest alone, got %+v", sink.kept)
	}
}
