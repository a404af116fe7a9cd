package corpus

import (
	"fmt"
	"path"
	"strings"
)

// Yours is the set of the rows that [Label] gives.
const Yours = "yours"

// File is a script of somebody's own, with the label they give it.
type File struct {
	Folder    string // in words, the same wherever the folder lies: "benign 1"
	Path      string // inside the folder, with slashes
	Origin    string // where people find it
	Malicious bool
	Text      string
}

// ConflictError says which scripts have both labels.
type ConflictError struct{ Pairs [][2]string }

// maxNamed is how many pairs a message names.
const maxNamed = 5

func (e *ConflictError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "scripts that are labeled both benign and malicious: %d; take each out of one side:", len(e.Pairs))
	for i, p := range e.Pairs {
		if i == maxNamed {
			fmt.Fprintf(&b, "\n  … and %d more", len(e.Pairs)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s and %s", p[0], p[1])
	}
	return b.String()
}

// Label turns files into rows, in the same order, and counts the copies that it
// leaves out: of files with the same text only the first is kept, and none that
// is among the rows of others. A text with both labels is a [ConflictError].
//
// A row's group is its project: the folder at the first level at which there is
// more than one. Files that lie at that level are projects of their own.
func Label(files []File, others []Row) (rows []Row, copies int, err error) {
	type seen struct {
		malicious bool
		origin    string
	}
	known := make(map[string]seen, len(files)+len(others))
	for _, row := range others {
		known[row.ID] = seen{row.Malicious, "the corpus inside the program (" + row.Origin + ")"}
	}
	var conflict ConflictError
	roots := commonFolders(files)
	for _, f := range files {
		id := digest(f.Text)
		if old, ok := known[id]; ok {
			if old.malicious != f.Malicious {
				conflict.Pairs = append(conflict.Pairs, [2]string{old.origin, f.Origin})
			}
			copies++
			continue
		}
		known[id] = seen{f.Malicious, f.Origin}
		project, _, _ := strings.Cut(strings.TrimPrefix(f.Path, roots[f.Folder]), "/")
		rows = append(rows, Row{
			ID: id, Malicious: f.Malicious, Family: Yours, Kind: kindOf(f.Path), Cluster: Yours + ":" + id,
			Group: Yours + ":" + f.Folder + "/" + project, Source: Yours, Origin: f.Origin, Set: Yours, Evidence: -1, Text: f.Text,
		})
	}
	if len(conflict.Pairs) > 0 {
		return nil, 0, &conflict
	}
	return rows, copies, nil
}

// commonFolders gives for each folder the part of the paths that all its files
// share: "" or one that ends in a slash.
func commonFolders(files []File) map[string]string {
	roots := map[string]string{}
	for _, f := range files {
		dir, _ := path.Split(f.Path)
		root, ok := roots[f.Folder]
		if !ok {
			root = dir
		}
		for !strings.HasPrefix(dir, root) {
			root, _ = path.Split(strings.TrimSuffix(root, "/"))
		}
		roots[f.Folder] = root
	}
	return roots
}

// kindOf tells a script's kind by its name.
func kindOf(name string) string {
	switch path.Base(name) {
	case "setup.py":
		return "setup_py"
	case "__init__.py":
		return "init"
	}
	return "file"
}
