package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kingsnake/classify/corpus"
	"kingsnake/classify/eval"
	"kingsnake/classify/train"
)

// Limits on what is learned from. Their texts are held in memory.
const (
	maxYours     = 50_000    // files
	maxYoursText = 1 << 20   // bytes of a file; larger ones are data
	maxYoursAll  = 512 << 20 // bytes of all
	minBenign    = 20        // distinct scripts
	minMalicious = 5
)

// yoursConfig says what to learn from atop which model.
type yoursConfig struct {
	folders []labeledFolder
	base    string
}

// labeledFolder is a folder of scripts of one label.
type labeledFolder struct {
	path      string
	malicious bool
}

func (c *yoursConfig) flags(fs *flag.FlagSet) {
	for _, f := range []struct {
		name, about string
		malicious   bool
	}{
		{"benign", "`folder` of your own harmless scripts, to learn from atop a model; may be given several times", false},
		{"malicious", "`folder` of attacks, likewise", true},
	} {
		fs.Func(f.name, f.about, func(path string) error {
			c.folders = append(c.folders, labeledFolder{path, f.malicious})
			return nil
		})
	}
	fs.StringVar(&c.base, "base", "", "`file` of the model to begin with, signed or not (default: the embedded model)")
}

func (c *yoursConfig) hasBenign() bool {
	return slices.ContainsFunc(c.folders, func(f labeledFolder) bool { return !f.malicious })
}

// trainYours makes a model that has learned from the user's scripts atop
// another.
func trainYours(ctx context.Context, env Env, cfg trainConfig, date time.Time) error {
	base, err := readModel(cfg.yours.base)
	if err != nil {
		return err
	}
	progress := stopwatch(env)
	progress("reading the folders")
	rows, gathered, err := gather(ctx, env, cfg.yours.folders)
	if err != nil {
		return err
	}
	progress(fmt.Sprintf("reading the features of %d scripts", len(rows)))
	d, err := train.Build(ctx, train.Rows(rows), train.Options{})
	if err != nil {
		return err
	}
	gathered.Alike, gathered.Disputed = train.JoinAlike(d, corpus.Yours)
	if n := len(gathered.Disputed); n > 0 {
		fmt.Fprintf(env.Stderr, "kingsnake train: %d scripts are much like one of the other label, such as %s and %s; the card lists them\n", n, gathered.Disputed[0][0], gathered.Disputed[0][1])
	}
	progress("learning, once for each fold and once for all")
	settings := train.Adaptation()
	settings.Seed = cfg.seed
	m, adapted, err := eval.Adapt(ctx, base, d, settings, cfg.seed)
	if err != nil {
		return err
	}
	size, err := writeModel(cfg.out, m)
	if err != nil {
		return err
	}
	c := eval.AdaptedCard{
		Date: date, Model: m, Size: size, Base: base.Hash(), Settings: settings, Seed: cfg.seed,
		Gathered: gathered, Adapted: adapted,
	}
	if err := writeCard(cfg.card, &c); err != nil {
		return err
	}
	progress("done")
	fmt.Fprintf(env.Stdout, "model %s, %d bytes, in %s; card in %s\natop of %s; sensors take it once it is signed: kingsnake model sign\n\n", m.Hash(), size, cfg.out, cfg.card, base.Hash())
	return adapted.WriteText(env.Stdout)
}

// gather reads folders and the corpus inside the program: the rows to learn
// from, the latter first.
func gather(ctx context.Context, env Env, folders []labeledFolder) ([]corpus.Row, eval.Gathered, error) {
	var (
		g     eval.Gathered
		files []corpus.File
		bytes int
	)
	for i, folder := range folders {
		f := eval.Folder{Path: folder.path, Malicious: folder.malicious, LeftOut: map[string]int{}}
		err := readLabeled(ctx, folder, func(path, text, reason string) error {
			switch {
			case reason != "":
				f.LeftOut[reason]++
				return nil
			case len(files) == maxYours:
				return fmt.Errorf("%s: more than %d files; give a part of them", folder.path, maxYours)
			case bytes+len(text) > maxYoursAll:
				return fmt.Errorf("%s: more than %d MiB of scripts; give a part of them", folder.path, maxYoursAll>>20)
			}
			f.Files++
			bytes += len(text)
			files = append(files, corpus.File{
				Folder: fmt.Sprint("folder ", i+1), Path: filepath.ToSlash(path), Origin: visible(filepath.Join(folder.path, path)),
				Malicious: folder.malicious, Text: text,
			})
			return nil
		})
		if err != nil {
			return nil, g, err
		}
		if len(f.LeftOut) > 0 {
			fmt.Fprintf(env.Stderr, "kingsnake train: %s: left out: %s\n", visible(folder.path), visible(f.LeftOutWords()))
		}
		if f.Files == 0 {
			return nil, g, fmt.Errorf("%s: nothing in this folder is Python that can be read", visible(folder.path))
		}
		g.Folders = append(g.Folders, f)
	}
	anchor, err := train.Anchor()
	if err != nil {
		return nil, g, err
	}
	rows, copies, err := corpus.Label(files, anchor)
	if err != nil {
		return nil, g, err
	}
	g.Copies, g.Digest = copies, digestOf(rows)
	return append(anchor, rows...), g, enough(rows)
}

// readLabeled calls yield for each Python file of a folder: its path there and
// its text, or the reason why it is left out.
func readLabeled(ctx context.Context, folder labeledFolder, yield func(path, text, reason string) error) error {
	if info, err := os.Stat(folder.path); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s: want a folder", visible(folder.path))
	}
	return walkFolder(folder.path, func(s source) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		path, err := filepath.Rel(folder.path, s.path)
		if err != nil {
			return err
		}
		text, err := s.read()
		var p *fs.PathError
		switch {
		case errors.As(err, &p):
			return yield(path, "", fmt.Sprintf("unreadable (%v)", p.Err))
		case err != nil:
			return yield(path, "", fmt.Sprintf("unreadable (%v)", err))
		case len(text) > maxYoursText:
			return yield(path, "", fmt.Sprintf("larger than %d MiB", maxYoursText>>20))
		case strings.TrimSpace(string(text)) == "":
			return yield(path, "", "empty")
		}
		return yield(path, string(text), "")
	})
}

// enough is an error if there is too little to learn from.
func enough(rows []corpus.Row) error {
	var n [2]int
	for _, row := range rows {
		if row.Malicious {
			n[1]++
		} else {
			n[0]++
		}
	}
	switch {
	case n[0] < minBenign:
		return fmt.Errorf("%d distinct benign scripts are too few to learn from, it takes %d; a few files are better named with --known-good", n[0], minBenign)
	case n[1] > 0 && n[1] < minMalicious:
		return fmt.Errorf("%d distinct malicious scripts are too few to learn from, it takes %d", n[1], minMalicious)
	}
	return nil
}

// digestOf is a hash of the labels and hashes of all scripts.
func digestOf(rows []corpus.Row) string {
	h := sha256.New()
	for _, row := range rows {
		fmt.Fprintf(h, "%t %s\n", row.Malicious, row.ID)
	}
	return hex.EncodeToString(h.Sum(nil))
}
