package consoletest

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"kingsnake/console"
	"kingsnake/console/auth"
	"kingsnake/finding"
	"kingsnake/finding/scc"
	"kingsnake/store"
	"kingsnake/store/mem"
)

// New returns a console over a store in memory that holds findings, sensors
// and, where there are any, the sample findings about sensors, and that store. It keeps its sign-ins in dir, and its time
// stands still at Now.
func New(ctx context.Context, dir string, findings []finding.Finding, sensors []finding.SensorStatus) (http.Handler, store.Store, *auth.Auth, error) {
	s := mem.New()
	for _, f := range findings {
		if _, err := s.Put(ctx, f); err != nil {
			return nil, nil, nil, err
		}
	}
	if len(sensors) > 0 {
		for _, f := range []finding.Finding{Silent(), Lossy(), HostileSensor()} {
			if err := s.PutHealth(ctx, f, false); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	for _, status := range sensors {
		if err := s.PutSensor(ctx, status, status.Time); err != nil {
			return nil, nil, nil, err
		}
	}
	a, err := auth.Open(dir, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	handler := console.New(console.Config{
		Store: s, Auth: a, SCC: scc.Config{Project: "demo-project", Location: "us-central1-a"},
		Version: "0.1.0", DataDir: "SQLite in /var/lib/kingsnake", Notify: "the webhook at hooks.example.com",
		Card: "kingsnake model card\n\nTrained on made-up data for this picture.\n", Models: Models,
		Limits: store.Limits{Age: 400 * 24 * time.Hour, Findings: 1_000_000, Bytes: 4 << 30},
		Log:    slog.New(slog.DiscardHandler), Now: func() time.Time { return Now },
	})
	return handler, s, a, nil
}

// Screen is a page to look at.
type Screen struct{ Name, Path string }

// Screens lists every screen of a console that holds the samples.
func Screens() []Screen {
	shell, command, stdin, hostile := Shell(), Command(), Stdin(), Hostile()
	return []Screen{
		{"signin", "/signin"},
		{"overview", "/"},
		{"findings", "/findings"},
		{"findings-filtered", "/findings?severity=CRITICAL&namespace=shop&since=720h"},
		{"findings-none", "/findings?text=nothing-has-this-name"},
		{"finding", "/findings/" + shell.Name},
		{"finding-layer", "/findings/" + shell.Name + "?layer=1"},
		{"finding-command", "/findings/" + command.Name},
		{"finding-stdin", "/findings/" + stdin.Name},
		{"finding-hostile", "/findings/" + hostile.Name + "?layer=1"},
		{"json", "/findings/" + shell.Name + "/json"},
		{"json-hostile", "/findings/" + hostile.Name + "/json?form=legacy"},
		{"investigate", "/findings/" + shell.Name + "/investigate"},
		{"investigate-host", "/findings/" + stdin.Name + "/investigate"},
		{"investigate-hostile", "/findings/" + hostile.Name + "/investigate"},
		{"finding-silent", "/findings/" + Silent().Name},
		{"finding-lossy", "/findings/" + Lossy().Name},
		{"finding-sensor-hostile", "/findings/" + HostileSensor().Name},
		{"json-silent", "/findings/" + Silent().Name + "/json"},
		{"sensors", "/sensors"},
		{"model", "/model"},
		{"settings", "/settings"},
		{"nowhere", "/nowhere"},
	}
}
