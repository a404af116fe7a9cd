package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/finding/push"
)

// drain is how long a stopping sensor tries to hand over what it still holds.
const drain = 10 * time.Second

// sensorConfig is how a sensor is set up.
type sensorConfig struct {
	node                            nodeConfig
	model                           modelConfig
	data, server, tokenFile, caFile string
	metrics, spool                  string
	spoolMegabytes                  int64
}

func (c *sensorConfig) flags(fs *flag.FlagSet, env Env) {
	c.node.flags(fs)
	c.node.hold.flags(fs)
	c.model.flags(fs)
	fs.StringVar(&c.data, "data", defaultData(env), "`folder` for what it learned, and for the models it used when --model or --shadow-model is given")
	fs.StringVar(&c.server, "server", "", "`URL` of the server, for example https://kingsnake.example.com")
	fs.StringVar(&c.tokenFile, "token-file", "", "`file` with the server's sensor token")
	fs.StringVar(&c.caFile, "ca-file", "", "PEM `file` with the authority that signed the server's certificate (default: the system's)")
	fs.StringVar(&c.spool, "spool", "", "`folder` where findings wait for the server, so that they outlast a sensor that is killed (default: in memory)")
	fs.Int64Var(&c.spoolMegabytes, "spool-mb", 64, "keep at most this many megabytes of findings there")
	metricsFlag(fs, &c.metrics)
}

func runSensor(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "sensor", "", "Runs the sensor half: watches this node, judges every script here, and pushes findings to a server,\n"+
		"or writes them as JSON lines to standard output when no server is named.")
	var cfg sensorConfig
	cfg.flags(fs, env)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := cfg.node.hold.check(cfg.node.host, cfg.node.capture); err != nil {
		return err
	}
	limitMemory(env)
	cfg.node.habits = filepath.Join(cfg.data, fileHabits)
	m, err := openModels(env, cfg.model, cfg.data)
	if err != nil {
		return err
	}
	defer m.Close()
	var client *push.Client // nil: findings are written as lines
	var sink detect.Sink = &lineSink{w: env.Stdout}
	if cfg.server != "" {
		if client, err = cfg.client(env); err != nil {
			return err
		}
		defer client.Close()
		sink = client
	}
	n, err := startNode(env, cfg.node, m, sink)
	if err != nil {
		return errors.New(describeSensorError(err))
	}
	defer n.Close()
	n.client = client
	tells, err := openMetrics(cfg.metrics, n.pipeline.Log, env.Now, n.sensors, nil)
	if err != nil {
		return err
	}
	defer tells.Close()
	go func() {
		if err := tells.Run(); err != nil {
			n.pipeline.Log.Error("serve metrics", "error", err)
		}
	}()
	to := "standard output"
	if client != nil {
		to = cfg.server
	}
	fmt.Fprintf(env.Stderr, "watching %s; findings go to %s\n", n.watching(), to)
	if n.withoutBPF != nil {
		fmt.Fprintf(env.Stderr, "Note: %s.\n", n.eye.Degraded())
	}
	if client == nil {
		return sensorToLines(ctx, env, n)
	}
	return sensorToServer(ctx, n, client)
}

// client returns what hands findings to the server.
func (c *sensorConfig) client(env Env) (*push.Client, error) {
	switch {
	case c.spoolMegabytes < 1:
		return nil, usageError("--spool-mb %d: want at least 1", c.spoolMegabytes)
	case c.tokenFile == "":
		return nil, usageError("--server needs --token-file; the server keeps the token in sensor.token of its data folder")
	}
	token, err := readToken(c.tokenFile)
	if err != nil {
		return nil, err
	}
	return push.New(push.Config{
		URL: c.server, Token: token, CAFile: c.caFile, Spool: c.spool, MaxSpool: c.spoolMegabytes << 20,
		Log: slog.New(slog.NewTextHandler(env.Stderr, nil)),
	})
}

// sensorToServer runs n until ctx ends, and then gives the client a while to
// hand over what is queued.
func sensorToServer(ctx context.Context, n *node, client *push.Client) error {
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	sent := make(chan error, 1)
	go func() { sent <- client.Run(sending) }()
	tell := func(ctx context.Context, s finding.SensorStatus) { tellServer(ctx, n.pipeline.Log, client, s) }
	var beating sync.WaitGroup
	beating.Go(func() { n.beat(ctx, tell) })
	err := n.Run(ctx)
	beating.Wait()
	stopSending()
	left := <-sent
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	tell(last, n.goodbye(err))
	return errors.Join(err, left)
}

// tellServer sends a heartbeat. One that fails is not repeated: the next says
// the same and more, and the server notices a sensor that is silent.
func tellServer(ctx context.Context, log *slog.Logger, client *push.Client, s finding.SensorStatus) {
	if err := client.Heartbeat(ctx, s); err != nil && ctx.Err() == nil {
		log.Warn("tell the server this sensor's status", "error", err)
	}
}

// sensorToLines writes findings as JSON lines.
func sensorToLines(ctx context.Context, env Env, n *node) error {
	var beating sync.WaitGroup
	beating.Go(func() { n.beat(ctx, func(context.Context, finding.SensorStatus) {}) })
	err := n.Run(ctx)
	beating.Wait()
	st := n.Status()
	fmt.Fprintf(env.Stderr, "judged %d, findings %d, lost %s\n", st.Scripts, st.Findings, lostWords(st.Lost.Missed()))
	if missed := st.Lost.Of(finding.StageHold); missed.Total() > 0 {
		fmt.Fprintf(env.Stderr, "not held to the end: %s\n", lostWords(missed))
	}
	return err
}

// lineSink writes each finding as one line of JSON.
type lineSink struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *lineSink) Put(_ context.Context, f finding.Finding) error {
	line, err := finding.Marshal(f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.w.Write(append(line, '\n'))
	return err
}

var _ detect.Sink = (*lineSink)(nil)
