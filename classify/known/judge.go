package known

import (
	"fmt"
	"math"

	"kingsnake/classify"
	"kingsnake/normalize"
)

// Model judges scripts, as [classify.Model] does.
type Model interface {
	Judge(text normalize.Text) classify.Verdict
	Hash() string // of the model that judges now
}

// Judge is a model that asks indexes before it speaks ill of a script. It is
// safe for concurrent use if its model is.
//
// A script that the model calls benign is not looked up. One that is a known
// file is benign, with a score of at most [Score] and one reason: that it is
// known, with what the model thought of it. One that holds known functions
// and classes keeps its verdict and its score, and gains a reason without
// weight, which points at the rest: that is where a trojanised copy differs.
//
// The text must be whole. Of a script that is cut off, what is missing may be
// all that matters: ask the model itself.
type Judge struct {
	model   Model
	indexes []*Index
}

// NewJudge returns a judge that asks the indexes in order.
func NewJudge(m Model, indexes ...*Index) *Judge { return &Judge{m, indexes} }

// Score is the most that a known file scores: one in a million.
const Score = 1e-6

// Hash is the hash of the model.
func (j *Judge) Hash() string { return j.model.Hash() }

// Judge judges a script.
func (j *Judge) Judge(text normalize.Text) classify.Verdict {
	v := j.model.Judge(text)
	if v.Label == classify.Benign {
		return v
	}
	s := newScript(text)
	if m, ok := find(j.indexes, s); ok {
		return lower(v, m)
	}
	if r, ok := j.parts(text, s); ok {
		// Its place is the last, and there is room for six.
		n := min(len(v.Reasons), maxReasons-1)
		v.Reasons = append(v.Reasons[:n:n], r)
	}
	return v
}

// maxReasons is how many reasons a verdict has at most.
const maxReasons = 6

// lower makes the verdict on a known file benign, and says why.
func lower(v classify.Verdict, m Match) classify.Verdict {
	says := "This exact file is part of %s (%s); its code alone would be called %s, with a score of %.4f."
	if m.Likeness == Code {
		says = "But for comments, spacing or quotes this file is part of %s (%s); its code alone would be called %s, with a score of %.4f."
	}
	score := min(v.Score, Score)
	v.Reasons = []classify.Reason{{
		Text:   fmt.Sprintf(says, m.Origin, m.Path, v.Label, v.Score),
		Weight: logOdds(score) - logOdds(v.Score), Spans: []classify.Span{},
	}}
	v.Label, v.Score = classify.Benign, score
	return v
}

// logOdds of a probability, kept finite.
func logOdds(p float64) float64 {
	p = max(1e-9, min(p, 1-1e-9))
	return math.Log(p / (1 - p))
}

// notable is the share of a script's code that must be known functions and
// classes to be worth saying, in percent.
const notable = 30

// maxSpans is how many places a reason points at.
const maxSpans = 8

// parts is the reason for a script that holds known functions and classes. It
// names the file with the largest share, and points at what is not known.
func (j *Judge) parts(text normalize.Text, s script) (classify.Reason, bool) {
	share := map[Match]int{}
	known := 0
	rest := []classify.Span{}
	joined := false // to the last span
	for _, b := range s.code.blocks {
		if b.canBeKnown() {
			if m, ok := lookup(j.indexes, Code, fingerprint("block", s.code.bytes[b.from:b.to])); ok {
				share[m] += b.to - b.from
				known += b.to - b.from
				joined = false
				continue
			}
		}
		if joined {
			last := &rest[len(rest)-1]
			last.End, last.EndLine = b.end, text.Line(b.end-1)
		} else if len(rest) < maxSpans {
			rest = append(rest, classify.Span{Start: b.start, End: b.end, Line: text.Line(b.start), EndLine: text.Line(b.end - 1)})
			joined = true
		}
	}
	percent := 100 * known / max(len(s.code.bytes), 1)
	if percent < notable {
		return classify.Reason{}, false
	}
	var best Match
	for m, n := range share {
		if n > share[best] || n == share[best] && m.Origin+"\n"+m.Path < best.Origin+"\n"+best.Path {
			best = m
		}
	}
	return classify.Reason{
		Text:  fmt.Sprintf("%d%% of its code is functions and classes of known files, foremost of %s (%s); the lines named here are not.", percent, best.Origin, best.Path),
		Spans: rest,
	}, true
}
