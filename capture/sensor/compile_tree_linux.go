//go:build amd64 || arm64

package sensor

import "slices"

// Code that is made of a tree has no text. So the texts are kept that a program
// has read as data may be and made trees of, until it makes code of any tree:
// then they ran, for all that is known, and so did those that come after them.

// Bounds of the texts that are kept, and shares of all memory.
const (
	maxParsed    = 1024 // texts of all programs
	maxParsedOne = 256  // of one
	parsedShare  = 8
	parsedOne    = 16
)

// treeState is what is known of a program's trees.
type treeState struct {
	run     bool // it has made code of one
	givenUp int  // texts that were kept no longer
}

// parsedTexts are the texts that are kept of all programs, in the order of their
// arrival.
type parsedTexts []compiled

// size returns how many texts there are of one program, or of all if p is nil, and
// their bytes.
func (s parsedTexts) size(p *program) (texts, bytes int) {
	for i := range s {
		if p == nil || s[i].program == p {
			texts++
			bytes += s[i].held
		}
	}
	return texts, bytes
}

// treeRuns reports whether a text that only a tree was made of is to be delivered:
// its program makes code of trees, and not of this text too, which then comes
// anyway. If the program does not, the text is kept.
func (t *tracker) treeRuns(c compiled) bool {
	p, digest := c.program, c.script.Digest
	if !p.trees.run {
		t.keepParsed(c)
		return false
	}
	made := p.compiled[digest]
	p.compiled[digest] = true
	return !made
}

// keepParsed keeps a text of a program; it and others are given up for which there
// is no room.
func (t *tracker) keepParsed(c compiled) {
	t.parsed = append(t.parsed, c)
	t.memory += c.held
	over := func(p *program, most, share int) bool {
		texts, bytes := t.parsed.size(p)
		return texts > most || bytes > t.limit/share
	}
	for over(c.program, maxParsedOne, parsedOne) && t.giveUpParsed(c.program) {
	}
	for over(nil, maxParsed, parsedShare) && t.giveUpParsed(nil) {
	}
}

// giveUpParsed drops the oldest text of a program, or of all if p is nil. It
// reports whether there was one. Nothing is lost by it unless the program makes
// code of a tree.
func (t *tracker) giveUpParsed(p *program) bool {
	i := slices.IndexFunc(t.parsed, func(c compiled) bool { return p == nil || c.program == p })
	if i < 0 {
		return false
	}
	t.memory -= t.parsed[i].held
	t.parsed[i].program.trees.givenUp++
	t.parsed = slices.Delete(t.parsed, i, i+1)
	return true
}

// makesTrees deals with a program that has made code of a tree, at a time since boot.
func (t *tracker) makesTrees(p *program, at uint64) {
	p.trees.run = true
	if p.trees.givenUp > 0 {
		t.sayUncaptured(p, at, lostParsed)
	}
	for ; p.trees.givenUp > 0; p.trees.givenUp-- {
		t.count(lostParsed)
	}
	var mine []compiled
	t.parsed = slices.DeleteFunc(t.parsed, func(c compiled) bool {
		if c.program == p {
			mine = append(mine, c)
		}
		return c.program == p
	})
	for _, c := range mine {
		t.deliverCompiled(c)
	}
}

// dropParsed frees the texts that are kept of a program that is forgotten.
func (t *tracker) dropParsed(p *program) {
	for t.giveUpParsed(p) {
	}
}
