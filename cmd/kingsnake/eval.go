package main

import (
	"context"
	"encoding/json"

	"kingsnake/classify/eval"
	"kingsnake/classify/train"
)

func runEval(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "eval", "", "Measures the embedded model's learner on a labeled corpus: grouped cross-validation in five folds, with thresholds\n"+
		"that were frozen on the other folds. Prints figures per family, kind, source and month, and the worst mistakes by id.")
	corpus := fs.String("corpus", "", "`folder` of the corpus, or \"own\" for the small one inside the program (a toy)")
	asJSON := fs.Bool("json", false, "print the report as JSON")
	seed := fs.Uint64("fold-seed", 1, "which of equally good folds to take")
	split := fs.String("leave-out", "group", "what a model is judged on and never sees: group (the protocol), family or source")
	baseline := fs.Bool("baseline", true, "measure the plain token model as well, to compare with")
	worst := fs.Int("worst", 15, "how many of the worst mistakes of each kind to list")
	evasion := fs.Bool("evasion", false, "rewrite one script of each cluster in every way that hides, and measure what that loses; takes minutes")
	evasionClusters := fs.Int("evasion-clusters", 0, "how many clusters to rewrite, chosen by --fold-seed; 0 for all")
	marks := fs.Bool("marks", false, "compare the lines that reasons point at with those that a person marked in 70 malicious scripts")
	noKnown := fs.Bool("no-known-good", false, "leave out the figures with the index of known files")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 || *corpus == "" {
		return usageError("want --corpus, and nothing else")
	}
	by := eval.Split(*split)
	if by != eval.ByGroup && by != eval.ByFamily && by != eval.BySource {
		return usageError("--leave-out %q: want group, family or source", *split)
	}
	progress := stopwatch(env)
	source := train.Corpus(*corpus)
	d, err := readCorpus(ctx, train.Training(*corpus), *baseline, !*noKnown, progress)
	if err != nil {
		return err
	}
	report, v, err := eval.Evaluate(ctx, d, source, eval.Options{
		Settings: train.Defaults(), Split: by, Seed: *seed, Baseline: *baseline, Worst: *worst, Progress: progress,
	})
	if err != nil {
		return err
	}
	if *evasion {
		o := eval.EvasionOptions{Clusters: *evasionClusters, Seed: *seed, Worst: 3, Progress: progress}
		if c := newCompiler(ctx); c != nil {
			defer c.Close()
			o.Compile = c.Compile
		}
		if report.Evasion, err = eval.Evasion(ctx, v, source, o); err != nil {
			return err
		}
	}
	if *marks {
		pointing, err := v.Marks(ctx, source, eval.Rates[1])
		if err != nil {
			return err
		}
		report.Marks = &pointing
	}
	progress("done")
	if *asJSON {
		out := json.NewEncoder(env.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return report.WriteText(env.Stdout)
}
