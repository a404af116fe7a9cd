// Package evade rewrites Python the way that somebody would who wants a
// malicious script to be missed: names, strings, encodings, ways to reach a
// function, padding, structure. Measuring how much recall each rewriting costs
// is the work of kingsnake/classify/eval.
//
// A [Transform] keeps what a script does, as far as that can be seen in its
// tokens, and is the same for the same seed. Where it can not be sure, or where
// there is nothing for it to do, it refuses. It runs nothing: what needs a
// compiler or another script is given one by the caller, see [Help].
//
// No model is ever trained on what this package writes, and its templates are
// shared with nothing that training uses. Otherwise what it measures would be
// memory.
//
// Left out: whatever needs the types of values, renaming of attributes, and
// rewriting inside of layers that are already hidden.
package evade

import (
	"bytes"
	"math/rand/v2"
	"slices"

	"kingsnake/normalize"
)

// Transform is one way of hiding. It is safe for concurrent use.
type Transform struct {
	Name string // "strings: concatenation"; what stands before the colon is its family
	Says string // what it does, in a few words
	// Apply rewrites src, which it does not modify. It is not ok when the
	// transform has nothing to do in src, or can not keep what it does. The
	// result depends on nothing but src and r, and on what [Help] gives.
	Apply func(src []byte, r *rand.Rand) (out []byte, ok bool)
	// Opaque says that the result no longer holds the script: it can only be
	// judged by how it looks.
	Opaque bool
}

// Help is what transforms need that they must not do themselves. Transforms
// whose help is nil are left out of [All].
type Help struct {
	// Benign returns a harmless script of somebody else's, of at least a few
	// hundred bytes, or nothing.
	Benign func(r *rand.Rand) []byte
	// Compile returns the .pyc file that CPython makes of src. It must not run
	// src.
	Compile func(src []byte) ([]byte, error)
}

// maxSource is the longest script that is rewritten.
const maxSource = 256 << 10

// All lists the transforms, always in the same order.
func All(h Help) []Transform { return upTo(padded, h) }

// upTo is All with padding up to size bytes.
func upTo(size int, h Help) []Transform {
	all := slices.Concat(names(), stringForms(), encodings(), reaching(), padding(size, h), dialects(), compiled(h), wrapped(h), structures(), addresses())
	for i := range all {
		apply := all[i].Apply
		all[i].Apply = func(src []byte, r *rand.Rand) ([]byte, bool) {
			if len(src) == 0 || len(src) > maxSource || bytes.IndexByte(src, 0) >= 0 {
				return nil, false
			}
			out, ok := apply(src, r)
			return out, ok && !bytes.Equal(out, src)
		}
	}
	return all
}

// byScript makes the function of a transform of one that works on a script
// that could be read without a doubt.
func byScript(f func(s *script, r *rand.Rand) ([]byte, bool)) func([]byte, *rand.Rand) ([]byte, bool) {
	return func(src []byte, r *rand.Rand) ([]byte, bool) {
		s, ok := read(src)
		if !ok {
			return nil, false
		}
		return f(s, r)
	}
}

// pick returns one of several.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// edits are replacements in a text that do not overlap.
type edits struct {
	list []edit
}

type edit struct {
	span normalize.Span
	text string
}

func (e *edits) replace(span normalize.Span, text string) {
	e.list = append(e.list, edit{span, text})
}

func (e *edits) insert(at int, text string) { e.replace(normalize.Span{Start: at, End: at}, text) }

// apply makes the replacements; what is inserted at the same place stays in
// order. It is not ok when there is nothing to do.
func (e *edits) apply(src []byte) ([]byte, bool) {
	if len(e.list) == 0 {
		return nil, false
	}
	slices.SortStableFunc(e.list, func(a, b edit) int { return a.span.Start - b.span.Start })
	var out bytes.Buffer
	at := 0
	for _, x := range e.list {
		if x.span.Start < at {
			return nil, false // two of them overlap: give up
		}
		out.Write(src[at:x.span.Start])
		out.WriteString(x.text)
		at = x.span.End
	}
	out.Write(src[at:])
	return out.Bytes(), true
}
