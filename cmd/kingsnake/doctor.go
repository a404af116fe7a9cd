package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"kingsnake/capture/sensor"
	"kingsnake/workload/cri"
)

func runDoctor(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "doctor", "", "Says what works on this machine, what does not, why, and what would mend it; and what the sensor\n"+
		"that runs here, if one does, saw and lost.\n"+
		"Exits 0 when the sensor can run, 1 when it cannot.")
	socket := fs.String("cri", "", "container runtime `socket` (default: the usual places)")
	data := fs.String("data", defaultData(env), "data `folder` of the instance or sensor whose model to look at, and of the instance to ask")
	address := fs.String("metrics", metricsAddress, "`address` at which a sensor serves metrics, to ask it what it lost")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	var fixes []string
	able := true
	line := func(ok bool, need bool, name, detail, fix string) {
		mark := "ok"
		switch {
		case !ok && need:
			mark, able = "FAILS", false
		case !ok:
			mark = "absent"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", mark, name, detail)
		if !ok && fix != "" {
			fixes = append(fixes, fmt.Sprintf("%s: %s", name, fix))
		}
	}
	for _, c := range sensor.Check() {
		line(c.OK, !c.Optional, c.Name, c.Detail, c.Fix)
	}
	for _, s := range cri.Check(ctx, *socket) {
		line(s.OK, false, "runtime "+s.Path, s.Detail, s.Fix)
	}
	if s, _, err := stateOf(*data); err == nil {
		mark, detail := "ok", fmt.Sprintf("%.12s, %s", s.Current.Hash, fromWords(s.Current))
		if s.Problem != "" {
			mark = "refused"
			fixes = append(fixes, "model: "+visible(s.Problem)+"; \"kingsnake model status\" says more")
		}
		fmt.Fprintf(tw, "%s\tmodel in use\t%s\n", mark, visible(detail))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, fix := range fixes {
		fmt.Fprintf(env.Stdout, "\n%s\n", fix)
	}
	if err := tellRunning(ctx, env, *data, *address); err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, "\nWithout the sensor these still work: console, API, scan, train and eval.")
	if !able {
		return exitError{1, "the sensor cannot run here"}
	}
	fmt.Fprintln(env.Stdout, "The sensor can run here.")
	return nil
}
