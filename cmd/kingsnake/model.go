package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"kingsnake/classify"
	"kingsnake/classify/model"
	"kingsnake/classify/serve"
	"kingsnake/classify/signed"
)

// modelVerbs lists what "kingsnake model" does, in the order of a model's life.
func modelVerbs() []command {
	return []command{
		{"keygen", "make a pair of keys to sign models with", modelKeygen},
		{"sign", "sign a model, so that those who trust the key take it", modelSign},
		{"verify", "say whether a sensor that trusts a key would take a file", modelVerify},
		{"info", "say what is in a model file", modelInfo},
		{"status", "say which model is in use, and which were before", modelStatus},
		{"diff", "list the scripts that the shadow calls otherwise", modelDiff},
		{"promote", "put the shadow into use", modelPromote},
		{"rollback", "put the model into use that was there before", modelRollback},
		{"use", "choose the model in use", modelUse},
	}
}

func runModel(ctx context.Context, env Env, args []string) error {
	usage := "Usage: kingsnake model VERB [flags] [arguments]\n\n" +
		"Signs models, and says and decides which one is in use where \"up\" or \"sensor\" runs with --model.\n\nVerbs:\n"
	for _, v := range modelVerbs() {
		usage += fmt.Sprintf("  %-9s %s\n", v.name, v.summary)
	}
	usage += "\nRun \"kingsnake model VERB -h\" for a verb's flags.\n"
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		fmt.Fprint(env.Stderr, usage)
		return nil
	}
	for _, v := range modelVerbs() {
		if v.name == args[0] {
			return v.run(ctx, env, args[1:])
		}
	}
	return usageError("no verb %q; run \"kingsnake model\" for the list", args[0])
}

func modelKeygen(_ context.Context, env Env, args []string) error {
	fs := newFlags(env, "model keygen", "", "Makes a pair of keys: OUT.key signs models and is yours alone, OUT.pub goes to those who are to trust them.")
	name := fs.String("name", "", "`name` of the key, for people, for example \"detection team 2026\"")
	out := fs.String("out", "model", "`path` of the files, without .key and .pub")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 || *name == "" {
		return usageError("want --name, and nothing else")
	}
	k, err := signed.NewKey(*name)
	if err != nil {
		return err
	}
	if err := createFile(*out+".key", k.Text(), 0o600); err != nil {
		return err
	}
	if err := createFile(*out+".pub", k.Public().Text(), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "%s.key signs models: keep it where nobody else can read it\n%s.pub is for --model-key; its fingerprint is %s\n", *out, *out, k.Public().Fingerprint())
	return nil
}

// createFile writes a file that must not be there yet.
func createFile(path string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already, and a key is never overwritten; choose another --out", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

func modelSign(_ context.Context, env Env, args []string) error {
	fs := newFlags(env, "model sign", "MODEL | embedded", "Signs a model that \"kingsnake train\" wrote, or the embedded one. It must be one that this program can load.")
	key := fs.String("key", "", "`file` of the private key")
	out := fs.String("out", "", "`file` to write (default: MODEL.signed)")
	note := fs.String("note", "", "`line` for people, for example what it was trained on")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 || *key == "" {
		return usageError("want --key and one model")
	}
	k, err := signed.ReadPrivateKey(*key)
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	data, err := bareModel(fs.Arg(0))
	if err != nil {
		return err
	}
	m, err := classify.Load(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s is not signed, because it does not load: %v", fs.Arg(0), err)
	}
	file, err := signed.Sign(data, k, env.Now(), *note)
	if err != nil {
		return err
	}
	if *out == "" {
		*out = fs.Arg(0) + ".signed"
	}
	// In one step: a sensor may be following this very file.
	tmp := *out + ".new"
	if err := os.WriteFile(tmp, file, 0o644); err != nil {
		return err
	}
	if err := os.Rename(tmp, *out); err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "model %s, signed by %s (key %s), in %s\n", m.Hash(), k.Name, k.Public().Fingerprint(), *out)
	return nil
}

// bareModel reads a model without a signature.
func bareModel(path string) ([]byte, error) {
	if path == serve.Embedded {
		m, err := model.Default()
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = m.Write(&b)
		return b.Bytes(), err
	}
	data, err := signed.ReadFile(path, signed.MaxFile)
	if err != nil {
		return nil, err
	}
	if _, err := signed.Signer(data); err == nil || !errors.Is(err, signed.ErrUnsigned) {
		return nil, fmt.Errorf("%s is signed already", path)
	}
	return data, nil
}

func modelVerify(_ context.Context, env Env, args []string) error {
	fs := newFlags(env, "model verify", "FILE", "Checks a signed model as a sensor would. Exit code: 0 it would be taken, 1 it would be refused, and why.")
	var cfg modelConfig
	cfg.fileFlags(fs)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 || cfg.file != "" {
		return usageError("want --model-key and one file")
	}
	cfg.file = fs.Arg(0)
	keys, err := cfg.trusted()
	if err != nil {
		return err
	}
	_, info, err := serve.Load(cfg.file, keys)
	if err != nil {
		return exitError{1, "refused: " + visible(err.Error())}
	}
	fmt.Fprintf(env.Stdout, "good: model %s, signed by %s (key %s) on %s\n", info.Hash, info.Signer, info.Key, info.Signed.Format(time.RFC3339))
	return nil
}

func modelInfo(_ context.Context, env Env, args []string) error {
	fs := newFlags(env, "model info", "FILE | embedded", "Says what is in a model file, signed or not. It does not say whether to trust it: \"kingsnake model verify\" does.")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usageError("want one file, or embedded")
	}
	tw := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	if fs.Arg(0) == serve.Embedded {
		m, err := model.Default()
		if err != nil {
			return err
		}
		fmt.Fprintf(tw, "model\t%s\nfrom\tinside the program\n", m.Hash())
		printThresholds(tw, m.Thresholds().Suspicious, m.Thresholds().Malicious)
		return tw.Flush()
	}
	data, err := signed.ReadFile(fs.Arg(0), signed.MaxFile)
	if err != nil {
		return err
	}
	k, err := signed.Signer(data)
	if errors.Is(err, signed.ErrUnsigned) {
		m, err := classify.Load(bytes.NewReader(data))
		if err != nil {
			return fmt.Errorf("%s: neither a signed model nor a bare one: %v", fs.Arg(0), err)
		}
		fmt.Fprintf(tw, "model\t%s\nsigned\tno: sensors refuse it\nsize\t%d bytes\n", m.Hash(), len(data))
		printThresholds(tw, m.Thresholds().Suspicious, m.Thresholds().Malicious)
		return tw.Flush()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", fs.Arg(0), err)
	}
	_, i, err := serve.Load(fs.Arg(0), []signed.PublicKey{k})
	if err != nil {
		return err
	}
	fmt.Fprintf(tw, "model\t%s\nsigned\tby %s (key %s) on %s\nnote\t%s\nsize\t%d bytes\n", i.Hash, i.Signer, i.Key, i.Signed.Format(time.RFC3339), i.Note, i.Size)
	printThresholds(tw, i.Suspicious, i.Malicious)
	return tw.Flush()
}

func printThresholds(w io.Writer, suspicious, malicious float64) {
	fmt.Fprintf(w, "suspicious\tfrom score %.4f: one false alarm in 1,000 distinct harmless scripts was allowed when it was set\n", suspicious)
	fmt.Fprintf(w, "malicious\tfrom score %.4f: one in 10,000\n", malicious)
}
