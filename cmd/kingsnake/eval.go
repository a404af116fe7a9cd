package main

import (
	"context"
	"fmt"
	"slices"

	"kingsnake/classify/eval"
	"kingsnake/classify/train"
)

// evalConfig is what "kingsnake eval" was asked to do.
type evalConfig struct {
	corpus, from                  string // one of them is where the report comes from
	split                         string
	seed                          uint64
	baseline, noKnown             bool
	worst                         int
	evasion                       bool
	evasionClusters               int
	marks                         bool
	asJSON                        bool
	html, plots                   string
	comparedReport                string
	comparedModel, comparingModel string
}

func runEval(ctx context.Context, env Env, args []string) error {
	var cfg evalConfig
	fs := newFlags(env, "eval", "", "Measures the embedded model's learner on a labeled corpus: grouped cross-validation in five folds, with thresholds\n"+
		"that were frozen on the other folds. Prints figures per family, kind, source and month, and the worst mistakes by id.\n"+
		"With --compare it sets two finished models side by side instead, each at its own thresholds.")
	fs.StringVar(&cfg.corpus, "corpus", "", "`folder` of the corpus, or \"own\" for the small one inside the program (a toy)")
	fs.StringVar(&cfg.from, "from", "", "take the report from a `file` that --json wrote, instead of measuring")
	fs.BoolVar(&cfg.asJSON, "json", false, "print the report as JSON")
	fs.StringVar(&cfg.html, "html", "", "write the report as one page to this `file` as well, with plots")
	fs.StringVar(&cfg.plots, "plots", "", "write the plots as SVG files into this `folder` as well")
	fs.Uint64Var(&cfg.seed, "fold-seed", 1, "which of equally good folds to take")
	fs.StringVar(&cfg.split, "leave-out", "group", "what a model is judged on and never sees: group (the protocol), family, source, or loader (a fifth of the well-known loaders)")
	fs.BoolVar(&cfg.baseline, "baseline", true, "measure the plain token model as well, to compare with")
	fs.IntVar(&cfg.worst, "worst", 15, "how many of the worst mistakes, or of the rows on which two models differ, to list")
	fs.BoolVar(&cfg.evasion, "evasion", false, "rewrite one script of each cluster in every way that hides, and measure what that loses; takes minutes")
	fs.IntVar(&cfg.evasionClusters, "evasion-clusters", 0, "how many clusters to rewrite, chosen by --fold-seed; 0 for all")
	fs.BoolVar(&cfg.marks, "marks", false, "compare the lines that reasons point at with those that a person marked in 70 malicious scripts")
	fs.BoolVar(&cfg.noKnown, "no-known-good", false, "leave out the figures with the index of known files")
	fs.StringVar(&cfg.comparedReport, "compare-report", "", "say what changed since the report in this `file`, which --json wrote")
	fs.StringVar(&cfg.comparedModel, "compare", "", "model `file`, signed or not, to compare with another on the corpus")
	fs.StringVar(&cfg.comparingModel, "model", "", "with --compare: the other model `file` (default: the embedded model)")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError("want flags, and nothing else")
	}
	if err := cfg.validate(); err != nil {
		return err
	}
	if cfg.comparedModel != "" {
		return cfg.compareModels(ctx, env)
	}
	return cfg.report(ctx, env)
}

func (c *evalConfig) validate() error {
	switch {
	case (c.corpus == "") == (c.from == ""):
		return usageError("want --corpus or --from, and not both")
	case !slices.Contains(eval.Splits, eval.Split(c.split)):
		return usageError("--leave-out %q: want one of %v", c.split, eval.Splits)
	case c.from != "" && (c.evasion || c.marks):
		return usageError("--evasion and --marks need --corpus: a report is not measured again")
	case c.comparingModel != "" && c.comparedModel == "":
		return usageError("--model goes with --compare: cross-validation makes its own models")
	case c.comparedModel != "" && (c.corpus == "" || c.html != "" || c.plots != "" || c.comparedReport != "" || c.evasion || c.marks):
		return usageError("--compare wants --corpus, and takes only --model, --worst and --json besides")
	}
	return nil
}

// report measures or reads a report, and writes it in every form asked for.
func (c *evalConfig) report(ctx context.Context, env Env) error {
	var earlier *eval.Report
	var err error
	if c.comparedReport != "" { // before the long work
		if earlier, err = readReport(c.comparedReport); err != nil {
			return err
		}
	}
	var r *eval.Report
	if c.from != "" {
		r, err = readReport(c.from)
	} else {
		r, err = c.measure(ctx, env)
	}
	if err != nil {
		return err
	}
	worst := max(0, c.worst)
	r.BenignMistakes = r.BenignMistakes[:min(len(r.BenignMistakes), worst)]
	r.MaliciousMissed = r.MaliciousMissed[:min(len(r.MaliciousMissed), worst)]
	if earlier != nil {
		if r.Progress, err = r.Since(earlier); err != nil {
			return fmt.Errorf("%s: %v", c.comparedReport, err)
		}
	}
	if err := c.draw(r); err != nil {
		return err
	}
	if c.asJSON {
		return writeJSON(env, r)
	}
	return r.WriteText(env.Stdout)
}

// measure cross-validates, and measures what was asked for besides.
func (c *evalConfig) measure(ctx context.Context, env Env) (*eval.Report, error) {
	progress := stopwatch(env)
	source := train.Corpus(c.corpus)
	d, err := readCorpus(ctx, train.Training(c.corpus), c.baseline, !c.noKnown, progress)
	if err != nil {
		return nil, err
	}
	r, v, err := eval.Evaluate(ctx, d, source, eval.Options{
		Settings: train.Defaults(), Split: eval.Split(c.split), Seed: c.seed, Baseline: c.baseline, Worst: c.worst, Progress: progress,
	})
	if err != nil {
		return nil, err
	}
	if c.evasion {
		o := eval.EvasionOptions{Clusters: c.evasionClusters, Seed: c.seed, Worst: 3, Progress: progress}
		if compiler := newCompiler(ctx); compiler != nil {
			defer compiler.Close()
			o.Compile = compiler.Compile
		}
		if r.Evasion, err = eval.Evasion(ctx, v, source, o); err != nil {
			return nil, err
		}
	}
	if c.marks {
		pointing, err := v.Marks(ctx, source, eval.Rates[1])
		if err != nil {
			return nil, err
		}
		r.Marks = &pointing
	}
	progress("done")
	return r, nil
}
