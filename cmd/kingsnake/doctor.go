package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"kingsnake/capture/fallback"
	"kingsnake/capture/sensor"
	"kingsnake/workload/cgroup"
	"kingsnake/workload/cri"
	"kingsnake/workload/kube"
)

func runDoctor(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "doctor", "", "Says what works on this machine, what does not, why, and what would mend it; and what the sensor\n"+
		"that runs here, if one does, saw and lost.\n"+
		"Exits 0 when the sensor can run with BPF, 1 when it cannot.")
	socket := fs.String("cri", "", "container runtime `socket` (default: the usual places)")
	data := fs.String("data", defaultData(env), "data `folder` of the instance or sensor whose model to look at, and of the instance to ask")
	address := fs.String("metrics", metricsAddress, "`address` at which a sensor serves metrics, to ask it what it lost")
	var api kubeConfig
	api.pathFlag(fs)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	d := diagnosis{table: tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)}
	able := d.sensor()
	d.where(ctx, env, *socket, api)
	d.model(*data)
	if err := d.tell(env.Stdout); err != nil {
		return err
	}
	if err := tellRunning(ctx, env, *data, *address); err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, "\nWithout the sensor these still work: console, API, scan, train and eval.")
	switch {
	case able:
		fmt.Fprintln(env.Stdout, "The sensor can run here.")
		return nil
	case d.without:
		fmt.Fprintf(env.Stdout, "The sensor can run here only without BPF, and does by itself (--capture): %s.\n", fallback.Blind)
		return exitError{1, "the sensor cannot use BPF here"}
	}
	return exitError{1, "the sensor cannot run here"}
}

// diagnosis is what doctor finds, as it is written down.
type diagnosis struct {
	table   *tabwriter.Writer
	fixes   []remedy
	without bool // the sensor can run without BPF
}

// remedy is one thing to do, and what it would mend.
type remedy struct {
	mends []string
	what  string
}

// line writes down one thing: mark is "ok", or how it is not.
func (d *diagnosis) line(mark, name, detail, fix string) {
	fmt.Fprintf(d.table, "%s\t%s\t%s\n", mark, visible(name), visible(detail))
	if mark == "ok" || fix == "" {
		return
	}
	for i := range d.fixes {
		if d.fixes[i].what == fix {
			d.fixes[i].mends = append(d.fixes[i].mends, name)
			return
		}
	}
	d.fixes = append(d.fixes, remedy{[]string{name}, fix})
}

// mark is how a thing is marked that is there or not.
func mark(ok bool) string {
	if ok {
		return "ok"
	}
	return "absent"
}

// sensor looks at what capturing needs, and reports whether BPF can be used.
func (d *diagnosis) sensor() (able bool) {
	able = true
	for _, c := range sensor.Check() {
		how := mark(c.OK)
		if !c.OK && !c.Optional {
			how, able = "FAILS", false
		}
		d.line(how, c.Name, c.Detail, c.Fix)
	}
	for _, s := range fallback.Check() {
		d.without = d.without || s.OK
		d.line(mark(s.OK), "without BPF: "+s.Name, s.Detail, "")
	}
	return able
}

// where looks at what tells in which container and pod something ran.
func (d *diagnosis) where(ctx context.Context, env Env, socket string, api kubeConfig) {
	layout := cgroup.ReadLayout(os.DirFS("/"))
	d.line(mark(layout.Version != ""), "cgroups", layout.String(), "mount -t cgroup2 none /sys/fs/cgroup, or give the sensor's container the host's /sys/fs/cgroup")
	for _, s := range cri.Check(ctx, socket) {
		d.line(mark(s.OK), "runtime "+s.Path, s.Detail, s.Fix)
	}
	if api.path == noKube {
		return
	}
	list, err := kube.Check(ctx, kube.Config{Kubeconfig: api.path, Node: nodeName(env), Getenv: env.Getenv})
	if err != nil {
		fix := "" // there is nothing to mend on a machine that is in no cluster
		if !errors.Is(err, kube.ErrNone) {
			fix = "name the right file with --kubeconfig, or none"
		}
		d.line("absent", "Kubernetes API", err.Error(), fix)
		return
	}
	bad := 0
	for _, s := range list {
		if !s.OK {
			bad++
			d.line("absent", "Kubernetes API: "+s.Name, s.Detail, s.Fix)
		}
	}
	if bad == 0 {
		d.line("ok", "Kubernetes API", "all that is asked for may be seen", "")
	}
}

// model looks at the model in use.
func (d *diagnosis) model(data string) {
	s, _, err := stateOf(data)
	if err != nil {
		return
	}
	how, fix := "ok", ""
	if s.Problem != "" {
		how, fix = "refused", visible(s.Problem)+"; \"kingsnake model status\" says more"
	}
	d.line(how, "model in use", fmt.Sprintf("%.12s, %s", s.Current.Hash, fromWords(s.Current)), fix)
}

// tell writes the table, and what would mend what is missing.
func (d *diagnosis) tell(w io.Writer) error {
	if err := d.table.Flush(); err != nil {
		return err
	}
	for _, r := range d.fixes {
		fmt.Fprintf(w, "\n%s:\n  %s\n", strings.Join(r.mends, ", "), r.what)
	}
	return nil
}
