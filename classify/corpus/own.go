package corpus

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"golang.org/x/tools/txtar"
)

// own holds the repository's small corpus. Each section of a file is one
// script, named label/family/kind/name.
//
//go:embed own/*.txtar
var own embed.FS

// Own returns the repository's own corpus: inert imitations, written for it,
// with reserved addresses. Its rows only ever join the training side.
func Own() ([]Row, error) {
	entries, err := own.ReadDir("own")
	if err != nil {
		return nil, fmt.Errorf("read own corpus: %w", err)
	}
	var rows []Row
	for _, entry := range entries {
		data, err := own.ReadFile(path.Join("own", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read own corpus: %w", err)
		}
		more, err := ParseSections(data, "own")
		if err != nil {
			return nil, fmt.Errorf("read own corpus: %s: %w", entry.Name(), err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// ParseSections reads rows from a txtar archive whose sections are named
// label/family/kind/name.
func ParseSections(data []byte, set string) ([]Row, error) {
	var rows []Row
	for _, f := range txtar.Parse(data).Files {
		part := strings.Split(f.Name, "/")
		if len(part) != 4 || part[0] != "malicious" && part[0] != "benign" {
			return nil, fmt.Errorf("section %q is not label/family/kind/name", f.Name)
		}
		text := string(f.Data)
		if part[2] == "c" {
			text = strings.TrimSuffix(text, "\n")
		}
		rows = append(rows, Row{
			ID: digest(text), Malicious: part[0] == "malicious", Family: part[1], Kind: part[2],
			Cluster: set + ":" + f.Name, Group: set + ":" + f.Name, Source: set, Origin: f.Name, Set: set,
			Evidence: -1, Text: text,
		})
	}
	return rows, nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
