package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"kingsnake/detect"
)

// fileHabits, in the data folder, keeps which shells the Python of each image
// starts, so that a sensor that is started anew need not learn again.
const fileHabits = "shells.json"

// saveHabits is how often they are saved.
const saveHabits = time.Minute

// openHabits returns what was learned, nil when nothing is to be. Without a file
// that can be read it begins to learn.
func openHabits(cfg nodeConfig, log *slog.Logger) *detect.Habits {
	if cfg.warmUp <= 0 {
		return nil
	}
	h := &detect.Habits{WarmUp: cfg.warmUp}
	if cfg.habits == "" {
		return h
	}
	f, err := os.Open(cfg.habits)
	if errors.Is(err, fs.ErrNotExist) {
		return h
	}
	if err == nil {
		err = h.Load(f)
		f.Close()
	}
	if err != nil {
		log.Warn("the shells that Python starts are learned anew", "error", err)
	}
	return h
}

// keepHabits saves what is learned now and then until ctx ends, and once more
// then.
func (n *node) keepHabits(ctx context.Context) {
	h, file := n.pipeline.Habits, n.cfg.habits
	if h == nil || file == "" {
		return
	}
	save := func() {
		_, err := h.Save(func(text []byte) error {
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(file+".new", text, 0o600); err != nil {
				return err
			}
			return os.Rename(file+".new", file)
		})
		if err != nil {
			n.pipeline.Log.Warn("what was learned of shells is not saved, and learned anew at the next start", "error", err)
		}
	}
	tick := time.NewTicker(saveHabits)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			save()
			return
		case <-tick.C:
			save()
		}
	}
}
