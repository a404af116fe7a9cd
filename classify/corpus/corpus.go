// Package corpus reads labeled scripts: the big corpus of real malware and
// real benign code, which lies outside the repository, and the small inert one
// that lies inside it.
//
// Rows are only ever read as text. Nothing here, and nothing that uses it, may
// execute, import or write down a row's text.
//
// The big corpus is a folder of zstd-compressed JSON lines (train, train_extra,
// dev, train_variants) and groups.tsv.zst, which gives each row its fold group
// and its source. [Read] streams it. [Own] returns the small one.
package corpus

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Row is one labeled script.
type Row struct {
	ID        string // SHA-256 of the text, in hexadecimal
	Malicious bool
	Family    string // "reverse_shell", "stealer", …; for benign rows the kind of source
	Kind      string // "file", "setup_py", "init", "module", "c" or "stdin"
	Cluster   string // near-duplicate group; recall counts one vote a cluster
	Group     string // fold group: never on both sides of a fold
	Source    string // where it comes from, coarser than Group
	Origin    string // repository and path
	Date      string // "2024-07" or ""
	Set       string // the file it was read from: "train", "extra", "dev", "variants", "own" or "made"; "augmented" for a form of a row, "yours" for somebody's own
	Donor     string // group of the benign row whose code stands in the text of a form; mostly ""
	Evidence  int    // how much of an attack the text itself shows; -1 when not stated
	Text      string
}

// TrainOnly reports whether the row may only ever join the training side of a
// fold, and is never judged in an evaluation. It then keeps out of a fold that
// judges its group or its donor's.
func (r *Row) TrainOnly() bool {
	return r.Set == "variants" || r.Set == "own" || r.Set == "made" || r.Set == "augmented"
}

// maxLine bounds one line of JSON: a text is at most 256 KiB, and escaping
// makes it at most six times as long.
const maxLine = 4 << 20

var files = []struct{ name, set string }{
	{"train.jsonl.zst", "train"},
	{"train_extra.jsonl.zst", "extra"},
	{"dev.jsonl.zst", "dev"},
	{"train_variants.jsonl.zst", "variants"},
}

// Read calls yield for every row of the corpus in dir, always in the same
// order. A row that groups.tsv.zst does not name takes its cluster as its
// group. Read stops at the first error of yield and returns it.
func Read(ctx context.Context, dir string, yield func(Row) error) error {
	groups, err := readGroups(filepath.Join(dir, "groups.tsv.zst"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := readFile(ctx, filepath.Join(dir, f.name), f.set, groups, yield); err != nil {
			return err
		}
	}
	return nil
}

// place is a row's fold group and its source.
type place struct{ group, source string }

func open(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(1<<27), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return closer{z, f}, nil
}

// closer closes a decompressor and the file under it.
type closer struct {
	*zstd.Decoder
	file *os.File
}

func (c closer) Close() error {
	c.Decoder.Close()
	return c.file.Close()
}

func readGroups(path string) (map[string]place, error) {
	r, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("open groups: %w", err)
	}
	defer r.Close()
	groups := make(map[string]place)
	names := make(map[string]string) // one copy of each name
	intern := func(s string) string {
		if t, ok := names[s]; ok {
			return t
		}
		s = strings.Clone(s)
		names[s] = s
		return s
	}
	in := bufio.NewScanner(r)
	for in.Scan() {
		id, rest, ok := strings.Cut(in.Text(), "\t")
		group, source, ok2 := strings.Cut(rest, "\t")
		if !ok || !ok2 {
			return nil, fmt.Errorf("read groups: line %d has not three fields", len(groups)+1)
		}
		groups[strings.Clone(id)] = place{intern(group), intern(source)}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	return groups, nil
}

// wire is a row as the corpus writes it.
type wire struct {
	ID      string `json:"id"`
	Label   string `json:"label"`
	Family  string `json:"family"`
	Origin  string `json:"origin"`
	Date    string `json:"date"`
	Kind    string `json:"kind"`
	Cluster string `json:"cluster"`
	Project string `json:"project"`
	Text    string `json:"text"`
	Ev      *int   `json:"ev"`
}

func readFile(ctx context.Context, path, set string, groups map[string]place, yield func(Row) error) error {
	r, err := open(path)
	if err != nil {
		return fmt.Errorf("open corpus: %w", err)
	}
	defer r.Close()
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 1<<20), maxLine)
	for line := 1; in.Scan(); line++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		var w wire
		if err := json.Unmarshal(in.Bytes(), &w); err != nil {
			return fmt.Errorf("read %s: line %d: %v", filepath.Base(path), line, err)
		}
		row := w.row(set, groups)
		if row.ID == "" || (w.Label != "malicious" && w.Label != "benign") {
			return fmt.Errorf("read %s: line %d: no id, or label %q", filepath.Base(path), line, w.Label)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return nil
}

func (w *wire) row(set string, groups map[string]place) Row {
	row := Row{
		ID: w.ID, Malicious: w.Label == "malicious", Family: w.Family, Kind: w.Kind,
		Cluster: w.Cluster, Origin: w.Origin, Date: w.Date, Set: set, Evidence: -1, Text: w.Text,
		Group: "cluster:" + w.Cluster, Source: w.Project,
	}
	if p, ok := groups[w.ID]; ok {
		row.Group, row.Source = p.group, p.source
	}
	if w.Ev != nil {
		row.Evidence = *w.Ev
	}
	return row
}
