package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"kingsnake/capture/binary"
	"kingsnake/capture/sensor"
	"kingsnake/detect"
	"kingsnake/finding"
	"kingsnake/workload/cri"
)

// heartbeat is how often a node tells its counts.
const heartbeat = 10 * time.Second

// nodeConfig is how the sensor half of an instance is set up.
type nodeConfig struct {
	name    string
	cluster string
	cri     string
	host    bool
	known   knownConfig
	observe func(detect.Result) // every judged script; may be nil
}

func (c *nodeConfig) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.name, "node", "", "this node's `name` in findings (default: $NODE_NAME, then the host name)")
	fs.StringVar(&c.cluster, "cluster", "", "`name` of the cluster in findings (default: unknown)")
	fs.StringVar(&c.cri, "cri", "", "container runtime `socket` (default: the usual places)")
	fs.BoolVar(&c.host, "host", true, "watch scripts outside containers too; --host=false leaves them out")
	c.known.flags(fs)
}

// node is the sensor half: it captures, judges and reports.
type node struct {
	cfg      nodeConfig
	sensor   *sensor.Sensor
	resolver *cri.Resolver
	pipeline *detect.Pipeline
	models   *models
	started  time.Time
	now      func() time.Time
}

// startNode attaches the sensor, which judges with m. An error that wraps
// sensor.ErrNotSupported says what this machine lacks.
func startNode(env Env, cfg nodeConfig, m *models, sink detect.Sink) (*node, error) {
	if cfg.name == "" {
		cfg.name = nodeName(env)
	}
	js, err := cfg.known.judges(m)
	if err != nil {
		return nil, err
	}
	s, err := sensor.Open(sensor.Config{})
	if err != nil {
		return nil, err
	}
	n := &node{cfg: cfg, sensor: s, models: m, started: env.Now(), now: env.Now}
	n.resolver = cri.NewResolver(cri.Config{Socket: cfg.cri, Node: cfg.name, Cluster: cfg.cluster})
	var binaries binary.Reader
	n.pipeline = &detect.Pipeline{
		Source: s, Resolver: n.resolver, Judge: js.whole, Cut: js.cut, Sink: sink, Binary: binaries.Describe,
		Observe: n.observe, SkipHost: !cfg.host, Workers: runtime.NumCPU(), Sensor: cfg.name,
		Log: slog.New(slog.NewTextHandler(env.Stderr, nil)),
	}
	return n, nil
}

// observe is told of every judged script.
func (n *node) observe(r detect.Result) {
	n.models.Observe(r.Script, r.Verdict)
	if n.cfg.observe != nil {
		n.cfg.observe(r)
	}
}

func nodeName(env Env) string {
	if name := env.Getenv("NODE_NAME"); name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "unnamed"
	}
	return name
}

// Run watches until ctx ends; what was captured by then is still judged.
func (n *node) Run(ctx context.Context) error {
	following, stop := context.WithCancel(ctx)
	followed := make(chan struct{})
	go func() { defer close(followed); n.resolver.Follow(following) }()
	modeled := make(chan struct{})
	go func() { defer close(modeled); n.models.Run(following) }()
	err := n.pipeline.Run(ctx)
	stop()
	<-followed
	<-modeled
	return err
}

// Close detaches the sensor.
func (n *node) Close() error { return errors.Join(n.sensor.Close(), n.resolver.Close()) }

// Status is the node's heartbeat.
func (n *node) Status() finding.SensorStatus {
	judged, found, dropped := n.pipeline.Counts()
	m := n.models.State()
	st := finding.SensorStatus{
		Name: n.cfg.name, Version: version(), Started: n.started, Time: n.now(),
		Model: m.Current.Hash, ModelFrom: fromWords(m.Current), ModelProblem: m.Problem, Shadow: shadowWords(m),
		Watching: n.watching(), Degraded: n.degraded(), Scripts: judged, Findings: found, Lost: map[string]uint64{},
	}
	for why, count := range n.sensor.Stats().Lost {
		st.Lost["capture: "+why] = count
	}
	for why, count := range dropped {
		st.Lost["detect: "+why] = count
	}
	return st
}

// watching says in plain words what this node watches.
func (n *node) watching() string {
	if n.cfg.host {
		return "every Python script on this machine, in containers and outside them: files, -c, standard input, modules imported from writable paths, and texts compiled at run time"
	}
	return "every Python script in this machine's containers: files, -c, standard input, modules imported from writable paths, and texts compiled at run time"
}

// degraded says in plain words what this node cannot do, or "".
func (n *node) degraded() string {
	var all []string
	if why := n.resolver.Unavailable(); why != "" {
		all = append(all, "container names and images cannot be looked up: "+why)
	}
	if why := n.sensor.Degraded(); why != "" {
		all = append(all, why)
	}
	return strings.Join(all, "; ")
}

// beat calls tell with the node's status now and at every heartbeat until ctx
// ends, and once more at the end.
func (n *node) beat(ctx context.Context, tell func(context.Context, finding.SensorStatus)) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		tell(ctx, n.Status())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// describeSensorError turns the reason a sensor could not start into advice.
func describeSensorError(err error) string {
	if errors.Is(err, sensor.ErrNotSupported) {
		return fmt.Sprintf("%v\nRun \"kingsnake doctor\" for the whole picture.", err)
	}
	return err.Error()
}

var _ detect.Source = (*sensor.Sensor)(nil)
