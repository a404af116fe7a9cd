package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"kingsnake/classify"
	"kingsnake/classify/model"
	"kingsnake/classify/serve"
	"kingsnake/classify/signed"
	"kingsnake/console"
)

// folderModels is the folder of models inside a data folder.
const folderModels = "models"

// modelConfig says which models a command judges with.
type modelConfig struct {
	file, shadow string
	keys         []string // files of public keys
}

func (c *modelConfig) flags(fs *flag.FlagSet) {
	c.fileFlags(fs)
	fs.StringVar(&c.shadow, "shadow-model", "", "signed model `file` that judges beside the model in use and decides nothing")
}

// fileFlags are the flags of a command that judges and ends.
func (c *modelConfig) fileFlags(fs *flag.FlagSet) {
	fs.StringVar(&c.file, "model", "", "signed model `file` to judge with (default: the embedded model)")
	fs.Func("model-key", "`file` of a public key that models may be signed with; may be given several times", func(s string) error {
		c.keys = append(c.keys, s)
		return nil
	})
}

// used reports whether any model but the embedded one is asked for.
func (c *modelConfig) used() bool { return c.file != "" || c.shadow != "" }

// trusted reads the keys. Without them no model but the embedded one is any
// good.
func (c *modelConfig) trusted() ([]signed.PublicKey, error) {
	switch {
	case c.used() && len(c.keys) == 0:
		return nil, usageError("a model needs --model-key: the public key that it must be signed with (\"kingsnake model keygen\" makes one)")
	case !c.used() && len(c.keys) > 0:
		return nil, usageError("--model-key needs a model to go with: --model or --shadow-model")
	}
	var keys []signed.PublicKey
	for _, path := range c.keys {
		k, err := signed.ReadPublicKey(path)
		if err != nil {
			return nil, fmt.Errorf("read a model key: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// load returns the model of a command that judges and ends.
func (c *modelConfig) load() (*classify.Model, error) {
	keys, err := c.trusted()
	if err != nil {
		return nil, err
	}
	if c.file == "" {
		return model.Default()
	}
	m, _, err := serve.Load(c.file, keys)
	return m, err
}

// models is the models of a process that goes on judging, and the folder it
// keeps them in.
type models struct {
	*serve.Models
	cfg modelConfig
	dir *dataDir // nil when only the embedded model is used
}

// openModels decides which model judges. It keeps what it needs in the folder
// of models inside the data folder, if any but the embedded one is asked for.
func openModels(env Env, cfg modelConfig, data string) (*models, error) {
	keys, err := cfg.trusted()
	if err != nil {
		return nil, err
	}
	for _, file := range []*string{&cfg.file, &cfg.shadow} {
		if *file == "" {
			continue
		}
		// Others read the path, in another folder.
		if *file, err = filepath.Abs(*file); err != nil {
			return nil, err
		}
	}
	m := &models{cfg: cfg}
	sc := serve.Config{File: cfg.file, Shadow: cfg.shadow, Keys: keys, Now: env.Now, Log: slog.New(slog.NewTextHandler(env.Stderr, nil))}
	if cfg.used() {
		if m.dir, err = openData(filepath.Join(data, folderModels)); err != nil {
			return nil, err
		}
		sc.Dir = m.dir.path
	}
	if m.Models, err = serve.Open(sc); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Run follows the files until ctx ends, and reads them again at once on SIGHUP.
func (m *models) Run(ctx context.Context) {
	if !m.cfg.used() {
		return // and SIGHUP ends the process, as it ends others
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ran := make(chan struct{})
	go func() { defer close(ran); m.Models.Run(ctx) }()
	for {
		select {
		case <-hangup:
			m.Reload()
		case <-ran:
			return
		}
	}
}

// Close gives the folder back.
func (m *models) Close() {
	if m.dir != nil {
		m.dir.Close()
	}
}

// fromWords says where a model came from.
func fromWords(i serve.Info) string {
	if i.Embedded {
		return "inside the program"
	}
	from := i.File
	if from == "" {
		from = "kept from before"
	}
	return fmt.Sprintf("%s, signed by %s (key %s) on %s", from, i.Signer, i.Key, i.Signed.Format("2006-01-02"))
}

// shadowWords says what the shadow did, or "".
func shadowWords(s serve.State) string {
	switch {
	case s.ShadowProblem != "":
		return "none: the file " + s.ShadowFile + " was refused: " + s.ShadowProblem
	case s.Shadow == nil:
		return ""
	case s.Shadow.Hash == s.Current.Hash:
		return "model " + s.Shadow.Hash[:12] + " is the one in use"
	}
	c := s.Compared
	return fmt.Sprintf("model %.12s judged %d scripts beside it, %d of them higher and %d lower", s.Shadow.Hash, c.Judged, c.Higher, c.Lower)
}

// inUse reports whether a process follows the folder of models.
func inUse(dir string) bool {
	d, err := openData(dir)
	if err != nil {
		return true
	}
	d.Close()
	return false
}

// stateOf reads what the process that uses a data folder said of its models.
func stateOf(data string) (serve.State, string, error) {
	dir := filepath.Join(data, folderModels)
	s, err := serve.ReadState(dir)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("nothing is known of models in %s: start \"kingsnake up\" or \"kingsnake sensor\" with --model, or name its data folder with --data", data)
	}
	return s, dir, err
}

// page is what the console shows of the models. flags are what the commands on
// the page need.
func (m *models) page(flags string) console.Models {
	s := m.State()
	p := console.Models{
		File: s.File, Pinned: s.Choice != serve.FromFile, Problem: s.Problem, Flags: flags, Current: pageModel(s.Current),
		ShadowFile: s.ShadowFile, ShadowProblem: s.ShadowProblem, Refusals: s.Refusals,
		Compared: console.Comparison{
			Since: s.Compared.Since, Judged: s.Compared.Judged, Higher: s.Compared.Higher, Lower: s.Compared.Lower,
			Dropped: s.Compared.Dropped, Failed: s.Compared.Failed,
		},
	}
	for _, h := range s.History[min(1, len(s.History)):] {
		p.History = append(p.History, pageModel(h))
	}
	if s.Shadow != nil {
		shadow := pageModel(*s.Shadow)
		p.Shadow = &shadow
	}
	for _, d := range s.Differences {
		p.Differences = append(p.Differences, console.Difference{
			Time: d.Time, SHA256: d.SHA256, Kind: d.Kind, Label: string(d.Label), Score: d.Score, Model: d.Model,
			ShadowLabel: string(d.ShadowLabel), ShadowScore: d.ShadowScore, Shadow: d.Shadow,
		})
	}
	for _, r := range s.Refused {
		p.Refused = append(p.Refused, console.Refusal{File: r.File, Why: r.Why, Time: r.Time})
	}
	return p
}

func pageModel(i serve.Info) console.Model {
	return console.Model{
		Hash: i.Hash, Embedded: i.Embedded, File: i.File, Signer: i.Signer, Key: i.Key, Signed: i.Signed, Note: i.Note,
		Size: int64(i.Size), Since: i.Since, Kept: i.Kept, Suspicious: i.Suspicious, Malicious: i.Malicious,
	}
}
