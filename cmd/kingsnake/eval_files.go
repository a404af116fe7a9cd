package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kingsnake/classify"
	"kingsnake/classify/eval"
	"kingsnake/classify/eval/report"
	"kingsnake/classify/model"
	"kingsnake/classify/serve"
	"kingsnake/classify/signed"
	"kingsnake/classify/train"
)

// readReport reads a report that --json wrote.
func readReport(file string) (*eval.Report, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := eval.ReadReport(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", file, err)
	}
	return r, nil
}

// draw writes the page and the plots that were asked for.
func (c *evalConfig) draw(r *eval.Report) error {
	if c.html != "" {
		var page bytes.Buffer
		if err := report.WriteHTML(&page, r); err != nil {
			return err
		}
		if err := os.WriteFile(c.html, page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if c.plots == "" {
		return nil
	}
	if err := os.MkdirAll(c.plots, 0o755); err != nil {
		return err
	}
	for _, p := range report.Plots(r) {
		if err := os.WriteFile(filepath.Join(c.plots, p.Name+".svg"), []byte(p.File()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(env Env, v any) error {
	out := json.NewEncoder(env.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// compareModels sets two finished models side by side.
func (c *evalConfig) compareModels(ctx context.Context, env Env) error {
	first, err := readModel(c.comparingModel)
	if err != nil {
		return err
	}
	second, err := readModel(c.comparedModel)
	if err != nil {
		return err
	}
	fmt.Fprintln(env.Stderr, "kingsnake eval:", eval.TrainedOnWarning)
	progress := stopwatch(env)
	d, err := readCorpus(ctx, train.Corpus(c.corpus), false, false, progress)
	if err != nil {
		return err
	}
	compared, err := eval.Compare(ctx, d, [2]*classify.Model{first, second}, c.worst)
	if err != nil {
		return err
	}
	progress("done")
	if c.asJSON {
		return writeJSON(env, compared)
	}
	return compared.WriteText(env.Stdout)
}

// readModel reads a model file that decides nothing here, signed by anybody or
// by nobody; "" is the embedded model.
func readModel(file string) (*classify.Model, error) {
	if file == "" {
		return model.Default()
	}
	data, err := signed.ReadFile(file, signed.MaxFile)
	if err != nil {
		return nil, err
	}
	key, err := signed.Signer(data)
	if errors.Is(err, signed.ErrUnsigned) {
		m, err := classify.Load(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%s: neither a signed model nor a bare one: %v", file, err)
		}
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	m, _, err := serve.Load(file, []signed.PublicKey{key})
	return m, err
}
