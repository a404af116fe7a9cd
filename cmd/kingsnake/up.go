package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kingsnake/finding"
)

func runUp(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "up", "", "Runs everything on this machine: sensor, server and console, with SQLite in a data folder.\n"+
		"Prints a one-time sign-in link. Without root, or on a kernel that cannot, it says what is missing and runs the rest.")
	var nc nodeConfig
	var hc hubConfig
	var mc modelConfig
	nc.flags(fs)
	nc.hold.flags(fs)
	hc.flags(fs, env)
	mc.flags(fs)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := nc.hold.check(nc.host, nc.capture); err != nil {
		return err
	}
	hc.scc.Cluster = nc.cluster
	nc.habits = filepath.Join(hc.data, fileHabits)
	m, err := openModels(env, mc, hc.data)
	if err != nil {
		return err
	}
	defer m.Close()
	hc.models = m
	h, err := openHub(env, hc)
	if err != nil {
		return err
	}
	defer h.Close()
	n, nodeErr := startNode(env, nc, m, h)
	if n != nil {
		defer n.Close()
	}
	if err := greet(env.Stdout, h, n, nodeErr); err != nil {
		return err
	}
	if err := runBoth(ctx, env, h, n, nodeErr); err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, "\nStopped. All findings are in "+h.dir.path+".")
	return nil
}

// runBoth runs the server half, and the sensor half when there is one, until
// ctx ends. The sensor stops first, so that what it still finds is stored.
func runBoth(ctx context.Context, env Env, h *hub, n *node, nodeErr error) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	served := make(chan error, 1)
	go func() { served <- h.Run(serving) }()
	tell := func(ctx context.Context, s finding.SensorStatus) {
		if err := h.store.PutSensor(context.WithoutCancel(ctx), s, env.Now()); err != nil {
			h.log.Error("store the sensor's status", "error", err)
		}
	}
	if n == nil {
		following, stopFollowing := context.WithCancel(ctx)
		beating := make(chan struct{})
		go func() { defer close(beating); beatWithout(following, env, nodeErr, tell) }()
		followed := make(chan struct{})
		go func() { defer close(followed); h.cfg.models.Run(following) }()
		var err error
		select {
		case <-ctx.Done():
			stopServing()
			err = <-served
		case err = <-served:
		}
		stopFollowing()
		<-followed
		<-beating
		return err
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	beating := make(chan struct{})
	go func() { defer close(beating); n.beat(watching, tell) }()
	watched := make(chan error, 1)
	go func() { watched <- n.Run(watching) }()

	var err error
	select {
	case err = <-served: // the server half failed: stop the other
		stopWatching()
		<-watched
		<-beating
		return err
	case err = <-watched:
		stopWatching()
	}
	<-beating
	tell(ctx, n.goodbye(err))
	stopServing()
	return errors.Join(err, <-served)
}

// beatWithout tells, as often as a sensor would, that there is none and why, so
// that nobody takes its silence for news.
func beatWithout(ctx context.Context, env Env, why error, tell func(context.Context, finding.SensorStatus)) {
	st := finding.SensorStatus{Name: nodeName(env), Version: version(), Started: env.Now(), Degraded: "no sensor: " + why.Error()}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		st.Beat++
		st.Time = env.Now()
		st.Uptime = st.Time.Sub(st.Started)
		st.Stopped = ctx.Err() != nil
		tell(ctx, st)
		if st.Stopped {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// greet says in plain words what runs, what it watches and how to try it.
func greet(w io.Writer, h *hub, n *node, nodeErr error) error {
	link, err := h.signInLink()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "kingsnake %s\n\n", version())
	fmt.Fprintf(w, "  Console  %s/\n  Sign in  %s\n           (works once; \"%s\" prints another)\n  Data     %s\n\n", h.URL(), link, program()+" signin"+dataHint(h.dir.path), h.dir.path)
	if n == nil {
		fmt.Fprintf(w, "The sensor does not run: %s\n\n", describeSensorError(nodeErr))
		fmt.Fprint(w, "What works all the same: the console, the API, and \"kingsnake scan\" for files.\n")
		fmt.Fprint(w, "Ctrl-C stops it.\n")
		return nil
	}
	fmt.Fprintf(w, "Watching %s.\n", n.watching())
	if why := n.degraded(); why != "" {
		fmt.Fprintf(w, "Note: %s.\n", why)
	}
	if m := h.cfg.models.State(); m.Problem != "" {
		fmt.Fprintf(w, "Note: %s; model %.12s judges, %s.\n", visible(m.Problem), m.Current.Hash, visible(fromWords(m.Current)))
	}
	fmt.Fprint(w, "\nTry it: in a second terminal run\n\n    "+program()+" selftest"+dataHint(h.dir.path)+"\n\n")
	fmt.Fprint(w, "It runs a harmless script that must come out as a finding. Ctrl-C stops kingsnake; nothing is lost.\n")
	return nil
}

// program is how this program was called, so that a command can be copied.
func program() string {
	if strings.ContainsAny(os.Args[0], " \t\n'\"\\") {
		return "kingsnake"
	}
	return os.Args[0]
}
