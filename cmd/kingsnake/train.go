package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"kingsnake/classify"
	"kingsnake/classify/eval"
	"kingsnake/classify/known"
	"kingsnake/classify/train"
	"kingsnake/normalize"
)

// trainConfig is what "kingsnake train" was asked to do.
type trainConfig struct {
	corpus, out, card string
	yours             yoursConfig
	date              string
	seed              uint64
	baseline          bool
}

func runTrain(ctx context.Context, env Env, args []string) error {
	var cfg trainConfig
	fs := newFlags(env, "train", "", "Trains a model, measures it by grouped cross-validation, and writes the model and its card: with --benign and --malicious\n"+
		"one that has learned from your own scripts atop the embedded model, with --corpus a new one from a labeled corpus.\n"+
		"Nothing is executed. The same scripts give the same model, bit for bit. A corpus takes some minutes and two gigabytes of memory.")
	cfg.yours.flags(fs)
	fs.StringVar(&cfg.corpus, "corpus", "", "`folder` of the corpus, or \"own\" for the small one inside the program (a toy)")
	fs.StringVar(&cfg.out, "out", "", "`file` to write the model to")
	fs.StringVar(&cfg.card, "card", "", "`file` to write the card to (default card.md beside the model)")
	fs.StringVar(&cfg.date, "date", "", "`date` on the card, as 2006-01-02 (default today)")
	fs.Uint64Var(&cfg.seed, "fold-seed", 1, "which of equally good folds to take; atop a model also the order of learning")
	fs.BoolVar(&cfg.baseline, "baseline", true, "measure the plain token model as well, to compare with")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := cfg.validate(fs.NArg()); err != nil {
		return err
	}
	if cfg.card == "" {
		cfg.card = filepath.Join(filepath.Dir(cfg.out), "card.md")
	}
	date := env.Now()
	if cfg.date != "" {
		var err error
		if date, err = time.Parse(time.DateOnly, cfg.date); err != nil {
			return usageError("--date %q: want a date as 2006-01-02", cfg.date)
		}
	}
	if len(cfg.yours.folders) > 0 {
		return trainYours(ctx, env, cfg, date)
	}
	return trainModel(ctx, env, cfg, date)
}

func (c *trainConfig) validate(args int) error {
	switch {
	case args > 0 || c.out == "" || (c.corpus == "") == (len(c.yours.folders) == 0):
		return usageError("want --out, and either folders of your own with --benign and --malicious or --corpus")
	case c.corpus != "" && c.yours.base != "":
		return usageError("--base goes with --benign; a model of a corpus begins with nothing")
	case len(c.yours.folders) > 0 && !c.yours.hasBenign():
		return usageError("want --benign as well: malicious scripts alone would make every script look a little more malicious")
	}
	return nil
}

func trainModel(ctx context.Context, env Env, cfg trainConfig, date time.Time) error {
	progress := stopwatch(env)
	source := train.Corpus(cfg.corpus)
	d, err := readCorpus(ctx, train.Training(cfg.corpus), cfg.baseline, true, progress)
	if err != nil {
		return err
	}
	settings := train.Defaults()
	report, _, err := eval.Evaluate(ctx, d, source, eval.Options{
		Settings: settings, Split: eval.ByGroup, Seed: cfg.seed, Baseline: cfg.baseline, Progress: progress,
	})
	if err != nil {
		return err
	}
	progress("training on everything")
	examples := make([]*train.Example, len(d.Examples))
	for i := range d.Examples {
		examples[i] = &d.Examples[i]
	}
	tables := train.Pack(train.Fit(examples, train.Weigh(examples, settings.Positive), settings))
	m, err := classify.New(tables, report.Calibration, report.Thresholds)
	if err != nil {
		return err
	}
	size, err := writeModel(cfg.out, m)
	if err != nil {
		return err
	}
	c := eval.Card{Date: date, Model: m, Size: size, Dataset: d, Settings: settings, Report: report}
	if err := writeCard(cfg.card, &c); err != nil {
		return err
	}
	progress("done")
	fmt.Fprintf(env.Stdout, "model %s, %d bytes, in %s; card in %s\n\n", m.Hash(), size, cfg.out, cfg.card)
	return report.WriteText(env.Stdout)
}

// writeModel writes a model and returns its size.
func writeModel(path string, m *classify.Model) (int, error) {
	var file bytes.Buffer
	if err := m.Write(&file); err != nil {
		return 0, err
	}
	return file.Len(), os.WriteFile(path, file.Bytes(), 0o644)
}

func writeCard(path string, card interface{ Write(io.Writer) error }) error {
	var text bytes.Buffer
	if err := card.Write(&text); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

// stopwatch tells what begins, and how long it has been.
func stopwatch(env Env) func(what string) {
	start := env.Now()
	return func(what string) {
		fmt.Fprintf(env.Stderr, "%6.1fs %s\n", env.Now().Sub(start).Seconds(), what)
	}
}

// readCorpus reads the features of a corpus, those of the plain token model as
// well if it is to be measured, and which scripts the index of known files has
// if that is to be used.
func readCorpus(ctx context.Context, source train.Source, plain, useKnown bool, progress func(string)) (*train.Dataset, error) {
	progress("reading the corpus")
	o := train.Options{Progress: func(rows int) { progress(fmt.Sprintf("%d scripts read", rows)) }}
	if plain {
		o.Plain = eval.Plain
	}
	if useKnown {
		index, err := known.Default()
		if err != nil {
			return nil, err
		}
		o.Known = func(text normalize.Text) bool {
			_, found := index.Find(text)
			return found
		}
	}
	return train.Build(ctx, source, o)
}
