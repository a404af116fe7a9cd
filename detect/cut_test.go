package detect

import (
	"testing"

	"kingsnake/capture"
	"kingsnake/classify"
	"kingsnake/normalize"
)

// labelJudge calls everything by one label.
type labelJudge classify.Label

func (labelJudge) Hash() string { return "a model" }

func (l labelJudge) Judge(normalize.Text) classify.Verdict {
	return classify.Verdict{Label: classify.Label(l), Model: "a model"}
}

// TestScriptsWithBytesMissingHaveTheirOwnJudge also sees to it that a whole
// script of the same bytes, judged before, makes no difference.
func TestScriptsWithBytesMissingHaveTheirOwnJudge(t *testing.T) {
	t.Parallel()
	p := &Pipeline{Judge: labelJudge(classify.Benign), Cut: labelJudge(classify.Malicious)}
	text := []byte("print(1)\n")
	whole := capture.Script{Text: text, Digest: capture.Sum(text)}
	cut, lost := whole, whole
	cut.Truncated, lost.Lost = true, "ring full"
	for _, c := range []struct {
		name   string
		script capture.Script
		want   classify.Label
	}{
		{"whole", whole, classify.Benign}, {"cut off", cut, classify.Malicious},
		{"with a gap", lost, classify.Malicious}, {"whole again", whole, classify.Benign},
	} {
		if _, v := p.judge(c.script); v.Label != c.want {
			t.Errorf("%s: want %s, got %s", c.name, c.want, v.Label)
		}
	}
}
