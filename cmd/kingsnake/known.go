package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kingsnake/classify/known"
	"kingsnake/detect"
)

// knownConfig says which files a command takes for good.
type knownConfig struct {
	off  bool
	good []string // index files and folders
}

func (c *knownConfig) flags(fs *flag.FlagSet) {
	fs.BoolVar(&c.off, "no-known-good", false, "let no index of known files lower a verdict")
	fs.Func("known-good", "`path` of an index of known files, or of a folder of good files; may be given several times", func(s string) error {
		c.good = append(c.good, s)
		return nil
	})
}

// judges is whom a command asks about scripts.
type judges struct {
	whole detect.Judge // knows the known files
	cut   detect.Judge // for scripts of which bytes are missing: the model alone
}

// judges puts the known files before a model. Folders are read now; what they
// hold later makes no difference.
func (c *knownConfig) judges(m detect.Judge) (judges, error) {
	if c.off {
		if len(c.good) > 0 {
			return judges{}, usageError("want either --known-good or --no-known-good")
		}
		return judges{m, m}, nil
	}
	ix, err := known.Default()
	if err != nil {
		return judges{}, err
	}
	indexes := []*known.Index{ix}
	for _, path := range c.good {
		ix, err := openKnown(path)
		if err != nil {
			return judges{}, fmt.Errorf("--known-good: %w", err)
		}
		indexes = append(indexes, ix)
	}
	return judges{known.NewJudge(m, indexes...), m}, nil
}

// openKnown reads an index, or makes one of a folder.
func openKnown(path string) (*known.Index, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return loadKnown(path)
	}
	var b known.Builder
	if _, err := addFolder(&b, path, path); err != nil {
		return nil, err
	}
	return b.Index(), nil
}

func loadKnown(path string) (*known.Index, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ix, err := known.Load(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", visible(path), err)
	}
	return ix, nil
}

// skipped counts files that a folder has and an index does not take. Changed
// are those that are not as they were installed.
type skipped struct{ unfit, unreadable, changed int }

// addFolder adds all that is Python in a folder.
func addFolder(b *known.Builder, origin, folder string) (skipped, error) {
	var s skipped
	err := walkFolder(folder, func(f source) error {
		text, err := f.read()
		if err != nil {
			s.unreadable++
			return nil
		}
		path, err := filepath.Rel(folder, f.path)
		if err != nil {
			return err
		}
		ok, err := b.Add(visible(origin), visible(path), text)
		if !ok {
			s.unfit++
		}
		return err
	})
	return s, err
}

func runKnown(ctx context.Context, env Env, args []string) error {
	verbs := map[string]func(context.Context, Env, []string) error{"build": knownBuild, "add": knownAdd, "info": knownInfo}
	if len(args) > 0 {
		if verb, ok := verbs[args[0]]; ok {
			return verb(ctx, env, args[1:])
		}
	}
	fs := newFlags(env, "known", "build | add | info", "Makes and shows indexes of known files. A script that is a known file, byte for byte or but for comments,\n"+
		"spacing and quotes, is not called malicious; nothing but its content counts.\n\n"+
		"  kingsnake known build --out FILE NAME=FOLDER…   make an index of all that is Python in folders\n"+
		"  kingsnake known add FILE NAME=FOLDER…           add folders to an index\n"+
		"  kingsnake known info [FILE]                     say what an index knows (default: the one in the program)\n\n"+
		"With --recorded, build and add take only what Python's package installers recorded, and only while it is unchanged.\n"+
		"NAME says what a folder is, in the reasons of verdicts: \"our base image 3.2\". An index is used with --known-good.")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	return usageError("want build, add or info")
}

func knownBuild(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "known build", "NAME=FOLDER…", "Makes an index of all that is Python in folders, by name or first line. The same files give the same index.")
	out := fs.String("out", "", "`file` to write")
	recorded := recordedFlag(fs)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *out == "" {
		return usageError("want --out")
	}
	return extendKnown(ctx, env, &known.Builder{}, *out, fs.Args(), *recorded)
}

func knownAdd(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "known add", "FILE NAME=FOLDER…", "Adds all that is Python in folders to an index.")
	recorded := recordedFlag(fs)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() < 2 {
		return usageError("want an index, and folders as NAME=FOLDER")
	}
	old, err := loadKnown(fs.Arg(0))
	if err != nil {
		return err
	}
	var b known.Builder
	if err := b.AddIndex(old); err != nil {
		return err
	}
	return extendKnown(ctx, env, &b, fs.Arg(0), fs.Args()[1:], *recorded)
}

// extendKnown adds folders to what is in b and writes it all to a file.
func extendKnown(ctx context.Context, env Env, b *known.Builder, out string, folders []string, recorded bool) error {
	if len(folders) == 0 {
		return usageError("want folders as NAME=FOLDER")
	}
	var total skipped
	for _, arg := range folders {
		name, folder, ok := strings.Cut(arg, "=")
		if !ok || name == "" || folder == "" {
			return usageError("%q: want NAME=FOLDER", arg)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		add := addFolder
		if recorded {
			add = func(b *known.Builder, name, folder string) (skipped, error) { return addRecorded(env, b, name, folder) }
		}
		s, err := add(b, name, folder)
		if err != nil {
			return err
		}
		total.unfit, total.unreadable, total.changed = total.unfit+s.unfit, total.unreadable+s.unreadable, total.changed+s.changed
	}
	var data bytes.Buffer
	ix := b.Index()
	if err := ix.Write(&data); err != nil {
		return err
	}
	// In one step: a sensor may be starting with this very file.
	if err := os.WriteFile(out+".new", data.Bytes(), 0o644); err != nil {
		return err
	}
	if err := os.Rename(out+".new", out); err != nil {
		return err
	}
	files := 0
	for _, n := range ix.Files() {
		files += n
	}
	fmt.Fprintf(env.Stdout, "%d files, %d fingerprints, %d bytes in %s; %d left out as too small, too large or runners of other code, %d unreadable\n",
		files, ix.Len(), data.Len(), visible(out), total.unfit, total.unreadable)
	if recorded {
		fmt.Fprintf(env.Stdout, "%d left out because they are not as they were installed\n", total.changed)
	}
	if total.unreadable > 0 {
		return exitError{code: 2}
	}
	return nil
}

func knownInfo(_ context.Context, env Env, args []string) error {
	fs := newFlags(env, "known info", "[FILE]", "Says what an index knows.")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	var ix *known.Index
	var err error
	switch fs.NArg() {
	case 0:
		ix, err = known.Default()
	case 1:
		ix, err = loadKnown(fs.Arg(0))
	default:
		return usageError("want one file, or none")
	}
	if err != nil {
		return err
	}
	files := ix.Files()
	total := 0
	for _, origin := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(env.Stdout, "%6d  %s\n", files[origin], origin)
		total += files[origin]
	}
	fmt.Fprintf(env.Stdout, "%6d  files, %d fingerprints\n", total, ix.Len())
	return nil
}
