package main

import (
	"bytes"
	"context"
	"fmt"
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
	date              string
	seed              uint64
	baseline          bool
}

func runTrain(ctx context.Context, env Env, args []string) error {
	var cfg trainConfig
	fs := newFlags(env, "train", "", "Trains a model on a labeled corpus, measures it by grouped cross-validation, and writes the model and its card.\n"+
		"The same corpus gives the same model, bit for bit. Takes some minutes and two gigabytes of memory.")
	fs.StringVar(&cfg.corpus, "corpus", "", "`folder` of the corpus, or \"own\" for the small one inside the program (a toy)")
	fs.StringVar(&cfg.out, "out", "", "`file` to write the model to")
	fs.StringVar(&cfg.card, "card", "", "`file` to write the card to (default card.md beside the model)")
	fs.StringVar(&cfg.date, "date", "", "`date` on the card, as 2006-01-02 (default today)")
	fs.Uint64Var(&cfg.seed, "fold-seed", 1, "which of equally good folds to take")
	fs.BoolVar(&cfg.baseline, "baseline", true, "measure the plain token model as well, to compare with")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 || cfg.corpus == "" || cfg.out == "" {
		return usageError("want --corpus and --out, and nothing else")
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
	return trainModel(ctx, env, cfg, date)
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
	var file, card bytes.Buffer
	if err := m.Write(&file); err != nil {
		return err
	}
	c := eval.Card{Date: date, Model: m, Size: file.Len(), Dataset: d, Settings: settings, Report: report}
	if err := c.Write(&card); err != nil {
		return err
	}
	if err := os.WriteFile(cfg.out, file.Bytes(), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(cfg.card, card.Bytes(), 0o644); err != nil {
		return err
	}
	progress("done")
	fmt.Fprintf(env.Stdout, "model %s, %d bytes, in %s; card in %s\n\n", m.Hash(), file.Len(), cfg.out, cfg.card)
	return report.WriteText(env.Stdout)
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
