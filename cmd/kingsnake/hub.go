package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"kingsnake/classify/model"
	"kingsnake/console"
	"kingsnake/console/api"
	"kingsnake/console/auth"
	"kingsnake/console/health"
	"kingsnake/console/notify"
	"kingsnake/finding"
	"kingsnake/finding/scc"
	"kingsnake/store"
	"kingsnake/store/mem"
	"kingsnake/store/sqlite"
)

// tendEvery is how often stored findings are held against their limits.
const tendEvery = time.Minute

// hubConfig is how the server half of an instance is set up.
type hubConfig struct {
	data, listen, store         string
	webhook, webhookSecret      string
	limits                      store.Limits
	scc                         scc.Config
	models                      *models // of the sensor in the same process; nil when there is none
	keepDays                    int
	keepMegabytes, keepFindings int64
	health                      health.Limits
	metrics                     string
}

func (c *hubConfig) flags(fs *flag.FlagSet, env Env) {
	fs.StringVar(&c.data, "data", defaultData(env), "`folder` for the database and the tokens")
	fs.StringVar(&c.listen, "listen", "127.0.0.1:8417", "`address` of the console and the API")
	fs.StringVar(&c.store, "store", "", "where findings rest: sqlite:PATH or mem: (default: SQLite in the data folder)")
	fs.StringVar(&c.webhook, "webhook", "", "`URL` that gets every new critical or high finding as an SCC notification")
	fs.StringVar(&c.webhookSecret, "webhook-secret", "", "`file` with the secret that signs webhook requests")
	fs.IntVar(&c.keepDays, "keep-days", 400, "keep findings this many `days`")
	fs.Int64Var(&c.keepFindings, "keep-findings", 1_000_000, "keep at most this many findings")
	fs.Int64Var(&c.keepMegabytes, "keep-mb", 4096, "keep at most this many megabytes of scripts")
	fs.DurationVar(&c.health.Silent, "silent-after", time.Minute, "a sensor that sends no heartbeat for this long is a finding")
	fs.Float64Var(&c.health.Loss, "lossy-above", 0.001, "a sensor that lost more than this `share` of what ran in five minutes is a finding")
	metricsFlag(fs, &c.metrics)
	fs.StringVar(&c.scc.Organization, "organization", "", "Google Cloud organization `number` in SCC documents (default: unknown)")
	fs.StringVar(&c.scc.Project, "project", "", "Google Cloud `project` in SCC documents (default: unknown)")
	fs.StringVar(&c.scc.Location, "location", "", "Google Cloud `location` of the cluster in SCC documents (default: unknown)")
}

// hub is the server half: store, API, console and outputs.
type hub struct {
	cfg    hubConfig
	dir    *dataDir
	store  store.Store
	auth   *auth.Auth
	listen net.Listener
	http   *http.Server
	notify *notify.Notifier
	tells  *metricsServer // nil when metrics are not served
	log    *slog.Logger
	now    func() time.Time
}

// openHub opens everything the server half needs and starts to listen. Requests
// are answered once Run runs.
func openHub(env Env, cfg hubConfig) (_ *hub, err error) {
	if cfg.health.Silent < 2*heartbeat {
		return nil, usageError("--silent-after %s: want at least %s, for a sensor sends a heartbeat every %s", cfg.health.Silent, 2*heartbeat, heartbeat)
	}
	if cfg.health.Loss <= 0 || cfg.health.Loss > 1 {
		return nil, usageError("--lossy-above %g: want a share above 0 and up to 1", cfg.health.Loss)
	}
	cfg.limits = store.Limits{Age: time.Duration(cfg.keepDays) * 24 * time.Hour, Findings: cfg.keepFindings, Bytes: cfg.keepMegabytes << 20}
	h := &hub{cfg: cfg, now: env.Now, log: slog.New(slog.NewTextHandler(env.Stderr, nil))}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if h.dir, err = openData(cfg.data); err != nil {
		return nil, err
	}
	st, err := openStore(cfg.store, h.dir)
	if err != nil {
		return nil, err // h.store stays nil: Close must not see half a store
	}
	h.store = st
	if h.auth, err = auth.Open(h.dir.path, env.Now); err != nil {
		return nil, err
	}
	if h.listen, err = net.Listen("tcp", cfg.listen); err != nil {
		return nil, fmt.Errorf("%v; choose another address with --listen", err)
	}
	if h.tells, err = openMetrics(cfg.metrics, h.log, h.now, h.store.Sensors, storeMetrics(h.store)); err != nil {
		return nil, err
	}
	h.cfg.scc.ConsoleURL = h.URL()
	handler, err := h.handler()
	if err != nil {
		return nil, err
	}
	if h.notify, err = h.newNotifier(); err != nil {
		return nil, err
	}
	h.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	return h, h.dir.write(fileAddress, h.URL()+"\n")
}

// openStore opens the store that spec names; "" is SQLite in the data folder.
func openStore(spec string, dir *dataDir) (store.Store, error) {
	kind, path, _ := strings.Cut(spec, ":")
	switch {
	case spec == "":
		return sqlite.Open(dir.file(fileStore))
	case kind == "sqlite" && path != "":
		return sqlite.Open(path)
	case kind == "mem":
		return mem.New(), nil
	default:
		return nil, usageError("--store %q: want sqlite:PATH or mem:", spec)
	}
}

// handler joins the console and the API.
func (h *hub) handler() (http.Handler, error) {
	sensorToken, err := h.dir.token(fileSensorToken)
	if err != nil {
		return nil, err
	}
	readToken, err := h.dir.token(fileReadToken)
	if err != nil {
		return nil, err
	}
	var models func() console.Models
	if h.cfg.models != nil {
		models = func() console.Models { return h.cfg.models.page(dataHint(h.dir.path)) }
	}
	notifies := ""
	if h.cfg.webhook != "" {
		notifies = "the webhook at " + webhookHost(h.cfg.webhook)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", api.New(api.Config{
		Store: h.store, SensorToken: sensorToken, ReadToken: readToken, SCC: h.cfg.scc, Log: h.log, Now: h.now,
	}))
	mux.Handle("/", console.New(console.Config{
		Store: h.store, Auth: h.auth, SCC: h.cfg.scc, Version: version(), DataDir: h.dir.path, Notify: notifies,
		Card: model.Card, Models: models, Limits: h.cfg.limits, Health: h.cfg.health, Log: h.log, Now: h.now,
	}))
	return mux, nil
}

// webhookHost is the part of a webhook's address that holds no secret.
func webhookHost(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be read"
	}
	return u.Host
}

// newNotifier returns the webhook's notifier, or nil when none is wanted.
func (h *hub) newNotifier() (*notify.Notifier, error) {
	if h.cfg.webhook == "" {
		return nil, nil
	}
	var secret []byte
	if h.cfg.webhookSecret != "" {
		s, err := readToken(h.cfg.webhookSecret)
		if err != nil {
			return nil, fmt.Errorf("read the webhook's secret: %v", err)
		}
		secret = []byte(s)
	}
	return notify.New(notify.Config{Queue: h.store, URL: h.cfg.webhook, Secret: secret, SCC: h.cfg.scc, Now: h.now, Log: h.log})
}

// URL is the console's address.
func (h *hub) URL() string { return "http://" + h.listen.Addr().String() }

// signInLink mints a one-time link to the console.
func (h *hub) signInLink() (string, error) {
	token, err := h.auth.Mint()
	if err != nil {
		return "", err
	}
	return auth.Link(h.URL(), token), nil
}

// Put stores a finding: the hub is the sink of a sensor in the same process.
func (h *hub) Put(ctx context.Context, f finding.Finding) error {
	_, err := h.store.Put(ctx, f)
	return err
}

// Run answers requests, sends notifications and keeps the store within its
// limits until ctx ends; then it lets requests finish.
func (h *hub) Run(ctx context.Context) error {
	work, stop := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { h.tend(work) })
	helpers.Go(func() {
		health.New(health.Config{Store: h.store, Limits: h.cfg.health, Now: h.now, Log: h.log}).Run(work)
	})
	if h.notify != nil {
		helpers.Go(func() { h.notify.Run(work) })
	}
	failed := make(chan error, 2)
	go func() { failed <- h.http.Serve(h.listen) }()
	if h.tells != nil {
		go func() { failed <- h.tells.Run() }()
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		quiet, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err = h.http.Shutdown(quiet)
		cancel()
	}
	stop()
	helpers.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// tend holds the store against its limits now and then.
func (h *hub) tend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		if h.notify == nil {
			// Otherwise a webhook configured later would get all of the past.
			if _, err := notify.Discard(ctx, h.store, h.now()); err != nil && ctx.Err() == nil {
				h.log.Error("empty the queue of notifications nobody wants", "error", err)
			}
		}
		gone, err := h.store.Evict(ctx, h.cfg.limits, h.now())
		if err != nil && ctx.Err() == nil {
			h.log.Error("keep the store within its limits", "error", err)
		}
		for why, n := range gone {
			h.log.Info("removed old entries", "reason", why, "count", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Close gives back what openHub took.
func (h *hub) Close() error {
	var errs []error
	if h.listen != nil {
		h.listen.Close() // again, after Run
	}
	h.tells.Close()
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.dir != nil {
		h.dir.Close()
	}
	return errors.Join(errs...)
}
