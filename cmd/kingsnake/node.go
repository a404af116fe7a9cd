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
	"sync"
	"sync/atomic"
	"time"

	"kingsnake/capture/binary"
	"kingsnake/capture/fallback"
	"kingsnake/capture/sensor"
	"kingsnake/detect"
	"kingsnake/detect/apart"
	"kingsnake/finding"
	"kingsnake/finding/push"
	"kingsnake/workload/cri"
	"kingsnake/workload/engine"
	"kingsnake/workload/kube"
	"kingsnake/workload/state"
)

// heartbeat is how often a node tells its counts.
const heartbeat = 10 * time.Second

// nodeConfig is how the sensor half of an instance is set up.
type nodeConfig struct {
	name    string
	cluster string
	cri     string
	docker  string
	podman  string
	kube    kubeConfig
	host    bool
	share   float64 // processors that judging may keep busy
	bytes   int     // MiB that are captured in a second, at most
	args    bool    // report arguments
	env     bool    // report the environment
	known   knownConfig
	warmUp  time.Duration // how long the shells that Python starts are learned; 0: that is no finding
	habits  string        // file they are kept in; "": in memory
	hold    holdConfig
	capture captureMode
	observe func(detect.Result) // every judged script; may be nil
}

func (c *nodeConfig) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.name, "node", "", "this node's `name` in findings (default: $NODE_NAME, then the host name)")
	fs.StringVar(&c.cluster, "cluster", "", "`name` of the cluster in findings (default: unknown)")
	fs.StringVar(&c.cri, "cri", "", "container runtime `socket` (default: the usual places)")
	fs.StringVar(&c.docker, "docker", "", "Docker's `socket` (default: "+engine.DockerSocket+")")
	fs.StringVar(&c.podman, "podman", "", "`socket` of Podman's API service (default: "+engine.PodmanSocket+")")
	fs.Var(&c.capture, "capture", "`way` to capture: bpf; fallback, which sees less and needs no BPF; or auto,\nwhich is bpf wherever that can be had")
	fs.BoolVar(&c.host, "host", true, "watch scripts outside containers too; --host=false leaves them out")
	c.kube.flags(fs)
	fs.Float64Var(&c.share, "cpu", 0, "how many `processors` may be kept busy for long: scripts wait meanwhile, and those that cannot are counted (default: half of the machine's, and at least one)")
	fs.IntVar(&c.bytes, "bytes", 128, "how many `MiB` of scripts are captured in a second, of the whole machine; more is left out and counted")
	fs.BoolVar(&c.args, "report-args", true, "report the arguments of processes; --report-args=false leaves all but the first out of findings")
	fs.BoolVar(&c.env, "report-env", true, "report the environment of processes; --report-env=false leaves it out of findings")
	fs.DurationVar(&c.warmUp, "learn-shells", detect.DefaultWarmUp, "`time` for which the shells that the Python of an image starts are learned;\nothers after it are findings; 0 turns that off")
	c.known.flags(fs)
}

// node is the sensor half: it captures, judges and reports.
type node struct {
	cfg      nodeConfig
	eye      eye
	follower detect.Follower // nil when it cannot
	resolver *cri.Resolver
	pods     *kube.Pods
	pipeline *detect.Pipeline
	client   *push.Client // hands findings to a server; nil when there is none
	models   *models

	withoutBPF error       // why it is not BPF that captures; nil: it is
	apart      *apart.Pool // nil when scripts are taken apart in this process
	alone      bool        // the process is this node's: its memory may be tidied
	started    time.Time
	now        func() time.Time
	beats      atomic.Uint64
	cut        atomic.Uint64 // scripts judged in part, being too long

	mu    sync.Mutex
	known finding.Sensor // its heartbeats so far, as a server would know them
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
	pods, err := cfg.kube.open(env, cfg.name)
	if err != nil {
		return nil, err
	}
	n := &node{cfg: cfg, pods: pods, models: m, alone: env.Process, started: env.Now(), now: env.Now}
	bpf, err := n.open(env)
	if err != nil {
		return nil, err
	}
	n.resolver = cri.NewResolver(cri.Config{
		Socket: cfg.cri, Others: []cri.Source{engine.New(engine.Config{Docker: cfg.docker, Podman: cfg.podman}), state.Source{}}, Pods: pods, Node: cfg.name, Cluster: cfg.cluster,
	})
	var binaries binary.Reader
	n.pipeline = &detect.Pipeline{
		Source: n.eye, Follower: n.follower, Resolver: n.resolver, Judge: js.whole, Cut: js.cut, Sink: sink, Binary: binaries.Describe,
		Observe: n.observe, SkipHost: !cfg.host, Workers: runtime.NumCPU(), Sensor: cfg.name,
		Log: slog.New(slog.NewTextHandler(env.Stderr, nil)),
	}
	if bpf != nil && len(cfg.hold.rules) > 0 {
		n.pipeline.Holder, n.pipeline.Hold = bpf, cfg.hold.rules
	}
	n.pipeline.Habits = openHabits(cfg, n.pipeline.Log)
	if n.pipeline.Share, n.pipeline.CPU = cfg.share, n.cpu; cfg.share <= 0 {
		n.pipeline.Share = max(float64(runtime.NumCPU())/2, 1)
	}
	n.pipeline.HideArgs, n.pipeline.HideEnv = !cfg.args, !cfg.env
	if n.apart = newApart(env, bpf != nil && len(cfg.hold.rules) > 0); n.apart != nil {
		n.pipeline.Normalize = n.apart.Normalize
	}
	settle(env)
	confine(env, n.use())
	return n, nil
}

// cpu is the processor time that this process and those it started have used.
func (n *node) cpu() time.Duration {
	used := processCPU()
	if n.apart != nil {
		used += n.apart.CPU()
	}
	return used
}

// observe is told of every judged script.
func (n *node) observe(r detect.Result) {
	n.models.Observe(r.Script, r.Verdict)
	if r.Script.Truncated {
		n.cut.Add(1)
	}
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
	watched := make(chan struct{})
	go func() { defer close(watched); n.pods.Run(following) }()
	modeled := make(chan struct{})
	go func() { defer close(modeled); n.models.Run(following) }()
	learned := make(chan struct{})
	go func() { defer close(learned); n.keepHabits(following) }()
	if n.alone {
		go giveBack(following)
	}
	err := n.pipeline.Run(ctx)
	stop()
	<-learned
	<-followed
	<-watched
	<-modeled
	return err
}

// Close detaches the sensor.
func (n *node) Close() error {
	err := errors.Join(n.eye.Close(), n.resolver.Close())
	if n.apart != nil {
		err = errors.Join(err, n.apart.Close())
	}
	return err
}

// Beat is the node's next heartbeat.
func (n *node) Beat() finding.SensorStatus {
	number := n.beats.Add(1)
	st := n.Status()
	st.Beat = number
	n.mu.Lock()
	defer n.mu.Unlock()
	if known, later := n.known.Hear(st, time.Time{}); later {
		n.known = known
	}
	return st
}

// Status is what the node saw and lost so far.
func (n *node) Status() finding.SensorStatus {
	judged, found, dropped := n.pipeline.Counts()
	m := n.models.State()
	stats := n.eye.Stats()
	now := n.now()
	st := finding.SensorStatus{
		Name: n.cfg.name, Version: version(), Started: n.started, Time: now, Uptime: now.Sub(n.started),
		Model: m.Current.Hash, ModelFrom: fromWords(m.Current), ModelProblem: m.Problem, Shadow: shadowWords(m),
		Watching: n.watching(), Degraded: n.degraded(), Seen: stats.Seen, Scripts: judged, Findings: found, Lost: finding.Losses{},
	}
	st.Lost.Add(finding.StageCapture, stats.Lost)
	st.Lost.Add(finding.StageDetect, dropped)
	if h := n.pipeline.Habits; h != nil && h.Forgot() > 0 {
		st.Lost.Add(finding.StageWorkload, map[string]uint64{"image forgotten, its shells are learned anew": h.Forgot()})
	}
	st.Lost.Add(finding.StageWorkload, n.resolver.Misses())
	st.Lost.Add(finding.StageCapture, map[string]uint64{"script longer than is kept": n.cut.Load()})
	if n.client != nil {
		st.QueuedOut = n.client.Queued()
		st.Lost.Add(finding.StagePush, n.client.Dropped())
	}
	return st
}

// sensors is the node as it is now and what it counted before, as a list of one.
func (n *node) sensors(context.Context) ([]finding.Sensor, error) {
	st := n.Status()
	st.Beat = n.beats.Load()
	n.mu.Lock()
	defer n.mu.Unlock()
	now, _ := n.known.Hear(st, time.Time{})
	return []finding.Sensor{now}, nil
}

// watching says in plain words what this node watches.
func (n *node) watching() string {
	where := "in this machine's containers"
	if n.cfg.host {
		where = "on this machine, in containers and outside them"
	}
	if n.withoutBPF != nil {
		return "Python " + where + " without BPF, which sees less: files, -c, and modules imported from writable paths"
	}
	return "every Python script " + where + ": files, -c, standard input, modules imported from writable paths, and texts compiled at run time" + n.cfg.hold.words()
}

// degraded says in plain words what this node cannot do, or "".
func (n *node) degraded() string {
	var not []string
	if why := n.resolver.Unavailable(); why != "" {
		not = append(not, "container names and images cannot be looked up: "+why)
	}
	if why := n.pods.Unavailable(); why != "" {
		not = append(not, "owners and service accounts of pods cannot be looked up: "+why)
	}
	if n.client != nil {
		if why := n.client.Trouble(); why != "" {
			not = append(not, why)
		}
	}
	if n.withoutBPF != nil {
		not = append(not, "BPF is not used: "+n.withoutBPF.Error())
	}
	if why := n.eye.Degraded(); why != "" {
		not = append(not, why)
	}
	return strings.Join(not, "; ")
}

// beat calls tell with the node's status now and at every heartbeat until ctx
// ends. The last heartbeat, that says goodbye, is goodbye's.
func (n *node) beat(ctx context.Context, tell func(context.Context, finding.SensorStatus)) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		tell(ctx, n.Beat())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// goodbye is the node's last heartbeat. A node that failed does not say that it
// stopped as it was told: its silence is to be noticed.
func (n *node) goodbye(failed error) finding.SensorStatus {
	st := n.Beat()
	st.Stopped = failed == nil
	return st
}

// describeSensorError turns the reason a sensor could not start into advice.
func describeSensorError(err error) string {
	if errors.Is(err, sensor.ErrNotSupported) || errors.Is(err, fallback.ErrNotSupported) {
		return fmt.Sprintf("%v\nRun \"kingsnake doctor\" for the whole picture.", err)
	}
	return err.Error()
}
