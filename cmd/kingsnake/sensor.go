package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/finding/push"
)

// drain is how long a stopping sensor tries to hand over what it still holds.
const drain = 10 * time.Second

func runSensor(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "sensor", "", "Runs the sensor half: watches this node, judges every script here, and pushes findings to a server,\n"+
		"or writes them as JSON lines to standard output when no server is named.")
	var cfg nodeConfig
	var mc modelConfig
	cfg.flags(fs)
	cfg.hold.flags(fs)
	mc.flags(fs)
	data := fs.String("data", defaultData(env), "`folder` for the models it used, when --model or --shadow-model is given")
	server := fs.String("server", "", "`URL` of the server, for example https://kingsnake.example.com")
	tokenFile := fs.String("token-file", "", "`file` with the server's sensor token")
	caFile := fs.String("ca-file", "", "PEM `file` with the authority that signed the server's certificate (default: the system's)")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := cfg.hold.check(cfg.host); err != nil {
		return err
	}
	m, err := openModels(env, mc, *data)
	if err != nil {
		return err
	}
	defer m.Close()
	if *server == "" {
		return sensorToLines(ctx, env, cfg, m)
	}
	if *tokenFile == "" {
		return usageError("--server needs --token-file; the server keeps the token in sensor.token of its data folder")
	}
	token, err := readToken(*tokenFile)
	if err != nil {
		return err
	}
	client, err := push.New(push.Config{URL: *server, Token: token, CAFile: *caFile})
	if err != nil {
		return err
	}
	n, err := startNode(env, cfg, m, client)
	if err != nil {
		return errors.New(describeSensorError(err))
	}
	defer n.Close()
	fmt.Fprintf(env.Stderr, "watching %s; findings go to %s\n", n.watching(), *server)
	return sensorToServer(ctx, n, client)
}

// sensorToServer runs n until ctx ends, and then gives the client a while to
// hand over what is queued.
func sensorToServer(ctx context.Context, n *node, client *push.Client) error {
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	sent := make(chan error, 1)
	go func() { sent <- client.Run(sending) }()
	var beating sync.WaitGroup
	beating.Go(func() {
		n.beat(ctx, func(ctx context.Context, s finding.SensorStatus) { tellServer(ctx, n.pipeline.Log, client, s) })
	})
	err := n.Run(ctx)
	beating.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	tellServer(last, n.pipeline.Log, client, n.Status())
	stopSending()
	return errors.Join(err, <-sent)
}

// tellServer sends a heartbeat with the push client's own losses added. One that
// fails is not repeated: the next says the same and more, and the server shows
// a sensor that is silent.
func tellServer(ctx context.Context, log *slog.Logger, client *push.Client, s finding.SensorStatus) {
	s.QueuedOut = client.Queued()
	for why, n := range client.Dropped() {
		s.Lost["push: "+why] = n
	}
	if err := client.Heartbeat(ctx, s); err != nil && ctx.Err() == nil {
		log.Warn("tell the server this sensor's status", "error", err)
	}
}

// sensorToLines writes findings as JSON lines.
func sensorToLines(ctx context.Context, env Env, cfg nodeConfig, m *models) error {
	n, err := startNode(env, cfg, m, &lineSink{w: env.Stdout})
	if err != nil {
		return errors.New(describeSensorError(err))
	}
	defer n.Close()
	fmt.Fprintf(env.Stderr, "watching %s; findings go to standard output\n", n.watching())
	err = n.Run(ctx)
	st := n.Status()
	fmt.Fprintf(env.Stderr, "judged %d, findings %d, lost %s\n", st.Scripts, st.Findings, lostWords(st.Lost))
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
