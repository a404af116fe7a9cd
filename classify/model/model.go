// Package model is the model that kingsnake ships: its file, and its card,
// which says what it was made of and how good it is. Both are written by
// "kingsnake train" and must not be edited.
package model

import (
	_ "embed" // for the files below
	"strings"
	"sync"

	"kingsnake/classify"
)

//go:embed kingsnake.model
var file string

// Card is the model's card, in Markdown.
//
//go:embed card.md
var Card string

var load = sync.OnceValues(func() (*classify.Model, error) {
	return classify.Load(strings.NewReader(file))
})

// Default returns the embedded model. It is read once; the result is shared
// and safe for concurrent use.
func Default() (*classify.Model, error) { return load() }
