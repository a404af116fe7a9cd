package main

import (
	"context"
	"fmt"
)

func runServer(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "server", "", "Runs the server half: findings API, console and outputs. Sensors push to it with the token in\n"+
		"sensor.token of its data folder.")
	var cfg hubConfig
	cfg.flags(fs, env)
	fs.StringVar(&cfg.scc.Cluster, "cluster", "", "`name` of the cluster in SCC documents (default: unknown)")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	h, err := openHub(env, cfg)
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.signInLink()
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "kingsnake %s\n\n  Console       %s/\n  Sign in       %s\n  Sensor token  %s\n\n", version(), h.URL(), link, h.dir.file(fileSensorToken))
	fmt.Fprintf(env.Stdout, "Start a sensor with: kingsnake sensor --server %s --token-file %s\n", h.URL(), h.dir.file(fileSensorToken))
	return h.Run(ctx)
}
